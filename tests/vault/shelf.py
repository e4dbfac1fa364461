"""A home with recordings of calls that ended, its writer, and what the keeper needs; no daemon, no Asterisk."""

import hashlib
import sqlite3
from array import array
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.core import sound
from ramal.core.events import ConditionSeen
from ramal.core.office import Office
from ramal.core.state import Asterisk, State
from ramal.ops.means import Means
from ramal.store.db import open_reader
from ramal.store.ledger import TAKES
from ramal.store.writer import Writer

ENDED_MS = 1_795_000_000_000


def stereo_wav(left: "array[int]", right: "array[int]", rate_hz: int = 8000) -> bytes:
    both = array("h", bytes(4 * len(left)))
    both[0::2], both[1::2] = left, right
    body = both.tobytes()
    return sound.header(len(body), rate_hz, 2) + body


def spoken(length_s: int, pitch_hz: float = 440.0, level_dbfs: float = -18.0) -> "array[int]":
    """Something with loud and quiet parts, as speech has them."""
    return sound.pilot(pitch_hz, level_dbfs) * length_s


@dataclass(slots=True)
class Shelf:
    home: Home
    writer: Writer
    now_ms: int = ENDED_MS + 3_600_000
    told: list[ConditionSeen] = field(default_factory=list)
    state: State = field(default_factory=lambda: State(asterisk=Asterisk(up=True)))
    office: Office = field(default_factory=lambda: Office(name="x"))
    _next: int = 0

    @classmethod
    def at(cls, root: Path) -> "Shelf":
        home = Home(root)
        home.prepare()
        one = cls(home, Writer(home.db))
        one._next = one.read(lambda db: db.execute("SELECT count(*) FROM recording").fetchone()[0])
        return one

    def close(self) -> None:
        self.writer.stop()

    def put(self, wav: bytes, path: str = "", state: str = "ready") -> int:
        """A measured recording; its id. Ids are those of calls a second apart."""
        self._next += 1
        number = self._next
        key = (ENDED_MS // 1000 - 10_000 + number) * 2048
        path = path or f"recordings/2026/11/19/{key // 2048}.{number}-1.wav"
        file = self.home.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(wav)

        def job(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO call (key, id, direction, category, started_ms, ended_ms, line, number, caller,"
                " caller_name, menu, queue, agent, phone, hangup_by, missed, has_message)"
                " VALUES (?, ?, 'in', 'answered', ?, ?, '', '', '', '', '', '', '', '', '', '', 0)",
                (key, f"{key // 2048}.{number}", ENDED_MS - 60_000, ENDED_MS),
            )
            db.execute(
                "INSERT INTO recording (id, kind, path, started_ms, duration_ms, bytes, sha256, state)"
                " VALUES (?, 'talk', ?, ?, 1000, ?, ?, ?)",
                (key * TAKES, path, ENDED_MS - 60_000, len(wav), hashlib.sha256(wav).digest(), state),
            )

        self.write(job)
        return key * TAKES

    def write(self, job: Any) -> Any:
        return self.writer.submit(job).result()

    def read(self, job: Any) -> Any:
        with closing(open_reader(self.home.db)) as db:
            return job(db)

    def path(self, recording: int, suffix: str = ".ogg.sealed") -> Path:
        (path,) = self.read(lambda db: db.execute("SELECT path FROM recording WHERE id = ?", (recording,)).fetchone())
        return (self.home.root / str(path)).with_suffix(suffix)

    def means(self) -> Means:
        def nothing(*_: Any, **__: Any) -> Any:
            raise AssertionError("the keeper does not need this")

        def work(job: Any) -> "Future[Any]":
            done: Future[Any] = Future()
            done.set_result(job())
            return done

        return Means(
            home=self.home,
            write=self.writer.submit,
            write_soon=self.writer.submit_rebuildable,
            read=self.read,
            work=work,
            ask=nothing,
            ask_list=nothing,
            say=nothing,
            tell=lambda event: self.told.append(event),  # type: ignore[arg-type, return-value]
            office=lambda: self.office,
            state=lambda: self.state,
            clock_ms=lambda: self.now_ms,
            tick_s=0.05,
        )

    def warned(self) -> tuple[tuple[str, str | int], ...] | None:
        """The arguments of the last word about recordings that are not kept; None when all is well."""
        last = self.told[-1]
        return last.args if last.holds else None
