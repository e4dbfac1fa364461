"""Night mode: hours switched open or closed by a person, until they would turn to that by themselves.

Pure. The switch lives in Asterisk's AstDB (``ramal-night/<hours>``), where calls look at it and desk phones write it
(``dialplan/night.conf``) whether a daemon runs or not. What is here reads and writes the same words for the page.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, get_args

from ramal.core.hours import is_open, next_change
from ramal.core.office import Hours

State = Literal["open", "closed"]
FAMILY = "ramal-night"
HORIZON_DAYS = 120
"""A turn further away than this is none: then the switch stays until somebody takes it back."""
_DAY_S = 86_400
_CLOCK_SET_S = 1_767_225_600  # 2026 in UTC


@dataclass(frozen=True, slots=True)
class Switch:
    """Hours that are ``state`` from ``since_s`` to ``until_s`` (epoch seconds; 0 = until somebody switches back)."""

    state: State
    until_s: int
    since_s: int

    def __str__(self) -> str:
        return f"{self.state}|{self.until_s}|{self.since_s}"

    def counts(self, now_s: int) -> bool:
        """Whether it is in force. One made on a day that has not come was made before the clock was set; but a clock
        that is not set yet, because it shows a day before this program was made, judges none."""
        if now_s < _CLOCK_SET_S <= self.since_s:
            return True
        return (not self.until_s or now_s < self.until_s) and now_s + _DAY_S >= self.since_s


def parse(text: str) -> Switch | None:
    """What AstDB holds; None for nothing, and for what nobody of us wrote."""
    state, *numbers = text.split("|")
    if state not in get_args(State) or len(numbers) != 2 or not all(map(str.isdecimal, numbers)):
        return None
    return Switch("open" if state == "open" else "closed", int(numbers[0]), int(numbers[1]))


def switch(hours: Hours, state: State, now_s: int, tz: str, holidays: Container[date] = ()) -> Switch | None:
    """``hours`` switched now: closed until the next opening, open until the next closing; None when they are so already
    and never turn, because that switch would change nothing and never end."""
    now = at = datetime.fromtimestamp(now_s, UTC)
    for _ in range(2):
        turn = next_change(hours, at, tz, holidays, HORIZON_DAYS)
        if turn is None:
            break
        if is_open(hours, turn, tz, holidays) is (state == "closed"):
            return Switch(state, int(turn.timestamp()), now_s)
        at = turn
    return None if is_open(hours, now, tz, holidays) is (state == "open") else Switch(state, 0, now_s)


def device(hours: str) -> str:
    """The name of the lamp inside Asterisk."""
    return f"Custom:ramal-night-{hours}"
