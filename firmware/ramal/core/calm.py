"""Whether the box has time for work that can wait (turning recordings into Opus, verifying them).

Pure. Law: calls come first. Work that can wait takes what they leave, and may wait for the night.
"""

import math

IDLE_SHARE = 0.75
"""Load a processor up to which work goes on while nobody calls."""
BUSY_SHARE = 0.5
"""The same while calls are in progress."""
CALLS_A_CPU = 4
"""With more calls than this a processor nothing else is begun, whatever the load average (it lags a minute) says."""


def calm(calls: int, load: float, own: float, cpus: int) -> bool:
    """Whether waiting work may go on: ``calls`` in progress, the load average of the last minute, the part of it that
    this work itself made (else it would stop itself), and the number of processors."""
    cpus = max(1, cpus)
    if calls > CALLS_A_CPU * cpus:
        return False
    return max(0.0, load - own) <= (BUSY_SHARE if calls else IDLE_SHARE) * cpus


def own_load(before: float, working: bool, passed_s: float) -> float:
    """The part of the load average that one busy worker makes, followed as the kernel follows it: a mean over about a
    minute. ``before`` is the last value, ``passed_s`` seconds ago; ``working`` is what was done since."""
    keep = math.exp(-max(0.0, passed_s) / 60.0)  # as the kernel does
    return before * keep + (1.0 if working else 0.0) * (1.0 - keep)
