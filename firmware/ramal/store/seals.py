"""The catalogue's rows (core.chain). Law: rows are only ever added, inside the transaction that keeps what they seal.

On the writer's thread (``append``), or any with a reader's connection.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from ramal.core.chain import Head, Seal, SealKind, digest_of, follow, hash_of, head_of

_COLUMNS = "n, at_ms, kind, recording, digest, prev"


@dataclass(frozen=True, slots=True)
class Check:
    """One verification: when, how long, over how much, how many flaws, and the first of them as JSON."""

    at_ms: int
    took_ms: int
    seals: int
    files: int
    bytes: int
    amiss: int
    found: str
    head: str


def append(db: sqlite3.Connection, at_ms: int, kind: SealKind, recording: int, digest: bytes) -> Seal:
    """Add a seal; part of the open transaction."""
    if not db.in_transaction:
        raise RuntimeError("a seal is kept together with what it seals")
    seal = follow(head(db), at_ms, kind, recording, digest)
    row = (seal.n, seal.at_ms, seal.kind, seal.recording, seal.digest, seal.prev)
    db.execute(f"INSERT INTO seal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", row)
    return seal


def append_day(db: sqlite3.Connection, at_ms: int) -> Seal | None:
    """Seal a day, if anything was sealed since the last one."""
    last = db.execute("SELECT kind FROM seal ORDER BY n DESC LIMIT 1").fetchone()
    if last is None or last[0] == "day":
        return None
    return append(db, at_ms, "day", 0, digest_of("day", (at_ms,)))


def head(db: sqlite3.Connection) -> Head | None:
    """The head of the whole catalogue; None while it is empty."""
    return _head(db, f"SELECT {_COLUMNS} FROM seal ORDER BY n DESC LIMIT 1")


def day_head(db: sqlite3.Connection) -> Head | None:
    """The head of the last sealed day."""
    return _head(db, f"SELECT {_COLUMNS} FROM seal WHERE kind = 'day' ORDER BY n DESC LIMIT 1")


def hash_at(db: sqlite3.Connection, n: int) -> bytes | None:
    """The hash of seal ``n`` as it stands now."""
    row = db.execute(f"SELECT {_COLUMNS} FROM seal WHERE n = ?", (n,)).fetchone()
    return None if row is None else hash_of(Seal(*row))


def rows(db: sqlite3.Connection, after: int = 0) -> Iterator[Seal]:
    """Every seal behind number ``after``, in order; few in memory at a time."""
    for row in db.execute(f"SELECT {_COLUMNS} FROM seal WHERE n > ? ORDER BY n", (after,)):
        yield Seal(*row)


def days(db: sqlite3.Connection, after: int = 0) -> Iterator[Head]:
    """The heads of sealed days behind number ``after``, the earliest first."""
    for row in db.execute(f"SELECT {_COLUMNS} FROM seal WHERE kind = 'day' AND n > ? ORDER BY n", (after,)):
        yield head_of(Seal(*row))


def keep_check(db: sqlite3.Connection, check: Check) -> None:
    """Write down a verification."""
    db.execute(
        "INSERT INTO seal_check (at_ms, took_ms, seals, files, bytes, amiss, found, head)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(check.at_ms, check.took_ms, check.seals, check.files),
            *(check.bytes, check.amiss, check.found, check.head),
        ),
    )


def last_check(db: sqlite3.Connection) -> Check | None:
    """The latest verification."""
    columns = "at_ms, took_ms, seals, files, bytes, amiss, found, head"
    row = db.execute(f"SELECT {columns} FROM seal_check ORDER BY id DESC LIMIT 1").fetchone()
    return None if row is None else Check(*row)


def _head(db: sqlite3.Connection, query: str) -> Head | None:
    row = db.execute(query).fetchone()
    return None if row is None else head_of(Seal(*row))
