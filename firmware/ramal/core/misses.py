"""When a phone that rang for nobody becomes a pause: the rule of misses and of rejected calls.

Pure. The dialplan is what does it (``dialplan/agent.conf``: [ramal-leg-queue], [ramal-missed]), also while the daemon
is dead; this module says the same in Python, for the simulation and for the test that holds both together.
"""

from dataclasses import dataclass
from typing import Literal

Leg = Literal["answered", "rejected", "missed", "cancelled", "unreachable"]
"""What became of one ringing of an agent's phone.

``answered``: a talk. ``rejected``: the person (or the do-not-disturb) refused: 486, 600, 603 or 302. ``missed``:
it rang as long as the queue lets it ring. ``cancelled``: it stopped ringing before, because the caller left or
another answered; nobody's fault. ``unreachable``: the phone never said that it rings; a dead phone misses nothing.
"""
Channel = Literal["up", "ringing", "down"]

REFUSED_CAUSES = frozenset({17, 21, 23})
"""Q.850: user busy, call rejected, and redirected: a phone that sends its calls elsewhere (302), which no queue does.
Were it none of these, the caller would wait for this phone again and again, and ring nobody else."""
SILENT_MS = 2_500
"""A phone that is there says within that time that it rings."""
SLACK_MS = 1_000
"""app_queue counts whole seconds; a ring shorter by less than this was not cut short."""


def leg(channel: Channel, cause: int, rang_ms: int, ring_s: int) -> Leg:
    """What became of it: the channel's state and Q.850 cause at its end, how long it was called, and how long the
    queue rings a phone."""
    if channel == "up":
        return "answered"
    if cause in REFUSED_CAUSES:
        return "rejected"
    if channel == "down":
        return "unreachable" if rang_ms >= SILENT_MS else "cancelled"
    return "missed" if rang_ms + SLACK_MS >= ring_s * 1000 else "cancelled"


@dataclass(frozen=True, slots=True)
class Missed:
    """Misses in seconds since 1970, newest first, never more than the office allows, and whether the last one was one
    too many: then the agent is paused and the counting begins anew."""

    seen: tuple[int, ...]
    paused: bool


def miss(seen: tuple[int, ...], at_s: int, misses: int, within_s: int) -> Missed:
    """One miss more at ``at_s``. ``misses`` within ``within_s`` seconds are too many (0 = never).

    Answering does not make an agent forget what was missed before; coming back with ``*48`` and logging in do. A clock
    that was set back makes a miss newer than it was, never older.
    """
    if misses == 0:
        return Missed(seen, False)
    kept = (at_s, *seen)[:misses]
    if len(kept) == misses and at_s - kept[-1] <= within_s:
        return Missed((), True)
    return Missed(kept, False)
