"""Backups as the database knows them: what was begun, what came of it, where it lies besides the box.

Law: the folders say what lies there; a row says what is known of it, and outlives the file. On the writer's thread
inside a transaction (what changes), or any with a reader's connection.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

Kind = Literal["night", "now"]
Place = Literal["stick", "far"]
Digest = bytes
ROWS_KEPT = 400
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. ``name`` "" and a ``reason``: none came of it. ``verdict``: "" (not compared yet), equal, failed;
    ``amiss``: the first thing that was, in English. ``gone_ms``: its file was removed."""

    id: int
    name: str
    kind: Kind
    began_ms: int
    ended_ms: int | None
    bytes: int
    sha256: Digest
    reason: str
    checked_ms: int | None
    verdict: str
    amiss: str
    tables: int
    rows: int
    files: int
    gone_ms: int | None


@dataclass(frozen=True, slots=True)
class BackupPicture:
    """How it stands: the latest backups, the newest first; where copies lie (name → places); the newest good one."""

    latest: tuple[Backup, ...]
    places: dict[str, tuple[Place, ...]]
    good: Backup | None

    @property
    def last(self) -> Backup | None:
        """The last one that was begun and ended."""
        return next((one for one in self.latest if one.ended_ms is not None), None)


_ALL = (
    "id, name, kind, began_ms, ended_ms, bytes, sha256, reason, checked_ms, verdict, amiss, tables, rows, files,"
    " gone_ms"
)


def begin(db: sqlite3.Connection, kind: Kind, now_ms: int) -> int:
    """One begins; its id. Others that had not ended were cut off."""
    db.execute("UPDATE backup SET ended_ms = began_ms, reason = 'stopped' WHERE ended_ms IS NULL")
    cursor = db.execute("INSERT INTO backup (name, kind, began_ms) VALUES ('', ?, ?)", (kind, now_ms))
    db.execute(
        "DELETE FROM backup WHERE id <= ? AND (name = '' OR gone_ms IS NOT NULL)",
        ((cursor.lastrowid or 0) - ROWS_KEPT,),
    )
    return int(cursor.lastrowid or 0)


def made(db: sqlite3.Connection, backup: int, name: str, size: int, sha256: Digest, now_ms: int) -> None:
    """It lies in the folder."""
    db.execute(
        "UPDATE backup SET name = ?, bytes = ?, sha256 = ?, ended_ms = ?, reason = '' WHERE id = ?",
        (name, size, sha256, now_ms, backup),
    )


def failed(db: sqlite3.Connection, backup: int, reason: str, now_ms: int) -> None:
    """None came of it."""
    db.execute("UPDATE backup SET ended_ms = ?, reason = ? WHERE id = ?", (now_ms, reason, backup))


def compared(
    db: sqlite3.Connection, name: str, amiss: str, figures: tuple[int, int, int], reason: str, now_ms: int
) -> None:
    """It was restored and compared: ``amiss`` and ``reason`` "" = equal; figures: tables, rows, files."""
    db.execute(
        "UPDATE backup SET checked_ms = ?, verdict = ?, amiss = ?, reason = ?, tables = ?, rows = ?, files = ?"
        " WHERE name = ?",
        (now_ms, "failed" if reason else "equal", amiss[:500], reason, *figures, name),
    )


def copied(db: sqlite3.Connection, name: str, place: Place, address: str, size: int, now_ms: int) -> None:
    """A copy was seen to lie there whole."""
    db.execute("INSERT OR REPLACE INTO backup_copy VALUES (?, ?, ?, ?, ?)", (name, address, place, size, now_ms))


def dropped(db: sqlite3.Connection, name: str, address: str) -> None:
    """The copy there was removed, or is not there any more."""
    db.execute("DELETE FROM backup_copy WHERE name = ? AND address = ?", (name, address))


def gone(db: sqlite3.Connection, names: list[str], now_ms: int) -> None:
    """These files are no longer in the box's folder."""
    db.executemany("UPDATE backup SET gone_ms = ? WHERE name = ? AND gone_ms IS NULL", [(now_ms, one) for one in names])


def gone_names(db: sqlite3.Connection) -> list[str]:
    """Those whose files are not in the folder."""
    return [str(name) for (name,) in db.execute("SELECT name FROM backup WHERE name <> '' AND gone_ms IS NOT NULL")]


def back(db: sqlite3.Connection, names: list[str]) -> None:
    """These files are in the box's folder again."""
    db.executemany("UPDATE backup SET gone_ms = NULL WHERE name = ?", [(one,) for one in names])


def latest(db: sqlite3.Connection, limit: int = SHOWN) -> tuple[Backup, ...]:
    """The newest first."""
    return tuple(Backup(*row) for row in db.execute(f"SELECT {_ALL} FROM backup ORDER BY id DESC LIMIT ?", (limit,)))


def lying(db: sqlite3.Connection) -> dict[str, Backup]:
    """Those whose files should lie in the folder, by name."""
    rows = db.execute(f"SELECT {_ALL} FROM backup WHERE name <> '' AND gone_ms IS NULL")
    return {one.name: one for one in (Backup(*row) for row in rows)}


def copies_at(db: sqlite3.Connection, address: str) -> dict[str, int]:
    """What is known to lie at a place: bytes by name."""
    return dict(db.execute("SELECT name, bytes FROM backup_copy WHERE address = ?", (address,)).fetchall())


def last_good(db: sqlite3.Connection) -> Backup | None:
    """The newest one that was restored and equal; its file may have been lost since."""
    row = db.execute(f"SELECT {_ALL} FROM backup WHERE verdict = 'equal' ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else Backup(*row)


def last_made(db: sqlite3.Connection) -> Backup | None:
    """The newest one whose file was made."""
    row = db.execute(f"SELECT {_ALL} FROM backup WHERE name <> '' ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else Backup(*row)


def since_ms(db: sqlite3.Connection) -> int | None:
    """When the box came to life: its first user was made."""
    found = db.execute("SELECT min(created_ms) FROM user").fetchone()[0]
    return None if found is None else int(found)


def backups(db: sqlite3.Connection) -> BackupPicture:
    """How it stands."""
    places: dict[str, tuple[Place, ...]] = {}
    for name, place in db.execute("SELECT name, place FROM backup_copy ORDER BY place"):
        places[name] = (*places.get(name, ()), place)
    return BackupPicture(latest(db), places, last_good(db))
