"""Whether the box has time for work that a program of its own does (core.calm), asked while that program runs.

For one thread; ``stopping`` may be set by any.
"""

import os
import threading
from collections.abc import Callable

from ramal.core.calm import calm, own_load
from ramal.errors import RamalError
from ramal.ops.means import Means
from ramal.ops.vault import calls_now

BUSY_LOOK_S, BUSY_MAX_S = 5.0, 30.0
"""How often the load is looked at, and how long work may go on on a box that became busy."""


class Stopping(RamalError):
    """The daemon ends, or the box is busy: what was being done is looked at again later."""


class Leisure:
    """``load`` and ``clock`` are what tests put in the place of the box's own."""

    def __init__(
        self, means: Means, load: Callable[[], float], clock: Callable[[], float], stopping: threading.Event
    ) -> None:
        self._means, self._load, self._clock, self._stopping = means, load, clock, stopping
        self._own, self._own_s = 0.0, clock()
        self._looked_s = self._busy_s = float("-inf")

    def calm(self, working: bool) -> bool:
        """Whether there is time; ``working``: what was done since the last question."""
        now_s = self._clock()
        self._own, self._own_s = own_load(self._own, working, now_s - self._own_s), now_s
        return calm(calls_now(self._means.state()), self._load(), self._own, os.cpu_count() or 1)

    def pace(self) -> None:
        """Asked while a program runs: Stopping when the daemon ends, or the box has been busy for a while."""
        if self._stopping.is_set():
            raise Stopping("the daemon ends")
        now_s = self._clock()
        if now_s - self._looked_s < BUSY_LOOK_S:
            return
        self._looked_s = now_s
        if self.calm(working=True):
            self._busy_s = float("-inf")
        elif self._busy_s == float("-inf"):
            self._busy_s = now_s
        elif now_s - self._busy_s > BUSY_MAX_S:
            self._busy_s = float("-inf")
            raise Stopping("the box is busy with calls")

    def wait(self) -> None:
        """Return when there is time; Stopping when the daemon ends."""
        while not self.calm(working=True):
            if self._stopping.wait(BUSY_LOOK_S):
                break
        if self._stopping.is_set():
            raise Stopping("the daemon ends")
