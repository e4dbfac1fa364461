"""One caller's past, and one agent's last call: what is shown while a phone rings.

Law: every question is answered by an index and looks at few rows, because it is asked while somebody waits. May run on
any thread that has the connection for itself.
"""

import sqlite3
from dataclasses import dataclass

from ramal.core.history import call_key
from ramal.store.clock import key_at
from ramal.store.ledger import TAKES
from ramal.store.listing import CALL, CallRow, call_row
from ramal.store.notes import Note, notes_of

COUNT_MAX = 99
"""A day's calls of one number are counted up to here."""


@dataclass(frozen=True, slots=True)
class Before:
    """A call of the same person, its notes, and whether there is something to hear."""

    call: CallRow
    notes: tuple[Note, ...]
    recorded: bool


def calls_before(db: sqlite3.Connection, number: str, call_id: str, limit: int = 5) -> list[Before]:
    """The last calls from and to ``number`` (E.164), the latest first, without ``call_id``."""
    if not number:
        return []
    key = call_key(call_id) or -1
    rows = [
        *_calls(db, "direction = 'in' AND caller <> '' AND caller = ?", number, key, limit),
        *_calls(db, "direction = 'out' AND number = ?", number, key, limit),
    ]
    rows = sorted(rows, key=lambda row: -row.key)[:limit]
    notes = notes_of(db, [row.key for row in rows])
    return [Before(row, tuple(notes.get(row.key, ())), _recorded(db, row.key)) for row in rows]


def calls_since(db: sqlite3.Connection, number: str, since_ms: int) -> int:
    """How often ``number`` called since then, this call included; at most ``COUNT_MAX``."""
    query = (
        "SELECT count(*) FROM (SELECT 1 FROM call WHERE direction = 'in' AND caller <> '' AND caller = ? AND key >= ?"
        " LIMIT ?)"
    )
    return int(db.execute(query, (number, key_at(db, since_ms), COUNT_MAX)).fetchone()[0]) if number else 0


def last_of_agent(db: sqlite3.Connection, agent: str) -> CallRow | None:
    """The last call with a customer this agent spoke in, or is in."""
    query = (
        f"SELECT {CALL} FROM call WHERE agent = ? AND agent <> '' AND direction <> 'internal' ORDER BY key DESC LIMIT 1"
    )
    row = db.execute(query, (agent,)).fetchone() if agent else None
    return None if row is None else call_row(row)


def outside_today(db: sqlite3.Connection, agent: str, since_ms: int) -> tuple[int, int]:
    """How many of this agent's calls to the outside were connected since then, and how long they took in all (ms)."""
    query = (
        "SELECT count(*), coalesce(sum(talk_ms), 0) FROM call"
        " WHERE agent = ? AND agent <> '' AND key >= ? AND direction = 'out' AND category = 'connected'"
    )
    calls, talk_ms = db.execute(query, (agent, key_at(db, since_ms))).fetchone()
    return int(calls), int(talk_ms)


def _calls(db: sqlite3.Connection, where: str, number: str, key: int, limit: int) -> list[CallRow]:
    query = f"SELECT {CALL} FROM call WHERE {where} AND key <> ? ORDER BY key DESC LIMIT ?"
    return [call_row(row) for row in db.execute(query, (number, key, limit))]


def _recorded(db: sqlite3.Connection, key: int) -> bool:
    query = "SELECT 1 FROM recording WHERE id BETWEEN ? AND ? AND state IN ('ready', 'short', 'damaged') LIMIT 1"
    return db.execute(query, (key * TAKES, key * TAKES + TAKES - 1)).fetchone() is not None
