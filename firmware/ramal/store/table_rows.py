"""The database as rows of its tables, one line of JSON a row: what a backup keeps, and how it becomes a database again.

A line is a list of the row's values; the first line names the columns. Bytes are ``{"b": base64}``, text that is no
UTF-8 ``{"t": base64}``. Law: the schema is never taken from outside: the migrations that a backup names are run on an
empty database, the rows put in, then the migrations that came later. Indexes and the search index are made anew.
On the thread of the connection; ``lines`` belongs inside one read transaction.
"""

import base64
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ramal.errors import RamalError
from ramal.store import migrations
from ramal.store.search import search_text

LINE_MAX = 64 << 20
SEQUENCE = "sqlite_sequence"
BATCH = 500


class RowsRefused(RamalError):
    """These rows cannot become a database of this Ramal."""


def tables(db: sqlite3.Connection) -> list[str]:
    """Every table that holds something of its own: not views, not the search index and its shadows."""
    found = [
        str(row[1])
        for row in db.execute("PRAGMA main.table_list")
        if row[2] == "table" and not str(row[1]).startswith("sqlite_")
    ]
    has = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = ?", (SEQUENCE,)).fetchone()[0]
    return [*sorted(found), *([SEQUENCE] if has else [])]


def known_migrations(db: sqlite3.Connection) -> tuple[str, ...]:
    """The names of the migrations that made this database, in their order."""
    rows = db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'ramal' ORDER BY rowid")
    return tuple(str(name) for (name,) in rows)


def lines(db: sqlite3.Connection, table: str) -> Iterator[bytes]:
    """A table's columns, then its rows in an order that only their content decides."""
    columns = _columns(db, table)
    names = ", ".join(_quoted(name) for name in columns)
    yield _line(columns)
    text = db.text_factory
    db.text_factory = bytes
    try:
        cursor = db.execute(f"SELECT {_typed(columns)} FROM {_quoted(table)} ORDER BY {_order(db, table) or names}")
        width = len(columns)
        for row in cursor:
            yield _line([_plain(row[at], row[at + width]) for at in range(width)])
    finally:
        db.text_factory = text


def fill(
    db: sqlite3.Connection, named: Sequence[str], given: Iterable[tuple[str, Callable[[], Iterable[bytes]]]]
) -> None:
    """Make an empty database one that holds the rows of ``given`` (table, its lines) at the schema of the migrations
    ``named``. DatabaseUnusable when a newer Ramal wrote them, RowsRefused when they do not fit; then the database is
    of no use. ``finish`` comes next."""
    migrations.migrate_to(db, named)
    present = tables(db)
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("BEGIN")
    for table in present:
        db.execute(f"DELETE FROM {_quoted(table)}")
    filled = []
    for table, of in given:
        if table not in present:
            raise RowsRefused(f"The backup holds a table that this database has not ({table[:60]}).")
        _fill(db, table, of())
        filled.append(table)
    if missing := [table for table in present if table not in filled]:
        raise RowsRefused(f"The backup lacks the table {missing[0]}.")
    db.execute("COMMIT")
    if list(known_migrations(db)) != list(named):
        raise RowsRefused("The backup's own list of migrations is not that of its database.")


def finish(db: sqlite3.Connection) -> list[str]:
    """Bring a filled database to today's schema, and make what is derived; the names of the migrations that ran."""
    ran = migrations.migrate(db, aside=False)
    index(db)
    db.execute("PRAGMA foreign_keys=ON")
    return ran


def index(db: sqlite3.Connection) -> None:
    """Make the search index anew from the calls."""
    db.execute("BEGIN")
    db.execute("INSERT INTO caller_search (caller_search) VALUES ('delete-all')")
    rows = db.execute("SELECT key, direction, caller, number, caller_name FROM call ORDER BY key")
    while portion := rows.fetchmany(BATCH):
        found = [(key, *search_text(*map(str, rest))) for key, *rest in portion]
        db.executemany(
            "INSERT INTO caller_search (rowid, digits, name) VALUES (?, ?, ?)",
            [row for row in found if row[1:] != ("", "")],
        )
    db.execute("COMMIT")


def flaws(db: sqlite3.Connection) -> list[str]:
    """What SQLite itself finds amiss: whole pages, indexes, keys of other tables."""
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(10)") if row[0] != "ok"]
    return found + [f"{row[0]} points at nothing in {row[2]}" for row in db.execute("PRAGMA foreign_key_check")][:10]


def _fill(db: sqlite3.Connection, table: str, of: Iterable[bytes]) -> None:
    coming = iter(of)
    columns = _read(table, next(coming, b""))
    if columns != _columns(db, table):
        raise RowsRefused(f"The backup's table {table} has other columns than this Ramal knows of that version.")
    into = f"INSERT INTO {_quoted(table)} ({', '.join(map(_quoted, columns))}) VALUES "
    put = f"{into}({', '.join('?' * len(columns))})"

    def rows() -> Iterator[list[Any]]:
        for line in coming:
            row = _read(table, line)
            if len(row) != len(columns):
                raise RowsRefused(f"The backup's table {table} has a row of another length.")
            if any(isinstance(value, dict) for value in row):
                marks = ", ".join("CAST(? AS TEXT)" if _is_text(value) else "?" for value in row)
                db.execute(f"{into}({marks})", [_value(value) for value in row])
            else:
                yield row

    try:
        if table == SEQUENCE:  # SQLite counted along while the other tables were filled
            db.execute(f"DELETE FROM {SEQUENCE}")
        db.executemany(put, rows())
    except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # the disk, not the rows
        raise RowsRefused(f"The backup's table {table} holds a row that does not fit ({error}).") from error


def _read(table: str, line: bytes) -> list[Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RowsRefused(f"The backup's table {table} holds a line that is no row.") from error
    if not isinstance(row, list) or any(isinstance(value, list | bool) for value in row):
        raise RowsRefused(f"The backup's table {table} holds a line that is no row.")
    return row


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        return base64.b64decode(value["t" if _is_text(value) else "b"], validate=True)
    except (KeyError, ValueError, TypeError) as error:
        raise RowsRefused("The backup holds bytes that cannot be read.") from error


def _is_text(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"t"}


def _plain(value: Any, kind: bytes) -> Any:
    if not isinstance(value, bytes):
        return value
    if kind == b"text":
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"t": base64.b64encode(value).decode("ascii")}
    return {"b": base64.b64encode(value).decode("ascii")}


def _line(values: Sequence[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def _typed(columns: Sequence[str]) -> str:
    return ", ".join([*map(_quoted, columns), *(f"typeof({_quoted(name)})" for name in columns)])


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    if table == SEQUENCE:
        return ["name", "seq"]
    return [str(row[1]) for row in db.execute(f"PRAGMA table_info({_quoted(table)})")]


def _order(db: sqlite3.Connection, table: str) -> str:
    """The primary key; "" where there is none."""
    keyed = sorted((row[5], str(row[1])) for row in db.execute(f"PRAGMA table_info({_quoted(table)})") if row[5])
    return ", ".join(_quoted(name) for _, name in keyed)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
