"""A call's journal as a story: its channels, what the dialplan said, and its visits to queues, from both files.

Pure. Nothing is judged here; ``core.fold`` and ``core.timeline`` both start from the same story, so that they agree.
"""

import re
from dataclasses import dataclass, field

from ramal.core.history import LegStart
from ramal.core.journal import MEMBERSHIP, Cel, Journal, Queued, endpoint, user_fields
from ramal.core.places import logical

NOT_LET_IN = frozenset({"FULL", "JOINEMPTY", "JOINUNAVAIL", "PREDICTED", "CALLBACK"})
"""QUEUESTATUS of callers who never entered app_queue: two of them are our own (see dialplan/queue.conf)."""
LEFT_PART = frozenset({"EXITWITHTIMEOUT", "EXITEMPTY", "EXITWITHKEY"})
"""How app_queue says that a part of a stay is over; only the last part's word is the stay's end."""
MOVES = frozenset({"BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP"})


@dataclass(slots=True)
class Leg:
    """One channel of the call. ``bridged`` are the spans it was connected to somebody; the last may be open."""

    unique_id: str
    channel: str
    endpoint: str
    started_ms: int
    answered_ms: int | None = None
    ended_ms: int | None = None
    hangup_extra: str = ""
    bridged: list[tuple[int, int | None]] = field(default_factory=list)
    agent: str = ""
    rang: str = ""
    """What queue_log says became of the ringing: CONNECT, RINGNOANSWER, RINGCANCELED."""

    def bridged_ms(self, from_ms: int, until_ms: int) -> int:
        """How long it was connected within a span."""
        spans = ((max(a, from_ms), min(until_ms if b is None else b, until_ms)) for a, b in self.bridged)
        return sum(b - a for a, b in spans if b > a)


@dataclass(slots=True)
class Visit:
    """A stay in a queue while it is being put together from both files. ``parts`` are the queues of app_queue it went
    through, in order: one stay may be several visits there (see core.places)."""

    queue: str
    joined_ms: int
    path: str = ""
    ended_ms: int | None = None
    status: str = ""
    log: list[Queued] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Taken:
    """A call that rang elsewhere, or waited in a parking place, taken by this phone."""

    how: LegStart
    phone: str
    agent: str


@dataclass(slots=True)
class Story:
    """One pass over the CEL events: what the dialplan said, in order, and the channels."""

    legs: dict[str, Leg] = field(default_factory=dict)
    main: Leg | None = None
    first: Cel | None = None
    last_ms: int = 0
    ended_ms: int | None = None
    said: list[tuple[Cel, list[str]]] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    moves: list[Cel] = field(default_factory=list)
    """Transfers and pick-ups."""
    parked: list[tuple[int, str]] = field(default_factory=list)
    """When the caller was parked, and by which phone."""
    taken: dict[str, Taken] = field(default_factory=dict)
    """By channel."""
    seats: dict[str, str] = field(default_factory=dict)
    """Which agent sat at a phone that was called without a queue."""
    dialed: dict[str, str] = field(default_factory=dict)
    """The number outside that a channel of a line called."""
    arrived: str = ""
    """The channel that came from a line, when it is not the one the call is named after: a phone's consultation may be
    older than the call it ends in."""


def tell(journal: Journal) -> Story:
    """The story of a journal: channels, what the dialplan said, and the queue visits with their queue_log lines."""
    story = Story()
    open_legs = 0
    for event in journal.cel:
        at_ms, kind = event.at_ms, event.type
        if event.user == "DISPOSITION" and event.linked_id != journal.call_id:
            story.said.append((event, user_fields(event.extra)))  # of another call: the agent said later what this was
            continue
        if story.first is None:
            story.first = event
        story.last_ms = max(story.last_ms, at_ms)
        leg = story.legs.get(event.unique_id)
        if leg is None:
            leg = Leg(event.unique_id, event.channel, endpoint(event.channel), at_ms)
            story.legs[event.unique_id] = leg
            open_legs += 1
        if event.user:  # cel_custom writes a user event's name also as its type
            _said(story, event, user_fields(event.extra))
        elif kind == "BRIDGE_ENTER":
            leg.bridged.append((at_ms, None))
        elif kind == "BRIDGE_EXIT":
            if leg.bridged and leg.bridged[-1][1] is None:
                leg.bridged[-1] = (leg.bridged[-1][0], max(at_ms, leg.bridged[-1][0]))
        elif kind == "ANSWER":
            if leg.answered_ms is None:
                leg.answered_ms = at_ms
        elif kind == "HANGUP":
            if leg.ended_ms is None:
                leg.ended_ms = at_ms
                leg.hangup_extra = event.extra
                open_legs -= 1
        elif kind == "LINKEDID_END":
            if event.linked_id == journal.call_id:  # else of a consultation or a pick-up that became part of this call
                story.ended_ms = at_ms
        elif kind == "PARK_START":
            story.parked.append((at_ms, _parker(event.extra)))
        elif kind in MOVES:
            story.moves.append(event)
    if story.ended_ms is None and story.first is not None and open_legs == 0:
        story.ended_ms = story.last_ms
    story.main = (
        story.legs.get(story.arrived) or story.legs.get(journal.call_id) or next(iter(story.legs.values()), None)
    )
    _attach(story, journal.queue)
    if story.taken or story.seats or story.dialed:
        _seat(story)
    return story


def _said(story: Story, event: Cel, fields: list[str]) -> None:
    story.said.append((event, fields))
    name = event.user
    if name in _OF_LEGS:
        _about_legs(story, event, fields)
    if name in ("QUEUE", "PHONE", "VOICEMAIL") and story.visits and story.visits[-1].ended_ms is None:
        story.visits[-1].ended_ms = event.at_ms  # left without a QUEUE_END: transferred
    if name == "QUEUE":
        story.visits.append(Visit(fields[0], event.at_ms, fields[1] if len(fields) > 1 else ""))
    elif name == "STAGE" and story.visits:
        story.visits[-1].parts.append(fields[0])
        story.visits[-1].ended_ms, story.visits[-1].status = None, ""
    elif name == "QUEUE_END" and story.visits:
        story.visits[-1].ended_ms = event.at_ms
        story.visits[-1].status = fields[1] if len(fields) > 1 else ""


_OF_LEGS = frozenset({"ARRIVE", "PHONE", "INTERNAL", "BACK", "OUT", "PICKUP", "RETRIEVE"})
_PARKER = re.compile(r'"parker_dial_string":\s*"[A-Za-z]+\\?/([^"]*)"')


def _about_legs(story: Story, event: Cel, fields: list[str]) -> None:
    """What an event of the dialplan says about who sits where."""
    fields = [*fields, "", "", "", ""]
    match event.user:
        case "ARRIVE":
            story.arrived = story.arrived or event.unique_id
        case "PHONE":
            story.seats[fields[0]] = fields[1]
        case "INTERNAL":
            story.seats[fields[1]] = fields[2]
            story.seats[fields[0]] = fields[3]
        case "BACK":
            story.seats[fields[0]] = fields[2]
        case "OUT":
            story.dialed[fields[1]] = fields[0]
        case "PICKUP":
            story.taken[event.unique_id] = Taken("picked_up", fields[0], fields[1])
        case "RETRIEVE":
            story.taken[event.unique_id] = Taken("retrieved", fields[0], fields[2])


def _parker(extra: str) -> str:
    match = _PARKER.search(extra)
    return match[1] if match else ""


def _seat(story: Story) -> None:
    """Name the agents of channels that no queue rang."""
    for leg in story.legs.values():
        taken = story.taken.get(leg.unique_id)
        if taken is not None:
            leg.agent = taken.agent  # queue_log names the member whose phone rang
        elif leg is not story.main and not leg.agent:
            leg.agent = story.seats.get(leg.endpoint, "")
        if (line := line_of(leg)) and line in story.dialed:
            story.dialed[leg.unique_id] = story.dialed[line]


def _attach(story: Story, lines: tuple[Queued, ...]) -> None:
    """Give each queue visit its lines of queue_log; a visit CEL does not know (its lines were lost) is made of them."""
    chapters: list[list[Queued]] = []
    for line in lines:
        if line.event in MEMBERSHIP:
            continue
        if line.event == "ENTERQUEUE" or not chapters:
            chapters.append([])
        chapters[-1].append(line)
    waiting = [(visit, visit.parts or [visit.queue]) for visit in story.visits if visit.status not in NOT_LET_IN]
    for chapter in chapters:
        name = chapter[0].queue
        at = next((n for n, (_, parts) in enumerate(waiting) if name in parts), None)
        if at is None:
            match = Visit(logical(name), chapter[0].at_s * 1000)
            story.visits.append(match)
        else:
            match, parts = waiting[at]
            waiting[at] = (match, parts[parts.index(name) + 1 :])
        match.log = [line for line in match.log if line.event not in LEFT_PART] + chapter[bool(match.log) :]
    if any(visit.log and visit not in story.visits[:1] for visit in story.visits):
        story.visits.sort(key=lambda visit: visit.joined_ms)
    if story.first is None and lines:
        story.last_ms = lines[-1].at_s * 1000
    _name_legs(story, lines)


def _name_legs(story: Story, lines: tuple[Queued, ...]) -> None:
    """Which agent each phone's channel rang for: CONNECT names the channel, a missed ring is found by its length."""
    main = story.main or story.legs.get(next(iter(story.legs), ""))
    silent = [leg for leg in story.legs.values() if leg is not main and leg.answered_ms is None and leg.ended_ms]
    picked_up = (leg for leg in story.legs.values() if leg is not main and leg.answered_ms is not None)
    dumped = [leg for leg in picked_up if leg.ended_ms is not None and not leg.bridged and not line_of(leg)]
    for line in lines:
        if line.event == "CONNECT" and len(line.data) > 1 and line.data[1] in story.legs:
            leg = story.legs[line.data[1]]
            leg.agent, leg.rang = line.agent, line.event
        elif line.event in ("RINGNOANSWER", "RINGCANCELED") and silent:
            rang_ms = number_at(line.data, 0)
            best = min(silent, key=lambda leg: _distance(leg, line.at_s, rang_ms))
            best.agent, best.rang = line.agent, line.event
            silent.remove(best)
        elif line.event == "AGENTDUMP" and dumped:
            best = min(dumped, key=lambda leg: abs((leg.ended_ms or 0) - line.at_s * 1000 - 500))
            best.agent, best.rang = line.agent, line.event
            dumped.remove(best)


def _distance(leg: Leg, at_s: int, rang_ms: int) -> int:
    ended_ms = leg.ended_ms or leg.started_ms
    return abs(ended_ms - leg.started_ms - rang_ms) + abs(ended_ms - at_s * 1000 - 500)


def number_at(data: tuple[str, ...], index: int) -> int:
    """A whole number among a queue_log line's data, or 0."""
    text = data[index] if -len(data) <= index < len(data) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def line_of(leg: Leg) -> str:
    """The line a channel is on; "" for a phone's channel."""
    return leg.endpoint.removeprefix("line-") if leg.endpoint.startswith("line-") else ""
