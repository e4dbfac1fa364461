"""The box's status lamp: what it says, and in which rhythm. Pure.

Law: a rhythm alone says it, in one colour, to somebody across the room who does not see colours; each can be told from
the others by counting (HARDWARE.md 6.3). The worst that holds is shown.
"""

from dataclasses import dataclass
from typing import Literal

Sign = Literal["starting", "unclaimed", "well", "amiss", "fault"]
STARTING_MS = 300_000
"""A start may take so long until calls are taken; later that is a fault."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be seen without the daemon. ``up_ms``: since the machine was switched on; ``calls``: the phones' door
    answers; ``daemon``: it answers, and nothing is amiss with lines or disk; ``claimed``: the box has an owner."""

    up_ms: int
    safe: bool
    calls: bool
    daemon: bool
    claimed: bool


@dataclass(frozen=True, slots=True)
class Rhythm:
    """On, off, on, off… in ms, for ever; one long step is a lamp that stays as it is."""

    steps_ms: tuple[int, ...]

    def is_lit(self, at_ms: int) -> bool:
        """Whether it shines at a time of the rhythm's own clock."""
        left_ms = at_ms % sum(self.steps_ms)
        for number, step_ms in enumerate(self.steps_ms):
            if left_ms < step_ms:
                return number % 2 == 0
            left_ms -= step_ms
        return False

    def until_change_ms(self, at_ms: int) -> int:
        """How long it stays as it is at ``at_ms``."""
        left_ms = at_ms % sum(self.steps_ms)
        for step_ms in self.steps_ms:
            if left_ms < step_ms:
                return step_ms - left_ms
            left_ms -= step_ms
        return self.steps_ms[0]


RHYTHMS: dict[Sign, Rhythm] = {
    "starting": Rhythm((100, 100)),
    "unclaimed": Rhythm((150, 250, 150, 250, 150, 1250)),
    "well": Rhythm((1000,)),
    "amiss": Rhythm((500, 500)),
    "fault": Rhythm((150, 250, 150, 1450)),
}
"""Flickers; three short and a pause; steady; once a second; two short and a pause."""


def sign_of(facts: Facts) -> Sign:
    """What the lamp says."""
    if facts.safe:
        return "fault"
    if not facts.calls:
        return "starting" if facts.up_ms < STARTING_MS else "fault"
    if not facts.claimed:
        return "unclaimed"
    return "well" if facts.daemon else "amiss"
