"""Closing the books on recordings: is the file there, is it whole, how long is it, what is its checksum.

Law: driven by what is (a call has ended, its recording is still called ``writing``), never by an event, so nothing
is forgotten across a restart. A file is measured when it has not changed for ``settle_s``. A WAV header torn by a
power cut (its sizes are right only after a proper close) is mended, and what Asterisk could not write itself is put in
(store.joining: a header, the silence of gaps); nothing else is ever written to a file. What has been measured is on the
disk: ``store.durable`` looks after running calls only, and the kernel keeps a file's last seconds for half a minute.

``step`` runs on the writer's thread and only looks into the database. Files are read on this module's own thread, at
low priority, and the result is handed back to the writer as a job.
"""

import hashlib
import logging
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from ramal.core.gap import Gap
from ramal.store import gaps, joining
from ramal.store.clock import key_at
from ramal.store.ledger import TAKES

log = logging.getLogger(__name__)

SETTLE_S = 1.0
GRACE_S = 5.0
"""How long a file may be absent after its call's end before it is called missing."""
AT_ONCE = 32
KEEP_S = 60.0
"""How long the writer may take to write a result down."""
SHORT_MS = 2000
"""A recording that lacks more than this of the talk is called short."""
CHUNK = 256 * 1024
NICE = 10

State = Literal["ready", "short", "missing", "damaged"]
OnWriter = Callable[[Callable[[sqlite3.Connection], object]], object]


@dataclass(frozen=True, slots=True)
class Due:
    """A recording whose call has ended. ``path`` is relative to the home."""

    id: int
    path: str
    expected_ms: int | None
    gaps: tuple[Gap, ...] = ()
    """What was not written of it (store.joining)."""
    channels: int = 1
    """Where Asterisk wrote no header."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the file turned out to be."""

    id: int
    path: str
    state: State
    duration_ms: int | None = None
    size_bytes: int | None = None
    sha256: bytes | None = None


def due(db: sqlite3.Connection, limit: int = AT_ONCE) -> tuple[Due, ...]:
    """Recordings still called ``writing`` of calls that have ended, the oldest first."""
    rows = db.execute(
        "SELECT r.id, r.path, r.expected_ms FROM recording r CROSS JOIN call c ON c.key = r.id / ?"
        " WHERE r.state = 'writing' AND c.ended_ms IS NOT NULL ORDER BY r.id LIMIT ?",
        (TAKES, limit),
    )
    return tuple(
        Due(id, path, expected_ms, gaps.written(db, id), gaps.channels(db, id))
        for id, path, expected_ms in rows.fetchall()
    )


def keep(db: sqlite3.Connection, result: Measured) -> bool:
    """Write a result down, unless the recording is another one by now; whether it was written."""
    return (
        db.execute(
            "UPDATE recording SET state = ?, duration_ms = ?, bytes = ?, sha256 = ?"
            " WHERE id = ? AND path = ? AND state = 'writing'",
            (result.state, result.duration_ms, result.size_bytes, result.sha256, result.id, result.path),
        ).rowcount
        == 1
    )


def amiss(db: sqlite3.Connection, since_ms: int) -> Mapping[str, int]:
    """How many recordings of calls that began since then are ``missing`` or ``short``; none of a kind: left out."""
    rows = db.execute(
        "SELECT state, count(*) FROM recording WHERE id >= ? AND state IN ('missing', 'short') GROUP BY state",
        (key_at(db, since_ms) * TAKES,),
    )
    return {str(state): int(count) for state, count in rows}


def measure(home: Path, recording: Due) -> Measured:
    """Look at a finished file and make it last; mends a torn header. OSError when the disk fails."""
    path = _inside(home, recording.path)
    if path is None:
        log.error("a recording's path lies outside the recordings: %r", recording.path)
        return Measured(recording.id, recording.path, "missing")
    joining.make_whole(path, home / "recordings" / ".vault", recording.gaps, recording.channels)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return Measured(recording.id, recording.path, "missing")
    with open(descriptor, "rb", buffering=0) as file:
        os.fdatasync(descriptor)
        size = os.fstat(descriptor).st_size
        wave = wave_facts(file.read(4096), size)
        if wave is None:
            return Measured(recording.id, recording.path, "damaged", None, size, _checksum(file))
        if wave.torn:
            _mend(path, wave)
        duration_ms = wave.data_bytes * 1000 // wave.bytes_per_s
        short = duration_ms == 0 or (recording.expected_ms or 0) - duration_ms > SHORT_MS
        state: State = "short" if short else "ready"
        return Measured(recording.id, recording.path, state, duration_ms, size, _checksum(file))


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """A WAV file's real sizes; ``bits`` of a sample, ``code`` 1 for PCM."""

    data_at: int
    data_bytes: int
    bytes_per_s: int
    torn: bool
    code: int
    channels: int
    rate_hz: int
    bits: int


def wave_facts(start: bytes, size: int) -> WaveFacts | None:
    """A WAV file's sizes as they really are, from its first bytes and its length; None when it is none."""
    if len(start) < 44 or start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        return None
    at, bytes_per_s, block = 12, 0, 1
    code = channels = rate_hz = bits = 0
    while at + 8 <= len(start):
        name, length = start[at : at + 4], struct.unpack_from("<I", start, at + 4)[0]
        if name == b"fmt " and at + 24 <= len(start):
            code, channels, rate_hz, bytes_per_s, block, bits = struct.unpack_from("<HHIIHH", start, at + 8)
        if name == b"data":
            if not bytes_per_s or not block:
                return None
            rest = size - at - 8
            # Asterisk writes nothing after the sound, so the sound is all that is there, whatever the header says.
            whole = rest - rest % block
            return WaveFacts(at + 8, whole, bytes_per_s, length != whole, code, channels, rate_hz, bits)
        at += 8 + length + length % 2
    return None


def _mend(path: Path, wave: WaveFacts) -> None:
    """Write the two sizes of a WAV header that was never closed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        log.warning("the header of %s is torn and cannot be mended: %s", path, error)
        return
    try:
        os.pwrite(descriptor, struct.pack("<I", wave.data_bytes), wave.data_at - 4)
        os.pwrite(descriptor, struct.pack("<I", wave.data_at - 8 + wave.data_bytes), 4)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    log.info("the header of %s was mended: %d bytes of sound", path, wave.data_bytes)


def _checksum(file: BinaryIO) -> bytes:
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(CHUNK):
        digest.update(block)
    return digest.digest()


def _inside(home: Path, relative: str) -> Path | None:
    root = (home / "recordings").resolve()
    if "\0" in relative:
        return None
    path = (home / relative).resolve()
    return path if path.is_relative_to(root) else None


@dataclass(slots=True)
class _Watched:
    due: Due
    mark: tuple[int, int] | None
    since_s: float
    """When the file was last seen to change, on the monotonic clock."""


class Finisher:
    """Measures recordings of ended calls. ``on_writer`` runs a job on the writer's thread (``Writer.submit…``)."""

    def __init__(
        self,
        home: Path,
        on_writer: OnWriter,
        *,
        settle_s: float = SETTLE_S,
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._on_writer, self._clock = home, on_writer, clock
        self._settle_s, self._grace_s = settle_s, grace_s
        self._watched: dict[int, _Watched] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)

    def start(self) -> None:
        """Begin to measure what ``step`` finds."""
        self._thread.start()

    def stop(self) -> None:
        """End after the file in hand; what is left is found again by the next ``step`` of another life."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def step(self, db: sqlite3.Connection) -> int:
        """On the writer's thread: look for recordings to close; how many are being watched now."""
        with self._changed:
            room = AT_ONCE - len(self._watched)
        if room > 0:
            found = due(db)
            with self._changed:
                for one in found:
                    if one.id not in self._watched:
                        self._watched[one.id] = _Watched(one, _mark(self._home, one.path), self._clock())
                self._changed.notify()
        with self._changed:
            return len(self._watched)

    # ---- this module's own thread

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError:
            log.debug("recordings are measured at normal priority", exc_info=True)
        while True:
            with self._changed:
                if not self._stopping:
                    self._changed.wait(self._settle_s / 2 if self._watched else None)
                if self._stopping:
                    return
            self.look()

    def look(self) -> None:
        """Look at every watched file once: measure those that have settled."""
        with self._changed:
            waiting = list(self._watched.values())
        for one in waiting:
            if self._stopping:
                return
            self._look(one)

    def _look(self, one: _Watched) -> None:
        now_s = self._clock()
        mark = _mark(self._home, one.due.path)
        if mark != one.mark:
            one.mark, one.since_s = mark, now_s
        if now_s - one.since_s < (self._grace_s if mark is None else self._settle_s):
            return
        try:
            result = measure(self._home, one.due)
            one.since_s = now_s + KEEP_S  # measured again only if the writer lost it
            self._on_writer(lambda db: self._keep(db, result))
        except Exception as error:
            # A failing disk, or a writer that is being closed: it stays `writing` and is looked at again.
            log.warning("the recording %s could not be looked at: %s", one.due.path, error)
            one.since_s = now_s + 10 * self._grace_s

    def _keep(self, db: sqlite3.Connection, result: Measured) -> None:
        keep(db, result)
        if result.state != "ready":
            log.warning("the recording %s is %s", result.path, result.state)
        with self._changed:
            self._watched.pop(result.id, None)


def _mark(home: Path, relative: str) -> tuple[int, int] | None:
    path = _inside(home, relative)
    try:
        status = os.stat(joining.written_as(path)) if path is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_size, status.st_mtime_ns)
