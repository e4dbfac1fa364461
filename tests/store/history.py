"""A history under test: a home's database and journals, and everything the database says, to be compared."""

import os
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from ramal.store.db import open_writer
from ramal.store.ingest import CEL_NAME, QUEUE_NAME, Ingest
from ramal.store.migrations import migrate
from ramal.store.packing import unpack
from ramal.store.search import digits, match_query
from tests.store.office_day import Script, merge

CALL_TABLES = (
    *("call", "queue_stay", "recording", "hour_count", "call_menu", "menu_count", "restart"),
    *("callback_note", "callback", "missed_call", "return_call", "missed"),
)


def fresh(folder: Path) -> sqlite3.Connection:
    """A new, migrated database in ``folder``."""
    connection = open_writer(folder / "db" / "ramal.db")
    migrate(connection)
    return connection


def rows(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """All of history in the database, in an order of its own."""
    found = {table: sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in CALL_TABLES}
    found["agent_event"] = db.execute(
        "SELECT at_ms, agent, queue, kind, detail FROM agent_event ORDER BY id"
    ).fetchall()
    found["held"] = db.execute("SELECT uniqueid, line FROM held ORDER BY line").fetchall()
    journals = db.execute("SELECT call, lines FROM call_journal ORDER BY call").fetchall()
    found["lines"] = [(call, tuple(unpack(blob).cel), tuple(unpack(blob).queue)) for call, blob in journals]
    texts = db.execute("SELECT key, caller FROM call WHERE length(caller) > 5 ORDER BY key").fetchall()
    query = "SELECT rowid FROM caller_search WHERE caller_search MATCH ? ORDER BY rowid"
    found["search"] = [
        (key, *(hit for (hit,) in db.execute(query, (match_query(digits(caller)[-6:]),)))) for key, caller in texts
    ]
    return found


@dataclass
class Life:
    """One home's history through crashes: files are written, read, rotated, and the daemon dies."""

    folder: Path
    lives: int = 0
    written: dict[str, int] = field(default_factory=dict)
    rotations: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = self.folder / "log"
        (self.log / "cel-custom").mkdir(parents=True)
        self.db = fresh(self.folder / "life0")
        self.ingest = Ingest(self.db, self.log)

    def write(self, name: str, data: bytes) -> None:
        """Asterisk writes some bytes."""
        if data:
            with (self.log / name).open("ab") as file:
                file.write(data)

    def keep(self, *scripts: Script) -> None:
        """These calls happen, and are read."""
        cel, queue = merge(scripts)
        self.write(CEL_NAME, cel)
        self.write(QUEUE_NAME, queue)
        self.read_all()

    def rotate(self, name: str) -> None:
        """logrotate renames the file; Asterisk will make a new one."""
        path = self.log / name
        if path.exists():
            self.rotations[name] = n = self.rotations.get(name, 0) + 1
            os.utime(path, ns=(n * 1000, n * 1000))  # a test is faster than a file system's clock
            path.rename(path.with_name(f"{path.name}.{n}"))

    def crash(self) -> None:
        """The daemon dies; another one begins with what lies on the disk at this instant."""
        self.lives += 1
        to = self.folder / f"life{self.lives}" / "db"
        to.mkdir(parents=True)
        for file in (self.folder / f"life{self.lives - 1}" / "db").iterdir():
            if not file.name.endswith("-shm"):
                shutil.copy(file, to / file.name)
        self.db.close()
        self.db = open_writer(to / "ramal.db")
        self.ingest = Ingest(self.db, self.log)

    def survives(self) -> None:
        """History is the same after the daemon died, and after it was made anew from its journals."""
        before = rows(self.db)
        self.crash()
        self.read_all()
        assert self.ingest.refold() is not None
        assert rows(self.db) == before

    def fail_within(self, operations: int) -> None:
        """A step is broken off in the middle, as by a full disk."""
        self.db.set_progress_handler(lambda: 1, max(1, operations))
        try:
            self.ingest.step(4096)
        except sqlite3.OperationalError:
            pass
        finally:
            self.db.set_progress_handler(None, 0)

    def read(self, max_bytes: int = 1 << 20) -> int:
        """One step."""
        return self.ingest.step(max_bytes)

    def read_all(self, max_bytes: int = 1 << 20) -> None:
        """Until nothing is new."""
        for _ in range(100_000):
            if not self.ingest.step(max_bytes):
                return
        raise AssertionError("reading never ends")

    def close(self) -> None:
        self.db.close()


def history_of(folder: Path, cel: bytes, queue: bytes) -> dict[str, list[tuple[object, ...]]]:
    """What history is when both files are read whole, at once."""
    life = Life(folder)
    life.write(CEL_NAME, cel)
    life.write(QUEUE_NAME, queue)
    life.read_all()
    found = rows(life.db)
    life.close()
    return found
