"""The day's figures of every queue, shared by everybody who looks.

Law: however many screens there are, the database is asked at most every ``FRESH_S``, by one thread; the others get the
last answer. Any thread. Raises DatabaseUnusable and SettingsUnreadable.
"""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from ramal.core import kpi
from ramal.core.office import Office
from ramal.store import read
from ramal_web.calls.query import day_start_ms

FRESH_S = 4.0


@dataclass(frozen=True, slots=True)
class Day:
    """One queue's day. ``level``: the service level by the definition ``variant``, with T = ``within_s``.

    ``callbacks``: callers who wait to be called back; ``cut``: there were more calls than are counted.
    """

    received: int
    answered: int
    lost: int
    level: kpi.Ratio
    within_s: int
    callbacks: int
    variant: kpi.Variant = kpi.DEFAULT
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Days:
    """The days of all queues by name."""

    queues: Mapping[str, Day] = field(default_factory=lambda: MappingProxyType({}))


class Figures:
    """One box's day, from the database at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asking = threading.Lock()
        self._last: Days | None = None
        self._asked_s = float("-inf")

    def look(self) -> Days:
        """The figures, at most ``FRESH_S`` old."""
        if self._last is None or time.monotonic() - self._asked_s >= FRESH_S:
            if self._last is None:
                self._asking.acquire()
            elif not self._asking.acquire(blocking=False):
                return self._last
            try:
                if self._last is None or time.monotonic() - self._asked_s >= FRESH_S:
                    with closing(read.open_reader(self._path)) as db:
                        self._last = days(db, time.time_ns() // 1_000_000)
                    self._asked_s = time.monotonic()
            finally:
                self._asking.release()
        return self._last


def days(db: sqlite3.Connection, now_ms: int) -> Days:
    """Every queue's day until now."""
    office = read.load(db) or Office(name="")
    since_ms = midnight_ms(office, now_ms)
    pending = Counter(callback.queue for callback in read.pending_callbacks(db))
    found = {}
    for queue in office.queues:
        offers, cut = read.offers(db, queue.name, since_ms, now_ms + 1, now_ms)
        t = kpi.tally(offers, 1000 * queue.answer_within_s)
        level, callbacks = kpi.service_level(t), pending[queue.name]
        found[queue.name] = Day(t.received, t.answered, t.lost, level, queue.answer_within_s, callbacks, cut=cut)
    return Days(found)


def midnight_ms(office: Office, now_ms: int) -> int:
    """When the office's day began."""
    zone = ZoneInfo(office.timezone)
    return day_start_ms(datetime.fromtimestamp(now_ms / 1000, zone).date(), zone)
