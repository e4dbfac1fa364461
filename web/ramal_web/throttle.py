"""A growing delay after failed logins, per user, per address, and per both.

An attempt is charged before the password is looked at and refunded when it was right, so parallel guesses gain
nothing. Nobody sleeps: a caller that comes too early is told how long to wait, and is not charged. Somebody who fails
from one address slows down everybody only a little: the steep delay belongs to the pair of user and address.
Memory is bounded: the entries touched longest ago are forgotten first. Time is a parameter (seconds, monotonic).
Any thread.
"""

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slope:
    """``free`` failures cost nothing, then the delay doubles from 1 s up to ``longest_s``."""

    free: int
    longest_s: float

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after that many failures."""
        excess = failures - self.free
        return 0.0 if excess <= 0 else min(self.longest_s, 2.0 ** min(excess - 1, 20))


PAIR = Slope(free=3, longest_s=300)
ADDRESS = Slope(free=10, longest_s=300)
USER = Slope(free=20, longest_s=15)
FORGET_S = 3600.0
"""A key without an attempt for this long starts again at nothing."""


@dataclass(slots=True)
class _Entry:
    failures: int
    last_s: float


class Throttle:
    """Counts failures by key; ``entries_max`` bounds the keys remembered."""

    def __init__(self, entries_max: int = 2048) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._entries_max = entries_max
        self._lock = threading.Lock()

    def charge(self, user: str, address: str, now_s: float) -> float:
        """0.0 when the attempt may go on (it now counts as a failure), else the seconds to wait first."""
        keys = _keys(user, address)
        with self._lock:
            wait_s = max(self._wait_s(key, slope, now_s) for key, slope in keys)
            if wait_s > 0:
                return wait_s
            for key, _ in keys:
                entry = self._entries.setdefault(key, _Entry(0, now_s))
                entry.failures += 1
                entry.last_s = now_s
                self._entries.move_to_end(key)
            while len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)
            return 0.0

    def refund(self, user: str, address: str) -> None:
        """The attempt was right: the pair starts again at nothing, the others get this one attempt back."""
        (pair, _), *others = _keys(user, address)
        with self._lock:
            self._entries.pop(pair, None)
            for key, _ in others:
                entry = self._entries.get(key)
                if entry:
                    entry.failures -= 1

    def _wait_s(self, key: str, slope: Slope, now_s: float) -> float:
        entry = self._entries.get(key)
        if entry is None:
            return 0.0
        if now_s - entry.last_s > FORGET_S:
            del self._entries[key]
            return 0.0
        return max(0.0, entry.last_s + slope.delay_s(entry.failures) - now_s)

    def __len__(self) -> int:
        return len(self._entries)


def _keys(user: str, address: str) -> tuple[tuple[str, Slope], ...]:
    name = user.casefold()[:64]
    where = _place(address[:64])
    return ((f"p:{name}\n{where}", PAIR), (f"a:{where}", ADDRESS), (f"u:{name}", USER))


def _place(address: str) -> str:
    """One IPv6 customer owns a /64: it counts as one address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, 64), strict=False))
