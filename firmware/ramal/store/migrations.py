"""The database's schema, one migration after the other.

Law: a migration that has been released is never changed. Each runs in one transaction with its record; before a
database that holds anything is changed, a copy is put beside it. Runs on the writer's thread, before anything else.
What each makes stands in ``schema_NNNN``.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ramal.store.db import DatabaseUnusable
from ramal.store.schema_0001 import FIRST
from ramal.store.schema_0002 import SECOND
from ramal.store.schema_0003 import THIRD
from ramal.store.schema_0004 import FOURTH

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations


def migrate(connection: sqlite3.Connection, aside: bool = True) -> list[str]:
    """Bring the database up to this version's schema; the names of the migrations that ran. ``aside``: put a copy
    beside it first, as is right for every database but one that is just being made.

    Raises DatabaseUnusable when the database was written by a newer Ramal (nothing is changed) or a migration fails
    (that migration is rolled back whole).
    """
    from sqlite_utils import Database  # a tenth of a second that readers need not pay

    migrations = _migrations()
    database = Database(connection, recursive_triggers=False)
    path = _path(connection)
    try:
        applied = [entry.name for entry in migrations.applied(database)]
        unknown = [name for name in applied if name not in {entry.name for entry in migrations._migrations}]
        if unknown:
            raise DatabaseUnusable(
                f"The database {path} was written by a newer Ramal (it knows “{unknown[0]}”). Nothing was changed; "
                "calls go on. Install that version or newer, or restore a backup made by this one."
            )
        pending = [entry.name for entry in migrations.pending(database)]
        if pending and applied and aside:
            _copy_aside(connection, path, pending[0])
        if pending:
            migrations.apply(database)
    except sqlite3.Error as error:
        raise DatabaseUnusable(
            f"The database {path} could not be brought up to date ({error}). It was left as it was; calls go on and "
            "are kept in Asterisk's own journals. Check the disk's free space, then start Ramal again."
        ) from error
    return pending


def migrate_to(connection: sqlite3.Connection, names: Sequence[str]) -> None:
    """Give an empty database the schema that the migrations ``names`` make, and no later one. DatabaseUnusable when
    these are not the first ones of this version's: then a newer Ramal (or none) wrote them."""
    from sqlite_utils import Database

    migrations = _migrations()
    ours = [entry.name for entry in migrations._migrations]
    if list(names) != ours[: len(names)] or not names:
        unknown = next((name for name in names if name not in ours), "")
        raise DatabaseUnusable(
            f"It was made by a newer Ramal, whose database knows “{unknown[:80]}”. Nothing was changed. Bring this box "
            "up to date first, then try again."
            if unknown
            else "Its database is of no version that Ramal ever had. Nothing was changed."
        )
    behind = ours[len(names)] if len(names) < len(ours) else None
    migrations.apply(Database(connection, recursive_triggers=False), stop_before=behind)


def names() -> frozenset[str]:
    """The migrations this release knows."""
    return frozenset(entry.name for entry in _migrations()._migrations)


def _migrations() -> "Migrations":
    from sqlite_utils import Migrations

    migrations = Migrations("ramal")

    @migrations(name="0001 history, settings, users")
    def first(database: "Database") -> None:
        for statement in FIRST:
            database.execute(statement)

    @migrations(name="0002 inbound: contacts, callbacks, decisions")
    def second(database: "Database") -> None:
        for statement in SECOND:
            database.execute(statement)

    @migrations(name="0003 voice")
    def third(database: "Database") -> None:
        for statement in THIRD:
            database.execute(statement)

    @migrations(name="0004 the box: backups, clock, updates")
    def fourth(database: "Database") -> None:
        for statement in FOURTH:
            database.execute(statement)

    return migrations


def _path(connection: sqlite3.Connection) -> Path:
    return Path(cast(str, connection.execute("PRAGMA database_list").fetchone()[2]))


def _copy_aside(connection: sqlite3.Connection, path: Path, before: str) -> None:
    """A whole copy of the database as it is, named after the first migration that will change it."""
    copy = path.with_name(f"{path.name}.before-{before.split()[0]}")
    part = copy.with_name(copy.name + ".part")
    part.unlink(missing_ok=True)
    with sqlite3.connect(part) as target:
        connection.backup(target, pages=4096)
    target.close()
    part.chmod(0o660)
    part.replace(copy)
