"""An older release meets a newer one's database: it takes its own last copy, and of the newer one what it can read.

Runs on the thread of ``ramal prepare`` (or ``ramal up``), as the only writer, before anything else opens the database.
Law: the newer database is never changed and stays beside (``ramal.db.newer-NNNN``); at every instant the name
``ramal.db`` is a whole database, the newer or the older one; a cut in between begins again from the newer one.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ramal.errors import RamalError
from ramal.store import migrations, settings
from ramal.store.db import DatabaseUnusable, open_writer, transaction
from ramal.store.ingest import Ingest

NEWER_KEPT = 2
_OWN = ("_sqlite_migrations", "sqlite_sequence")


@dataclass(frozen=True, slots=True)
class Returned:
    """What was done. ``lost``: tables of the older release whose rows could not all be taken over, with how many;
    ``refolded``: calls of the meantime that were computed anew by this release."""

    newer: Path
    lost: tuple[tuple[str, int], ...]
    refolded: int

    def sentence(self) -> str:
        """For the log."""
        rest = ", ".join(f"{count} of {table}" for table, count in self.lost)
        told = (
            f"The database was a newer release's; this one went on with its own copy of before. {self.newer} keeps it."
        )
        return f"{told} Not taken over: {rest}." if rest else told


def come_back(path: Path, log_dir: Path) -> Returned | None:
    """Make the database at ``path`` one that this release can use; None when it is, or is not there.

    DatabaseUnusable when it is a newer release's and there is no copy of before: nothing is changed then.
    """
    if not path.exists():
        return None
    with closing(_open(path)) as newer:
        unknown = _unknown(newer)
        if not unknown:
            return None
        number = unknown[0].split()[0]
        before = path.with_name(f"{path.name}.before-{number}")
        _must_fit(path, before, unknown[0])
        # No frame may be left that would be played into the file that takes this one's name.
        newer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        return _swap(path, before, path.with_name(f"{path.name}.newer-{number}"), log_dir)
    except OSError as error:
        raise DatabaseUnusable(
            f"The database {path} is a newer Ramal's, and going on with the copy of before failed ({error}). It was "
            "left as it was; calls go on and are kept in Asterisk's own journals. Make room on the disk, then restart."
        ) from error


def _swap(path: Path, before: Path, kept: Path, log_dir: Path) -> Returned:
    """Put a filled copy of ``before`` in the place of ``path``, which stays as ``kept``."""
    made = path.with_name(f".{path.name}.back")
    for stale in (made, *_side_files(made)):
        stale.unlink(missing_ok=True)
    shutil.copyfile(before, made)
    made.chmod(0o660)
    lost, refolded = _take_over(made, path, log_dir)
    _sync(made)
    kept.unlink(missing_ok=True)
    os.link(path, kept)
    for stale in (*_side_files(path), *_side_files(made)):
        stale.unlink(missing_ok=True)
    os.replace(made, path)
    _sync(path.parent)
    _tidy(path)
    return Returned(kept, lost, refolded)


def _open(path: Path) -> sqlite3.Connection:
    try:
        return open_writer(path)
    except DatabaseUnusable:
        raise
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"The database {path} cannot be read ({error}). Calls go on.") from error


def _unknown(db: sqlite3.Connection) -> list[str]:
    """Migrations that made this database and that this release does not know, the first one first."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = '_sqlite_migrations'").fetchone():
        return []
    rows = db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'ramal' ORDER BY id").fetchall()
    known = migrations.names()
    return [name for (name,) in rows if name not in known]


def _must_fit(path: Path, before: Path, first: str) -> None:
    refused = DatabaseUnusable(
        f"The database {path} was written by a newer Ramal (it knows “{first}”), and there is no whole copy of before "
        f"({before.name}). Nothing was changed; calls go on. Install that version or newer, or restore a backup made "
        "by this one."
    )
    if not before.is_file():
        raise refused
    try:
        with closing(sqlite3.connect(f"file:{before}?immutable=1", uri=True)) as db:
            whole = db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok" and not _unknown(db)
    except sqlite3.Error:
        whole = False
    if not whole:
        raise refused


def _take_over(made: Path, newer: Path, log_dir: Path) -> tuple[tuple[tuple[str, int], ...], int]:
    """Fill the copy at ``made`` with the newer rows; what was lost, and how many calls were computed anew."""
    with closing(open_writer(made)) as db:
        migrations.migrate(db)  # the copy may be older than this release, when more than one was skipped
        last = db.execute("SELECT coalesce(max(key), 0) FROM call").fetchone()[0]
        db.execute("PRAGMA foreign_keys=OFF")
        db.execute("ATTACH DATABASE ? AS newer", (f"file:{newer}?immutable=1",))
        lost: dict[str, int] = {}
        try:
            with transaction(db):
                lost = _carry(db)
                if db.execute("PRAGMA main.foreign_key_check").fetchone():
                    raise _Torn
        except (_Torn, sqlite3.Error):
            lost = {"everything since": 1}  # the copy as it was is whole by itself
        db.execute("DETACH DATABASE newer")
        db.execute("PRAGMA foreign_keys=ON")
        refolded = _refold(db, log_dir, last) if "everything since" not in lost else 0
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return tuple(sorted(lost.items())), refolded


class _Torn(Exception):
    """The newer rows do not fit together in the older tables."""


def _carry(db: sqlite3.Connection) -> dict[str, int]:
    """Every table both know, row by row as the older one's rules allow; how many rows were left out of which.

    Triggers are put aside meanwhile: what they would do has been done.
    """
    lost: dict[str, int] = {}
    triggers = db.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER main.{_quoted(name)}")
    for table in _tables(db, "main"):
        columns, there = _columns(db, "main", table), _columns(db, "newer", table)
        if not columns or not set(columns) <= set(there):
            lost |= {table: _count(db, "newer", table)} if there else {}
            continue
        names = ", ".join(_quoted(column) for column in columns)
        db.execute("SAVEPOINT carry")
        try:
            db.execute(f"DELETE FROM main.{_quoted(table)}")
            db.execute(
                f"INSERT OR IGNORE INTO main.{_quoted(table)} ({names}) SELECT {names} FROM newer.{_quoted(table)}"
            )
            if table == "setting":
                settings.load(db)
        except (sqlite3.Error, RamalError, ValueError, KeyError, TypeError):
            db.execute("ROLLBACK TO carry")
            lost[table] = _count(db, "newer", table)
        else:
            missing = _count(db, "newer", table) - _count(db, "main", table)
            lost |= {table: missing} if missing else {}
        db.execute("RELEASE carry")
    for _, sql in triggers:
        db.execute(sql)
    return lost


def _refold(db: sqlite3.Connection, log_dir: Path, after: int) -> int:
    """Calls of the meantime, computed by this release from their kept journal lines."""
    count = int(db.execute("SELECT count(*) FROM call WHERE key > ?", (after,)).fetchone()[0])
    ingest, at = Ingest(db, log_dir), after or 0
    with contextlib.suppress(sqlite3.Error):
        going: int | None = at
        while going is not None:
            going = ingest.refold(going)
    return count


def _tables(db: sqlite3.Connection, schema: str) -> Iterable[str]:
    rows = db.execute(f"SELECT name, sql FROM {schema}.sqlite_schema WHERE type = 'table'").fetchall()
    return [name for name, sql in rows if name not in _OWN and not (sql or "").upper().startswith("CREATE VIRTUAL")]


def _columns(db: sqlite3.Connection, schema: str, table: str) -> list[str]:
    """Those that hold something: generated ones are left out."""
    rows = db.execute(f"PRAGMA {schema}.table_xinfo({_quoted(table)})").fetchall()
    return [row[1] for row in rows if row[6] == 0]


def _count(db: sqlite3.Connection, schema: str, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {schema}.{_quoted(table)}").fetchone()[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _side_files(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _tidy(path: Path) -> None:
    """The newest few stay: each is as large as the database."""
    old = sorted(path.parent.glob(f"{path.name}.newer-*"), key=lambda found: found.stat().st_mtime)[:-NEWER_KEPT]
    for one in old:
        one.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
