"""Is Asterisk, which runs, alive? What follows from knocks at its two doors that nobody answers. Pure.

Law: only an Asterisk that has answered once and then answers nothing is ended, so that neither a slow start nor a
machine on which it never listens becomes a row of restarts; and one that works hard is given much longer than one that
does nothing, because a call that is slow is still a call. Systemd cannot see it: Asterisk never says that it is alive.
"""

from dataclasses import dataclass, replace

EVERY_MS = 30_000
DOUBT_EVERY_MS = 5_000
"""Between two knocks, while all is well and while it is not."""
IDLE_MS = 60_000
"""Silence at both doors that ends one that does nothing…"""
BUSY_MS = 300_000
"""…and one that uses the processor, or answers at one of the doors only (a call cannot come, talks may go on)."""
BUSY_SHARE = 0.1
"""Of one processor, since the last answer."""
KNOCKS_MIN = 6
"""A box that itself hung for a while (a full disk, a suspended machine) has not knocked often enough to know."""


@dataclass(frozen=True, slots=True)
class Knock:
    """What one knock found. ``pid`` 0: no Asterisk runs, which is systemd's business; ``cpu_ms``: what the process has
    used of the processor since it began; ``manager`` is asked only when ``phones`` (SIP) was silent."""

    at_ms: int
    pid: int
    cpu_ms: int
    phones: bool
    manager: bool = True


@dataclass(frozen=True, slots=True)
class Pulse:
    """``well``: the last knock of this process that was answered at the phones' door; None before the first one."""

    well: Knock | None = None
    knocks: int = 0
    """Unanswered since then."""
    deaf_ms: int = 0
    """Since when not even the other door answered; 0 = it does."""


def after(pulse: Pulse, knock: Knock) -> Pulse:
    """What is known after ``knock``. Another process is a new one, of which nothing is known."""
    if knock.phones and knock.pid:
        return Pulse(well=knock)
    if pulse.well is None or pulse.well.pid != knock.pid:
        return Pulse()
    deaf_ms = 0 if knock.manager else pulse.deaf_ms or knock.at_ms
    return replace(pulse, knocks=pulse.knocks + 1, deaf_ms=deaf_ms)


def hangs(pulse: Pulse, knock: Knock) -> bool:
    """Whether the process that ``knock`` (already in ``pulse``) found is to be ended."""
    if pulse.well is None or not pulse.knocks or pulse.knocks < KNOCKS_MIN:
        return False
    silent_ms = knock.at_ms - pulse.well.at_ms
    share = (knock.cpu_ms - pulse.well.cpu_ms) / max(1, silent_ms)
    idle = bool(pulse.deaf_ms) and share < BUSY_SHARE and knock.at_ms - pulse.deaf_ms >= IDLE_MS
    return idle or silent_ms >= BUSY_MS


def next_ms(pulse: Pulse) -> int:
    """How long to wait until the next knock."""
    return DOUBT_EVERY_MS if pulse.knocks else EVERY_MS
