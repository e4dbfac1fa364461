"""What a factory reset leaves of the database: the calls under a legal hold, their recordings, and the chain of seals.

On the thread of the connection, while nothing else uses the database. Law: ``held`` errs on the side of keeping (a hold
whose day may have passed counts: the clock of a box that is being reset is not to be trusted); ``forget`` is one
transaction, and doing it again finds nothing to do.
"""

import sqlite3
from collections.abc import Collection, Iterator

from ramal.store import holds
from ramal.store.db import transaction
from ramal.store.ledger import TAKES
from ramal.store.table_rows import SEQUENCE, index, tables

WHOLE = frozenset({"hold", "seal", "_sqlite_migrations", SEQUENCE})
"""Seals tell nothing of anybody, and a chain with a gap would look like a forgery; holds are never deleted."""


def held(db: sqlite3.Connection) -> frozenset[int]:
    """Keys of the calls that no factory reset removes."""
    rows = db.execute(f"SELECT {holds.COLUMNS} FROM hold WHERE released_ms IS NULL ORDER BY id")
    open_holds = [holds.Hold(*row) for row in rows]
    if not open_holds:
        return frozenset()
    queues: dict[int, set[str]] = {}
    for key, queue in db.execute("SELECT call, queue FROM queue_stay"):
        queues.setdefault(int(key), set()).add(str(queue))
    return frozenset(
        int(key)
        for key, call, caller, number, queue, begun_ms in db.execute(
            "SELECT key, id, caller, number, queue, started_ms FROM call"
        )
        if holds.covering(open_holds, call, (caller, number), {queue, *queues.get(int(key), ())}, begun_ms)
    )


def recordings(db: sqlite3.Connection) -> list[int]:
    """Ids of every recording the database knows of, with a file or without."""
    rows = db.execute("SELECT id FROM recording UNION SELECT recording FROM sound ORDER BY 1")
    return [int(number) for (number,) in rows]


def of_call(recording: int) -> int:
    """The key of a recording's call (schema 0001)."""
    return recording // TAKES


def files(db: sqlite3.Connection, keys: Collection[int]) -> Iterator[str]:
    """Paths, below the home, of the files that belong to the recordings of these calls."""
    for table, columns in (("recording", ("path",)), ("sound", ("path", "source"))):
        identity = "id" if table == "recording" else "recording"
        for number, *paths in db.execute(f"SELECT {identity}, {', '.join(columns)} FROM {table}"):
            if of_call(int(number)) in keys:
                yield from (str(path) for path in paths if path)


def forget(db: sqlite3.Connection, keys: Collection[int]) -> None:
    """Leave only what belongs to these calls, and nothing of the rest in free pages. The recordings of the others must
    have been erased (``vault.removal``) before, so that the chain says so."""
    db.execute("PRAGMA foreign_keys=ON")
    with transaction(db):
        db.execute("CREATE TEMP TABLE IF NOT EXISTS kept_call (key INTEGER PRIMARY KEY)")
        db.execute("DELETE FROM kept_call")
        db.executemany("INSERT INTO kept_call (key) VALUES (?)", [(key,) for key in keys])
        for table in tables(db):
            if table not in WHOLE:
                db.execute(f'DELETE FROM "{table}"{_unless(db, table)}')
    db.execute("DROP TABLE kept_call")
    index(db)
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _unless(db: sqlite3.Connection, table: str) -> str:
    """The condition that spares a table's rows of kept calls; "" where no row can be one's."""
    kinds = {str(row[1]): str(row[2]) for row in db.execute(f'PRAGMA table_info("{table}")')}
    kept = "IN (SELECT key FROM kept_call)"
    if table == "call":
        return f" WHERE NOT (key {kept})"
    if table == "recording":
        return f" WHERE NOT (id / {TAKES} {kept})"
    if kinds.get("call") == "INTEGER":
        return f" WHERE NOT (call {kept})"
    if kinds.get("recording") == "INTEGER" and table != "far_copy":  # where copies lie is the old office's
        return f" WHERE NOT (recording / {TAKES} {kept})"
    return ""
