"""Contacts in the database. Reading on any thread with its own connection; changes on the writer's only.

Bounded: at most CONTACTS_MAX contacts, so looking through all of them for a fragment is a matter of milliseconds.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from ramal.core.contacts import CONTACTS_MAX, Contact, ContactRefused
from ramal.store.search import digits, plain

PAGE = 50
_COLUMNS = "number, name, vip, blocked, language, agent, queue, note"
_PUT = f"INSERT OR REPLACE INTO contact ({_COLUMNS}, sought, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class ContactPage(NamedTuple):
    """One page of what was found, by name then number; ``total`` of all pages."""

    rows: list[Contact]
    total: int


class Written(NamedTuple):
    """What a file changed."""

    added: int
    changed: int
    same: int


def contact(connection: sqlite3.Connection, number: str) -> Contact | None:
    """The contact of an E.164 number."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM contact WHERE number = ?", (number,)).fetchone()
    return _contact(row) if row else None


def every_contact(connection: sqlite3.Connection) -> list[Contact]:
    """All of them, by number: up to CONTACTS_MAX."""
    return [_contact(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM contact ORDER BY number")]


def names_of(connection: sqlite3.Connection, numbers: Iterable[str]) -> dict[str, str]:
    """The names of those of at most a few hundred numbers that are contacts with a name."""
    wanted = list(dict.fromkeys(numbers))[:500]
    marks = ",".join("?" * len(wanted))
    query = f"SELECT number, name FROM contact WHERE number IN ({marks}) AND name <> ''"
    return dict(connection.execute(query, wanted).fetchall())


def found_contacts(connection: sqlite3.Connection, sought: str = "", page: int = 0, kind: str = "") -> ContactPage:
    """Contacts whose name, note or number holds ``sought`` (accents and case do not count, nor how a number is
    written); all when it is empty. ``page`` from 0, PAGE each; ``kind``: ``vip`` or ``blocked`` only those."""
    wanted = sought.strip()[:100]
    figures = digits(wanted)
    where, values = ["1"], []
    if wanted:
        ways = ["instr(sought, ?)"]
        values.append(plain(wanted))
        if len(figures) >= 3 and len(figures) >= len(wanted) / 2:
            ways.append("instr(number, ?)")
            values.append(figures.lstrip("0"))
        where.append(f"({' OR '.join(ways)})")
    if kind in ("vip", "blocked"):
        where.append(f"{kind} = 1")
    clause = " AND ".join(where)
    total = connection.execute(f"SELECT count(*) FROM contact WHERE {clause}", values).fetchone()[0]
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM contact WHERE {clause} ORDER BY sought, number LIMIT ? OFFSET ?",
        (*values, PAGE, max(0, min(page, CONTACTS_MAX)) * PAGE),
    )
    return ContactPage([_contact(row) for row in rows], int(total))


def save_contact(connection: sqlite3.Connection, entry: Contact, at_ms: int) -> bool:
    """Keep a contact; whether it is a new one. ContactRefused when there is no room for another."""
    new = contact(connection, entry.number) is None
    if new:
        _room(connection, 1)
    connection.execute(_PUT, _row(entry, at_ms))
    return new


def save_contacts(connection: sqlite3.Connection, entries: Iterable[Contact], at_ms: int) -> Written:
    """Keep all of them or, when there is no room, none (ContactRefused). Only what differs is written."""
    before = {entry.number: entry for entry in every_contact(connection)}
    wanted = {entry.number: entry for entry in entries}
    added = [entry for number, entry in wanted.items() if number not in before]
    changed = [entry for number, entry in wanted.items() if number in before and before[number] != entry]
    _room(connection, len(added))
    connection.executemany(_PUT, (_row(entry, at_ms) for entry in (*added, *changed)))
    return Written(len(added), len(changed), len(wanted) - len(added) - len(changed))


def delete_contact(connection: sqlite3.Connection, number: str) -> bool:
    """Forget a contact; whether there was one."""
    return connection.execute("DELETE FROM contact WHERE number = ?", (number,)).rowcount > 0


def _room(connection: sqlite3.Connection, more: int) -> None:
    there = connection.execute("SELECT count(*) FROM contact").fetchone()[0]
    if there + more > CONTACTS_MAX:
        raise ContactRefused(
            f"There are {there} contacts, and {CONTACTS_MAX} is the most a box keeps; {more} more do not fit. "
            "Nothing was changed. Delete some that no longer call."
        )


def _row(entry: Contact, at_ms: int) -> tuple[object, ...]:
    sought = plain(f"{entry.name} {entry.note}".strip())
    yes_no = (int(entry.vip), int(entry.blocked))
    return entry.number, entry.name, *yes_no, entry.language, entry.agent, entry.queue, entry.note, sought, at_ms


def _contact(row: sqlite3.Row | tuple[object, ...]) -> Contact:
    number, name, vip, blocked, language, agent, queue, note = row
    return Contact(number, name, bool(vip), bool(blocked), language, agent, queue, note)  # type: ignore[arg-type]


def digest(values: Iterable[tuple[str, str]]) -> str:
    """A short sign of a whole family of switches, to tell whether Asterisk has them already."""
    total = hashlib.sha256()
    for key, value in values:
        total.update(f"{key}\n{value}\n".encode())
    return total.hexdigest()[:32]
