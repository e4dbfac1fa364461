"""Looking after history: read the journals when they grew, count the day, watch the recordings' disk.

Runs on its own thread; the database work is done by the writer's thread, and this one waits for it. Law: two ``stat``
calls a second is all that an idle box costs; a burst of calls is one transaction a look, not one a line. Nothing that
fails here touches calls: it is a warning, and the next look tries again.
"""

import datetime
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from ramal.core import warnings
from ramal.core.events import ConditionSeen, Event
from ramal.errors import RamalError

log = logging.getLogger(__name__)

LOOK_S = 1.0
SLOW_LOOK_S = 10.0
"""How often the disk and the recordings are looked at."""
BEHIND_S = 60.0
"""Journals that are never wholly read for that long are a warning."""
FULL_MB = 20
"""A disk with less free is as good as full: Asterisk's next recording will be cut."""
STEPS_AT_ONCE = 8
"""Ingest steps (up to 1 MiB of journal each) in one go; then others may use the writer."""


class History(Protocol):
    """What is done on the writer's thread, with its connection."""

    def step(self) -> int:
        """Read some of the journals into the database; lines read, 0 = all is read."""

    def behind_bytes(self) -> int:
        """Bytes of the journals that are not read yet."""

    def today(self, since_ms: int) -> Mapping[str, int]:
        """Counts of the calls that began since then."""

    def finish_recordings(self) -> int:
        """Have the books closed on recordings whose call ended; how many are being looked at."""

    def amiss(self, since_ms: int) -> Mapping[str, int]:
        """Recordings since then by what is wrong with them: ``missing``, ``short``."""


class Chronicle:
    """``today`` and ``behind_bytes`` are replaced whole and may be read by any thread. ``also`` are more
    conditions to look at from time to time."""

    def __init__(
        self,
        journals: tuple[Path, ...],
        recordings: Path,
        history: Callable[[sqlite3.Connection], History],
        on_writer: Callable[[Callable[[sqlite3.Connection], object]], "Future[object]"],
        put: Callable[[Event], None],
        timezone: Callable[[], str],
        also: Callable[[], Iterable[Event]],
        *,
        reserve_mb: int = 200,
        look_s: float = LOOK_S,
        slow_look_s: float = SLOW_LOOK_S,
        free_mb: Callable[[Path], int] | None = None,
    ) -> None:
        self.today: Mapping[str, int] = {}
        self.behind_bytes = 0
        self._journals, self._recordings = journals, recordings
        self._make, self._on_writer, self._put, self._timezone = history, on_writer, put, timezone
        self._also = also
        self._reserve_mb, self._look_s, self._slow_look_s = reserve_mb, look_s, slow_look_s
        self._free_mb = free_mb or _free_mb
        self._history: History | None = None
        self._seen: object = None
        self._day_ms = 0
        self._whole_at = time.monotonic()
        self._failed = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chronicle", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look in progress."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    # -- chronicle thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        slow_due = 0.0
        while True:
            try:
                self._look()
                if time.monotonic() >= slow_due:
                    slow_due = time.monotonic() + self._slow_look_s
                    self._slow_look()
            except Exception:
                log.exception("looking after history stumbled; the next look tries again")
            if self._stopping.wait(self._look_s):
                return

    def _look(self) -> None:
        seen = tuple(_mark(path) for path in self._journals)
        day_ms = midnight_ms(self._timezone(), time.time())
        if seen == self._seen and day_ms == self._day_ms and not self._failed:
            self._whole_at = time.monotonic()
            return
        try:
            more = bool(self._on_writer(lambda connection: self._read(connection, day_ms)).result())
        except (OSError, sqlite3.Error, RamalError) as error:
            if not self._failed:
                log.error("the journals cannot be read into the history now (%s); they are kept and tried again", error)
            self._failed = str(error) or type(error).__name__
        else:
            if self._failed:
                log.info("the journals are read into the history again")
            self._failed = ""
            self._day_ms = day_ms
            if not more:
                self._seen, self._whole_at = seen, time.monotonic()

    def _read(self, connection: sqlite3.Connection, day_ms: int) -> bool:
        """On the writer's thread: read on; whether there is more."""
        if self._history is None:
            self._history = self._make(connection)
        more = True
        for _ in range(STEPS_AT_ONCE):
            if not self._history.step():
                more = False
                break
        self._history.finish_recordings()
        self.behind_bytes = self._history.behind_bytes()
        self.today = dict(self._history.today(day_ms))
        return more

    def _slow_look(self) -> None:
        self._look_at_disk()
        for event in self._also():
            self._put(event)
        late = time.monotonic() - self._whole_at > BEHIND_S
        behind = (("behind_bytes", self.behind_bytes), ("reason", self._failed))
        holds = bool(self._failed) or (late and self.behind_bytes > 0)
        self._put(ConditionSeen(warnings.HISTORY_BEHIND, holds, behind))
        if self._history is not None and not self._failed:
            self._on_writer(self._look_at_recordings).result()

    def _look_at_recordings(self, connection: sqlite3.Connection) -> None:
        assert self._history is not None
        self._history.finish_recordings()  # also those whose file was closed after the last line of their call
        amiss = self._history.amiss(int(time.time() * 1000) - 24 * 3600 * 1000)
        for kind, code in (("missing", warnings.RECORDINGS_MISSING), ("short", warnings.RECORDINGS_SHORT)):
            count = amiss.get(kind, 0)
            self._put(ConditionSeen(code, count > 0, (("count", count),)))

    def _look_at_disk(self) -> None:
        try:
            free_mb = self._free_mb(self._recordings)
        except OSError as error:
            log.warning("the recordings' disk cannot be looked at: %s", error)
            return
        args = (("free_mb", free_mb), ("path", str(self._recordings)))
        full = free_mb < FULL_MB
        self._put(ConditionSeen(warnings.DISK_FULL, full, args))
        self._put(ConditionSeen(warnings.DISK_LOW, not full and free_mb < self._reserve_mb, args))


def midnight_ms(timezone: str, now_s: float) -> int:
    """When the local day of ``now_s`` (seconds since 1970) began, in milliseconds; UTC for an unknown zone."""
    try:
        zone: datetime.tzinfo = ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        zone = datetime.UTC
    midnight = datetime.datetime.fromtimestamp(now_s, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return int(midnight.timestamp() * 1000)


def _mark(path: Path) -> object:
    try:
        found = path.stat()
    except OSError as error:
        return error.errno
    return found.st_ino, found.st_size, found.st_mtime_ns


def _free_mb(path: Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize >> 20
