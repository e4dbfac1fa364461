"""The drill's mind: which keys lead to a person, and whether what a test call left behind is right.

Pure. A drill is one real call through line, menu, queue, phone, recording and history; ``ramal.drill`` places it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ramal.core.destination import Destination
from ramal.core.holidays_known import holidays_of
from ramal.core.hours import is_open
from ramal.core.office import Menu, Number, Office

Code = Literal[
    "ready",
    "calling",
    "answered",
    "key",
    "agent-answered",
    "talked",
    "hung-up",
    "in-history",
    "category",
    "timeline",
    "recording",
    "recording-length",
    "sound-caller",
    "sound-agent",
]
"""What a step is about; the page has a sentence for each, the command line prints the code itself."""

CALLER_HZ = 530.0
"""The virtual caller's voice carries this tone; the agents' carry theirs (``AGENT_HZ``)."""
AGENT_HZ = 440.0
TALK_S = 6.0
SHORT_MS = 2500
"""A recording may be this much shorter than the talk: the last buffer and rounding."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a drill. ``ok`` is None while it is under way."""

    at_ms: int
    what: Code
    detail: str = ""
    ok: bool | None = True


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach a person: the number to dial, the keys to press in order (one a menu), the queue at the end."""

    number: str
    keys: tuple[str, ...]
    queue: str


@dataclass(frozen=True, slots=True)
class Left:
    """What a call left in the history; zeros and “missing” where there is no recording."""

    category: str | None
    agent: str | None
    talk_ms: int
    steps: tuple[str, ...]
    recording_state: str
    recording_ms: int
    tone_of_caller: bool
    tone_of_agent: bool


def way(office: Office, at: datetime, number: str | None = None) -> Way | None:
    """The shortest way from a number (the first that has one) to a queue that an agent serves; None when none leads.

    A number that is closed ``at`` that moment leads nowhere.
    """
    staffed = {place.queue for agent in office.agents for place in agent.queues}
    for known in office.numbers:
        if number in (None, known.number) and _open(office, known, at):
            found = _search(known.to, {menu.name: menu for menu in office.menus}, staffed)
            if found is not None:
                return Way(known.number, *found)
    return None


def _open(office: Office, number: Number, at: datetime) -> bool:
    weeks = {week.name: week for week in office.hours}
    return not number.hours or is_open(weeks[number.hours], at, office.timezone, holidays_of(office))


def _search(start: Destination, menus: dict[str, Menu], staffed: set[str]) -> tuple[tuple[str, ...], str] | None:
    """Breadth first through the menus; (keys, queue)."""
    seen: set[str] = set()
    front: list[tuple[tuple[str, ...], Destination]] = [((), start)]
    while front:
        keys, place = front.pop(0)
        if place.kind == "queue" and place.name in staffed:
            return keys, place.name
        if place.kind == "menu" and place.name not in seen:
            seen.add(place.name)
            front += [((*keys, option.key), option.to) for option in menus[place.name].options]
    return None


def judge(left: Left, at_ms: int) -> tuple[Step, ...]:
    """Is what the call left behind right? One step a question; all of them, also after the first that fails."""
    length = f"{left.recording_ms / 1000:.1f} s of {left.talk_ms / 1000:.1f} s"
    return (
        Step(at_ms, "category", left.category or "", left.category == "answered" and left.agent is not None),
        Step(at_ms, "timeline", " ".join(left.steps), len(left.steps) >= 4),
        Step(at_ms, "recording", left.recording_state, left.recording_state == "ready"),
        Step(at_ms, "recording-length", length, left.recording_ms > 0 and left.recording_ms >= left.talk_ms - SHORT_MS),
        Step(at_ms, "sound-caller", "", left.tone_of_caller),
        Step(at_ms, "sound-agent", "", left.tone_of_agent),
    )
