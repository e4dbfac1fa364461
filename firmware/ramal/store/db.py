"""Opening the database: one writer, any number of readers.

Law: only the daemon's writer thread writes (``store.writer``); everyone else opens with ``open_reader``. A connection
is used by one thread at a time. Connections are in autocommit mode: a transaction is an explicit ``BEGIN``.

WAL, so that readers never wait for the writer. ``synchronous`` is FULL when a connection is opened; ``store.writer``
lowers it to NORMAL only around work that is rebuilt from Asterisk's journals (a power cut then costs the last moments
of the database together with the cursor, and the journals are read again).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ramal.errors import RamalError

BUSY_TIMEOUT_MS = 5000
PAGE_BYTES = 1024
"""Of a new database. A commit writes whole pages, and a call changes a few bytes in each of some fifty: with SQLite's
usual 4096 a call writes 274 kB to the log, with these 89 kB (tests/bench/bench_card.py)."""
WAL_PAGES = 4000
"""Pages in the WAL before it is folded back into the database: 4 MiB. Grown once, it is written over in its place."""


class DatabaseUnusable(RamalError):
    """The database cannot be opened or used."""


def open_writer(path: Path) -> sqlite3.Connection:
    """The writer's connection; creates the file (0660) and its folder (2770). Does not migrate: see ``migrations``.

    Raises DatabaseUnusable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent.stat().st_uid == os.geteuid():
            os.chmod(path.parent, 0o2770)  # the group's readers must be able to make -shm when the daemon is down
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o660))
            os.chmod(path, 0o660)  # -wal and -shm take the database's own mode
        connection = _connect(path, any_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # says nothing to a database that has pages already
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute("PRAGMA cache_size=-16384")
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write (``query_only``). Raises DatabaseUnusable, also when there is no database yet."""
    try:
        # mode=rw also here: a reader must make the -shm file when the writer is down; query_only keeps it a reader.
        connection = _connect(path, any_thread=True)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA cache_size=-8192")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, error) from error
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it. Inside an open transaction, a part of that one."""
    nested = connection.in_transaction
    connection.execute("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back on a full disk
            connection.execute("ROLLBACK TO part" if nested else "ROLLBACK")
            if nested:
                connection.execute("RELEASE part")
        raise
    try:
        connection.execute("RELEASE part" if nested else "COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path, *, any_thread: bool) -> sqlite3.Connection:
    # any_thread: a web server may close a connection in another thread than the one that used it.
    uri = f"file:{_quote(path)}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=not any_thread)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return connection


def _quote(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _unusable(path: Path, error: Exception) -> DatabaseUnusable:
    if not path.exists():
        return DatabaseUnusable(
            f"There is no database at {path} yet. Calls are not affected. It is made when the daemon starts (ramal up)."
        )
    return DatabaseUnusable(
        f"The database {path} cannot be used ({error}). Calls go on and are kept in Asterisk's own journals. "
        "Check the disk's free space and the file's permissions, then restart Ramal."
    )
