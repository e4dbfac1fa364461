"""A call's journal, folded into the call.

Pure, and the only place that decides what a call was. ``fold`` may see half of a journal (the call goes on, or
one file was read before the other): it then says what is known so far, and the whole journal folds to the same call
however it came in. CEL gives the skeleton and the milliseconds; queue_log, in whole seconds, gives the names and the
verdicts. Times inside a journal are not sorted: the order of the file is right even when the clock was set.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ramal.core.history import Call, Category, Direction, HangupBy, Outcome, Stay, Take
from ramal.core.journal import MEMBERSHIP, Cel, Journal, Queued, clean, endpoint, hangup_source, user_fields

NOT_LET_IN = frozenset({"FULL", "JOINEMPTY", "JOINUNAVAIL"})
"""QUEUESTATUS of callers who never entered the queue."""
BLOCKED = NOT_LET_IN | {"LEAVEEMPTY", "LEAVEUNAVAIL"}
SERVICE = frozenset({"LOGIN", "LOGOUT", "PAUSE", "RESUME", "CODE_REFUSED"})
VERDICTS: dict[str, Outcome] = {
    "ABANDON": "abandoned",
    "EXITWITHTIMEOUT": "timed_out",
    "EXITEMPTY": "blocked",
    "EXITWITHKEY": "overflowed",
}
NOTHING_SPOKEN = (["ERROR"], ["SKIP"])
"""Results of a message that was not recorded; the dialplan says MESSAGE before it records, perhaps again after."""
MOVES = frozenset({"BLINDTRANSFER", "ATTENDEDTRANSFER", "PICKUP"})
MISSED = frozenset({"RINGNOANSWER"})


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
    """A stay in a queue while it is being put together from both files."""

    queue: str
    joined_ms: int
    path: str = ""
    ended_ms: int | None = None
    status: str = ""
    log: list[Queued] = field(default_factory=list)


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


def tell(journal: Journal) -> Story:
    """The story of a journal: channels, what the dialplan said, and the queue visits with their queue_log lines."""
    story = Story()
    open_legs = 0
    for event in journal.cel:
        at_ms, kind = event.at_ms, event.type
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
            story.ended_ms = at_ms
        elif kind in MOVES:
            story.moves.append(event)
    if story.ended_ms is None and story.first is not None and open_legs == 0:
        story.ended_ms = story.last_ms
    story.main = story.legs.get(journal.call_id) or next(iter(story.legs.values()), None)
    _attach(story, journal.queue)
    return story


def _said(story: Story, event: Cel, fields: list[str]) -> None:
    story.said.append((event, fields))
    name = event.user
    if name in ("QUEUE", "PHONE", "VOICEMAIL") and story.visits and story.visits[-1].ended_ms is None:
        story.visits[-1].ended_ms = event.at_ms  # left without a QUEUE_END: transferred
    if name == "QUEUE":
        story.visits.append(Visit(fields[0], event.at_ms, fields[1] if len(fields) > 1 else ""))
    elif name == "QUEUE_END" and story.visits:
        story.visits[-1].ended_ms = event.at_ms
        story.visits[-1].status = fields[1] if len(fields) > 1 else ""


def _attach(story: Story, lines: tuple[Queued, ...]) -> None:
    """Give each queue visit its lines of queue_log; a visit CEL does not know (its lines were lost) is made of them."""
    chapters: list[list[Queued]] = []
    for line in lines:
        if line.event in MEMBERSHIP:
            continue
        if line.event == "ENTERQUEUE" or not chapters:
            chapters.append([])
        chapters[-1].append(line)
    waiting = [visit for visit in story.visits if visit.status not in NOT_LET_IN]
    for chapter in chapters:
        match = next((visit for visit in waiting if visit.queue == chapter[0].queue), None)
        if match is None:
            match = Visit(chapter[0].queue, chapter[0].at_s * 1000)
            story.visits.append(match)
        else:
            waiting.remove(match)
        match.log = chapter
    if any(visit.log and visit not in story.visits[:1] for visit in story.visits):
        story.visits.sort(key=lambda visit: visit.joined_ms)
    if story.first is None and lines:
        story.last_ms = lines[-1].at_s * 1000
    _name_legs(story, lines)


def _name_legs(story: Story, lines: tuple[Queued, ...]) -> None:
    """Which agent each phone's channel rang for: CONNECT names the channel, a missed ring is found by its length."""
    main = story.main or story.legs.get(next(iter(story.legs), ""))
    silent = [leg for leg in story.legs.values() if leg is not main and leg.answered_ms is None and leg.ended_ms]
    for line in lines:
        if line.event == "CONNECT" and len(line.data) > 1 and line.data[1] in story.legs:
            leg = story.legs[line.data[1]]
            leg.agent, leg.rang = line.agent, line.event
        elif line.event in ("RINGNOANSWER", "RINGCANCELED") and silent:
            rang_ms = _number(line.data, 0)
            best = min(silent, key=lambda leg: _distance(leg, line.at_s, rang_ms))
            best.agent, best.rang = line.agent, line.event
            silent.remove(best)


def _distance(leg: Leg, at_s: int, rang_ms: int) -> int:
    ended_ms = leg.ended_ms or leg.started_ms
    return abs(ended_ms - leg.started_ms - rang_ms) + abs(ended_ms - at_s * 1000 - 500)


def _number(data: tuple[str, ...], index: int) -> int:
    text = data[index] if -len(data) <= index < len(data) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def fold(journal: Journal) -> Call:
    """What the call was, or is so far."""
    story = tell(journal)
    ended_ms = story.ended_ms
    cut = ended_ms is None and journal.restarted_ms is not None
    if cut:
        ended_ms = story.last_ms  # the last sign of life; when it really ended nobody wrote down
    direction = _direction(story)
    stays = tuple(_stay(story, visit, ended_ms, cut) for visit in story.visits)
    main = story.main
    talk_ms = _talk_ms(story, stays, ended_ms)
    answering = _answering(story, stays)
    facts = _facts(story, journal)
    phone = answering.endpoint if answering else facts.phone
    waited = [stay for stay in stays if stay.wait_ms is not None]
    queue = stays[-1].queue if stays else ""
    answered_stay = next((stay for stay in reversed(stays) if stay.outcome == "answered"), None)
    call = Call(
        id=journal.call_id,
        direction=direction,
        category=None,
        started_ms=story.first.at_ms if story.first else journal.queue[0].at_s * 1000,
        ended_ms=ended_ms,
        line=facts.line,
        number=clean(facts.number),
        caller=clean(facts.caller),
        caller_name=clean(facts.caller_name),
        menu=facts.menu,
        queue=queue,
        agent=answered_stay.agent if answered_stay else (facts.agent or (answering.agent if answering else "")),
        phone=phone,
        wait_ms=sum(stay.wait_ms or 0 for stay in waited) if waited else None,
        ring_ms=_ring_ms(answering, answered_stay),
        talk_ms=talk_ms,
        missed=tuple(agent for stay in stays for agent in stay.missed),
        has_message=facts.has_message,
        stays=stays,
        takes=tuple(_takes(story, stays, main, ended_ms)),
    )
    if ended_ms is None:
        return call
    return replace(call, category=_category(story, call, cut), hangup_by=_hangup_by(story, call, cut))


@dataclass(slots=True)
class _Facts:
    line: str = ""
    number: str = ""
    caller: str = ""
    caller_name: str = ""
    menu: str = ""
    phone: str = ""
    agent: str = ""
    has_message: bool = False


def _facts(story: Story, journal: Journal) -> _Facts:
    facts = _Facts()
    keys: list[str] = []
    main = story.main
    first = story.first
    if first is not None:
        facts.caller, facts.caller_name, facts.number = first.number, first.name, first.exten
        facts.line = next((line for leg in story.legs.values() if (line := line_of(leg))), "")
        if main is not None and not facts.line:
            facts.phone = main.endpoint
    for event, fields in story.said:
        match event.user:
            case "ARRIVE":
                facts.line = fields[0] or facts.line
                facts.number = fields[1] if len(fields) > 1 else facts.number
                facts.caller, facts.caller_name = event.number, event.name or facts.caller_name
            case "NUMBER" | "INTERNAL":
                facts.number = fields[-1]
            case "MENU":
                keys.append(fields[0])
            case "KEY" if len(fields) > 1:
                keys = keys[:-1] if keys and keys[-1] == fields[0] else keys
                keys.append(":".join(fields[:2]))
            case "PHONE":
                facts.phone = fields[0]
            case "LOGIN" | "LOGOUT" | "PAUSE" | "RESUME":
                facts.agent = fields[0]
            case "MESSAGE":
                facts.has_message = fields[1:] not in NOTHING_SPOKEN
    if first is None and journal.queue:
        entered = next((line for line in journal.queue if line.event == "ENTERQUEUE" and len(line.data) > 2), None)
        facts.caller = "|".join(entered.data[1:-1]) if entered else ""
    facts.menu = " ".join(dict.fromkeys(keys))
    return facts


def line_of(leg: Leg) -> str:
    return leg.endpoint.removeprefix("line-") if leg.endpoint.startswith("line-") else ""


def _direction(story: Story) -> Direction:
    if story.main is None or any(event.user == "ARRIVE" for event, _ in story.said) or line_of(story.main):
        return "in"
    if any(line_of(leg) for leg in story.legs.values()):
        return "out"
    return "internal"


def _bridge_within(leg: Leg | None, from_ms: int, until_ms: int | None) -> int | None:
    if leg is None:
        return None
    return next((a for a, _ in leg.bridged if a >= from_ms and (until_ms is None or a <= until_ms)), None)


def _stay(story: Story, visit: Visit, ended_ms: int | None, cut: bool) -> Stay:
    main = story.main
    gone_ms = visit.ended_ms if visit.ended_ms is not None else (main.ended_ms if main else None)
    connect = next((line for line in visit.log if line.event == "CONNECT"), None)
    verdict = next((VERDICTS[line.event] for line in visit.log if line.event in VERDICTS), None)
    bridge_ms = None if verdict else _bridge_within(main, visit.joined_ms, gone_ms)
    left_ms: int | None = gone_ms if gone_ms is not None else ended_ms
    outcome: Outcome
    if connect is not None or bridge_ms is not None:
        outcome = "answered"
        if bridge_ms is not None:
            left_ms = bridge_ms
        elif connect is not None:
            left_ms = visit.joined_ms + _number(connect.data, 0) * 1000
    elif verdict is not None:
        outcome = verdict
        if left_ms is None:
            left_ms = next(line.at_s for line in visit.log if line.event in VERDICTS) * 1000
    elif visit.status:
        outcome = "blocked" if visit.status in BLOCKED else ("timed_out" if visit.status == "TIMEOUT" else "overflowed")
    elif visit.ended_ms is not None:
        outcome = "overflowed"
    elif main is not None and main.ended_ms is not None:
        outcome = "abandoned"
    else:
        outcome = "waiting" if ended_ms is None else ("system" if cut else "abandoned")
    if outcome == "waiting":
        left_ms = None
    agent = connect.agent if connect else ""
    answering = _leg_for(story, visit, connect) if outcome == "answered" else None
    position = next((line.data[-1] for line in visit.log if line.event == "ENTERQUEUE" and line.data), "")
    return Stay(
        queue=visit.queue,
        joined_ms=visit.joined_ms,
        left_ms=left_ms,
        outcome=outcome,
        agent=agent or (answering.agent if answering else ""),
        position=_number((position,), 0) or None,
        wait_ms=None if left_ms is None else max(0, left_ms - visit.joined_ms),
        ring_ms=_leg_ring_ms(answering, connect),
        talk_ms=_visit_talk_ms(main, visit, left_ms, gone_ms, ended_ms) if outcome == "answered" else None,
        missed=tuple(line.agent for line in visit.log if line.event in MISSED),
    )


def _leg_for(story: Story, visit: Visit, connect: Queued | None) -> Leg | None:
    """The phone's channel that answered in this visit."""
    if connect is not None and len(connect.data) > 1 and (leg := story.legs.get(connect.data[1])) is not None:
        return leg
    return next(
        (
            leg
            for leg in story.legs.values()
            if leg is not story.main and leg.bridged and leg.started_ms >= visit.joined_ms and not line_of(leg)
        ),
        None,
    )


def _leg_ring_ms(leg: Leg | None, connect: Queued | None) -> int | None:
    if leg is not None and leg.answered_ms is not None:
        return max(0, leg.answered_ms - leg.started_ms)
    return _number(connect.data, 2) * 1000 if connect is not None else None


def _visit_talk_ms(
    main: Leg | None, visit: Visit, answered_ms: int | None, gone_ms: int | None, ended_ms: int | None
) -> int | None:
    complete = next((line for line in visit.log if line.event in ("COMPLETECALLER", "COMPLETEAGENT")), None)
    if main is not None and main.bridged and answered_ms is not None:
        end_ms = gone_ms if gone_ms is not None else ended_ms
        if end_ms is None:
            return None if complete is None else _number(complete.data, 1) * 1000
        return main.bridged_ms(answered_ms, end_ms)
    return _number(complete.data, 1) * 1000 if complete is not None else None


def _answering(story: Story, stays: tuple[Stay, ...]) -> Leg | None:
    """The last channel that somebody spoke on with the caller."""
    spoke = [leg for leg in story.legs.values() if leg is not story.main and leg.bridged]
    return max(spoke, key=lambda leg: leg.bridged[-1][0], default=None)


def _talk_ms(story: Story, stays: tuple[Stay, ...], ended_ms: int | None) -> int | None:
    main = story.main
    if main is not None and main.bridged:
        end_ms = main.ended_ms if main.ended_ms is not None else ended_ms
        return None if end_ms is None else main.bridged_ms(0, end_ms)
    known = [stay.talk_ms for stay in stays if stay.talk_ms is not None]
    return sum(known) if known else None


def _ring_ms(answering: Leg | None, stay: Stay | None) -> int | None:
    if answering is not None and answering.answered_ms is not None:
        return max(0, answering.answered_ms - answering.started_ms)
    return stay.ring_ms if stay is not None else None


def _takes(story: Story, stays: tuple[Stay, ...], main: Leg | None, ended_ms: int | None) -> Iterator[Take]:
    seen = set()
    for visit, stay in zip(story.visits, stays, strict=True):
        if visit.path and stay.outcome == "answered" and stay.left_ms is not None and visit.path not in seen:
            seen.add(visit.path)
            yield Take("talk", _sound(visit.path), stay.left_ms, stay.talk_ms)
    for event, fields in story.said:
        path = fields[0] if event.user == "MESSAGE" else ""
        if path and path not in seen:
            seen.add(path)
            yield Take("message", _sound(path), event.at_ms, None)


def _sound(path: str) -> str:
    return path if path.endswith(".wav") else path + ".wav"


def _names(story: Story) -> set[str]:
    return {event.user for event, _ in story.said}


def _category(story: Story, call: Call, cut: bool) -> Category:
    spoke = any(stay.outcome == "answered" for stay in call.stays) or bool(story.main and story.main.bridged)
    said = _names(story)
    if call.direction != "in":
        if spoke:
            return "answered" if call.stays else "connected"
        if cut:
            return "system"
        return "service" if said & SERVICE else _waited(call.stays) or "not_connected"
    if spoke:
        return "answered"
    if cut:
        return "system"
    return _waited(call.stays) or _unqueued(story, said)


def _waited(stays: Iterable[Stay]) -> Category | None:
    """The last queue really waited in decides; one that let nobody in only when there was no other."""
    kept: Category | None = None
    for stay in stays:
        if stay.outcome == "waiting" or stay.outcome == "answered":
            continue
        if stay.outcome != "blocked" or stay.position is not None or kept is None:
            kept = stay.outcome
    return kept


def _unqueued(story: Story, said: set[str]) -> Category:
    if "PHONE" in said:
        return "unanswered"
    if "REFUSED" in said:
        return "refused"
    if "CLOSED" in said:
        return "closed"
    if said & {"VOICEMAIL", "MESSAGE"}:
        return "message"
    heard = said & {"GREETING", "MENU"}
    source = hangup_source(story.main.hangup_extra) if story.main else ""
    by_caller = story.main is not None and source == story.main.channel
    return "gave_up" if heard or by_caller else "refused"


def _hangup_by(story: Story, call: Call, cut: bool) -> HangupBy:
    if cut:
        return "system"
    main = story.main
    final = story.visits[-1].log[-1].event if story.visits and story.visits[-1].log else ""
    last_said = story.said[-1][0].user if story.said else ""
    if last_said in ("", "QUEUE") and final in ("COMPLETECALLER", "COMPLETEAGENT", "ABANDON"):
        return "agent" if final == "COMPLETEAGENT" else "caller"
    source = hangup_source(main.hangup_extra) if main is not None else ""
    if main is not None and source == main.channel:
        return "caller"
    return "agent" if source and any(leg.channel == source for leg in story.legs.values()) else "system"
