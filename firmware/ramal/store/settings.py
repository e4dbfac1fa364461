"""The office in the database: one row a thing, so that a change of one queue is a change of one row.

Runs on the thread of its connection; ``save`` only on the writer's. Every field is kept, also those equal to their
default: a later version's other default must not change an office that is in force.
"""

import json
import operator
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from ramal.core.destination import Destination, parse
from ramal.core.latest import Latest
from ramal.core.office import Office
from ramal.core.office_tables import LISTS, OFFICE
from ramal.errors import RamalError
from ramal.store.db import transaction

Key = tuple[str, str]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LIST_FIELDS = frozenset(table.attr for table in LISTS)


class SettingsUnreadable(RamalError):
    """The office in the database cannot be understood."""


def save(connection: sqlite3.Connection, office: Office) -> int:
    """Make ``office`` the one in the database, whole or not at all; returns how many rows were written or removed.

    Joins a transaction that is open. Raises sqlite3.Error; then the office in the database is the old one.
    """
    wanted = dict(_rows(office))
    changed = 0
    with _whole(connection):
        present: dict[Key, tuple[int, str]] = {
            (kind, key): (position, body)
            for kind, key, position, body in connection.execute("SELECT kind, key, position, body FROM setting")
        }
        for kind, key in present.keys() - wanted.keys():
            connection.execute("DELETE FROM setting WHERE kind = ? AND key = ?", (kind, key))
            changed += 1
        for (kind, key), row in wanted.items():
            if present.get((kind, key)) != row:
                connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?, ?, ?)", (kind, key, *row))
                changed += 1
    return changed


def load(connection: sqlite3.Connection) -> Office | None:
    """The office in the database; None when none was saved yet. SettingsUnreadable when it is damaged.

    It was valid when it was saved and is not judged again: a box must not stop because a newer version knows better.
    The same rows are the same office: the last one is kept, because every look at a page asks. Any thread.
    """
    return _latest(connection.execute("SELECT kind, key, body FROM setting ORDER BY kind, position, key").fetchall())


def _office(rows: list[tuple[str, str, str]]) -> Office | None:
    tables = {table.key: table for table in (OFFICE, *LISTS)}
    found: dict[str, list[Any]] = {key: [] for key in tables}
    for kind, key, body in rows:
        try:
            if kind == OFFICE.key:
                found[kind].append(json.loads(body))
            elif kind in tables:
                found[kind].append(_decoded(tables[kind].made_of, json.loads(body)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _unreadable(kind, key, error) from error
    if not found[OFFICE.key]:
        return None
    lists: dict[str, Any] = {table.attr: tuple(found[table.key]) for table in LISTS}
    known = {field.name for field in fields(Office)} - _LIST_FIELDS
    head = found[OFFICE.key][0]
    hints = _hints(Office)
    try:
        told = {key: _decoded(hints[key], head[key]) for key in head if key in known}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _unreadable(OFFICE.key, "", error) from error
    return Office(**told, **lists)


def _unreadable(kind: str, key: str, error: Exception) -> SettingsUnreadable:
    return SettingsUnreadable(
        f"The settings of {kind} “{key}” in the database cannot be read ({error}). Asterisk goes on with the "
        "files it has, so calls work. Apply the office file again: ramal apply office.toml."
    )


_latest = Latest(_office, operator.eq)


@contextmanager
def _whole(connection: sqlite3.Connection) -> Iterator[None]:
    if not connection.in_transaction:
        with transaction(connection):
            yield
        return
    connection.execute("SAVEPOINT settings")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO settings")
        connection.execute("RELEASE settings")
        raise
    connection.execute("RELEASE settings")


def _rows(office: Office) -> Iterator[tuple[Key, tuple[int, str]]]:
    head = {field.name: getattr(office, field.name) for field in fields(Office) if field.name not in _LIST_FIELDS}
    yield (OFFICE.key, ""), (0, _body(head))
    for table in LISTS:
        for position, thing in enumerate(getattr(office, table.attr)):
            yield (table.key, getattr(thing, table.identity)), (position, _body(_encoded(thing)))


def _body(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _encoded(value: Any) -> Any:
    if isinstance(value, Destination):
        return str(value)
    if is_dataclass(value):
        return {field.name: _encoded(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    return value


def _decoded(wanted: Any, value: Any) -> Any:
    """``value`` from JSON as the type ``wanted`` of ``core.office``; fields of other versions are passed over.
    ValueError for a text with control characters: no office file can hold one, and in Asterisk's files it would begin
    a line."""
    if isinstance(value, str) and _CONTROL.search(value):
        raise ValueError("it holds a control character")
    if get_origin(wanted) is tuple:
        return tuple(_decoded(get_args(wanted)[0], item) for item in value)
    if wanted is Destination:
        return parse(value)
    if wanted == Destination | None:
        return None if value is None else parse(value)
    if isinstance(wanted, type) and is_dataclass(wanted):
        hints = _hints(wanted)
        return wanted(**{key: _decoded(hints[key], item) for key, item in value.items() if key in hints})
    return value


@cache
def _hints(wanted: type[Any]) -> dict[str, Any]:
    return get_type_hints(wanted)
