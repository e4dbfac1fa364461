"""How often one address may ask for phones' files: a bucket that refills, so that nobody is shut out for good.

Memory is bounded: the address that asked longest ago is forgotten first. Time is a parameter (seconds, monotonic). Any
thread.
"""

import threading
from collections import OrderedDict

BURST = 10
REFILL_S = 6.0
"""Seconds for one more: a phone asks a few times when it starts."""


class Allowance:
    """Requests by address; ``places`` bounds the addresses remembered."""

    def __init__(self, burst: int = BURST, refill_s: float = REFILL_S, places: int = 1024) -> None:
        self._burst, self._refill_s, self._places = burst, refill_s, places
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str, now_s: float) -> float:
        """0.0 when ``address`` may ask now (it is counted), else the seconds until it may."""
        with self._lock:
            left, then_s = self._left.get(address, (float(self._burst), now_s))
            left = min(float(self._burst), left + max(0.0, now_s - then_s) / self._refill_s)
            wait_s = 0.0 if left >= 1.0 else (1.0 - left) * self._refill_s
            self._left[address] = (left - 1.0 if wait_s == 0.0 else left, now_s)
            self._left.move_to_end(address)
            while len(self._left) > self._places:
                self._left.popitem(last=False)
            return wait_s

    def __len__(self) -> int:
        return len(self._left)
