"""What the daemon says of this moment, shared by everybody who looks.

Law: however many viewers there are, the daemon is asked at most every ``FRESH_S``, by one thread; the others get the
last answer. What is shown as now is never older than that: an answer that is missing or old says so. Any thread.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from ramal.control.client import Control, DaemonDown, Refused

FRESH_S = 0.4
ASK_S = 1.5
OLD_MS = 5_000

Status = Literal["ok", "daemon-down", "daemon-stuck", "asterisk-down"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The last answer. ``data`` is None when there never was one; ``seen_ms`` is the time it describes;
    ``since_ms`` is when the trouble named by ``status`` began, as far as known. Times: ms since 1970 UTC."""

    status: Status
    data: dict[str, Any] | None
    seen_ms: int
    since_ms: int


NOTHING = Seen("daemon-down", None, 0, 0)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Feed:
    """One daemon's live data."""

    def __init__(self, control: Control, wall_ms: Callable[[], int] = _wall_ms) -> None:
        self._control = control
        self._wall_ms = wall_ms
        self._asking = threading.Lock()
        self._last = NOTHING
        self._asked_s = float("-inf")

    def look(self) -> Seen:
        """This moment, at most ``FRESH_S`` old, or what is known instead."""
        first = self._last is NOTHING
        if time.monotonic() - self._asked_s >= FRESH_S and self._asking.acquire(timeout=ASK_S if first else 0.0):
            try:
                if time.monotonic() - self._asked_s >= FRESH_S:
                    self._last = self._ask(self._last)
                    self._asked_s = time.monotonic()
            finally:
                self._asking.release()
        return self._last

    def _ask(self, last: Seen) -> Seen:
        now_ms = self._wall_ms()
        try:
            data = self._control.ask("live", ASK_S)
        except (DaemonDown, Refused):
            return replace(last, status="daemon-down", since_ms=_began(last, "daemon-down", last.seen_ms or now_ms))
        seen_ms = int(data.get("at_ms", now_ms))
        asterisk = data.get("asterisk", {})
        if now_ms - seen_ms > OLD_MS:
            return Seen("daemon-stuck", data, seen_ms, seen_ms)
        if not asterisk.get("up"):
            return Seen("asterisk-down", data, seen_ms, int(asterisk.get("since_ms") or seen_ms))
        return Seen("ok", data, seen_ms, seen_ms)


def _began(last: Seen, status: Status, now_ms: int) -> int:
    return last.since_ms if last.status == status and last.since_ms else now_ms
