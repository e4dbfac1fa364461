"""With whom the caller of one call spoke, one after the other: the legs of a transferred call.

Pure. Two people spoke while their channels were in the same bridge of Asterisk; a consultation happens in another one,
so it is no leg, though its steps are shown inside the call. Cheap for a call with one leg: nothing is looked at twice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ramal.core.history import LegEnd, LegStart, Part
from ramal.core.journal import Cel, Journal
from ramal.core.story import Leg, Story, line_of

_BRIDGE = re.compile(r'"bridge_id":\s*"([^"]*)"')
_TARGET = re.compile(r'"transfer_target_channel_uniqueid":\s*"([^"]*)"')
_GRACE_MS = 1500
"""A transfer is written a moment before or after the talk it ends."""


@dataclass(slots=True)
class Talk:
    """One channel and the caller in one bridge; ``to_ms`` None while they speak."""

    leg: Leg
    from_ms: int
    to_ms: int | None


def talks(journal: Journal, story: Story) -> list[Talk]:
    """Whom the caller's channel was bridged with, in order."""
    main = story.main
    others = [leg for leg in story.legs.values() if leg is not main and leg.bridged]
    if main is None or not others:
        return []
    if len(others) == 1 and not story.moves and len(others[0].bridged) == 1:
        return [Talk(others[0], *others[0].bridged[0])]
    found: list[Talk] = []
    rooms: dict[str, set[str]] = {}
    open_talks: dict[tuple[str, str], Talk] = {}
    for event in journal.cel:
        if event.user or event.type not in ("BRIDGE_ENTER", "BRIDGE_EXIT"):
            continue
        match = _BRIDGE.search(event.extra)
        room = match[1] if match else ""
        present = rooms.setdefault(room, set())
        if event.type == "BRIDGE_ENTER":
            present.add(event.unique_id)
            met = present - {main.unique_id} if event.unique_id == main.unique_id else {event.unique_id}
            for unique in met if main.unique_id in present else ():
                if (room, unique) not in open_talks and unique in story.legs:
                    open_talks[room, unique] = Talk(story.legs[unique], event.at_ms, None)
                    found.append(open_talks[room, unique])
        else:
            left = present - {main.unique_id} if event.unique_id == main.unique_id else {event.unique_id}
            for unique in left:
                talk = open_talks.pop((room, unique), None)
                if talk is not None:
                    talk.to_ms = max(talk.from_ms, event.at_ms)
            present.discard(event.unique_id)
    return found


def parts(story: Story, spoken: list[Talk]) -> tuple[Part, ...]:
    """The talks as history keeps them; none for a call with one leg only."""
    if len(spoken) < 2:
        return ()
    return tuple(_part(story, spoken, n) for n in range(len(spoken)))


def _part(story: Story, spoken: list[Talk], n: int) -> Part:
    talk = spoken[n]
    leg = talk.leg
    line = line_of(leg)
    return Part(
        agent=leg.agent,
        phone="" if line else leg.endpoint,
        number=story.dialed.get(leg.unique_id, "") if line else "",
        from_ms=talk.from_ms,
        to_ms=talk.to_ms,
        began=_began(story, leg, n),
        ended=_ended(story, talk),
    )


def _began(story: Story, leg: Leg, n: int) -> LegStart:
    taken = story.taken.get(leg.unique_id)
    if taken is not None:
        return taken.how
    if any(event.user == "BACK" and event.at_ms <= leg.started_ms and fields[0] == leg.endpoint
           for event, fields in story.said):  # fmt: skip
        return "came_back"
    if n == 0 or leg.rang == "CONNECT":
        return "answered"
    return "transferred"


def _ended(story: Story, talk: Talk) -> LegEnd:
    if talk.to_ms is None:
        return ""
    for move in story.moves:
        ours = move.unique_id == talk.leg.unique_id or f'"{talk.leg.unique_id}"' in move.extra
        if move.type == "PICKUP" or not ours or abs(move.at_ms - talk.to_ms) > _GRACE_MS or _target(move, talk):
            continue
        return "parked" if any(abs(at_ms - move.at_ms) <= _GRACE_MS for at_ms, _ in story.parked) else "transferred"
    return "hung_up"


def _target(move: Cel, talk: Talk) -> bool:
    """Whether the talk's channel is the one that a transfer gave the caller to."""
    match = _TARGET.search(move.extra)
    return match is not None and match[1] == talk.leg.unique_id


def last_agent(spoken: list[Talk]) -> str:
    """The last agent who spoke, or ""."""
    return next((talk.leg.agent for talk in reversed(spoken) if talk.leg.agent), "")


def agents_of(spoken: list[Talk]) -> Iterator[str]:
    """Every agent who spoke, in order, with repeats."""
    return (talk.leg.agent for talk in spoken if talk.leg.agent)
