"""Callbacks as rows: what every call's journal says about them, and what became of each.

Law: notes are derived from a call's journal like its other rows, and a callback's row from all its notes, so writing a
call twice changes nothing and a rebuild gives the same. Apart from them stands what a person decided (``cancel``): that
is durable and audited. ``write`` and ``cancel`` run on the writer's thread, the rest on the thread of its connection.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple

from ramal.core.callback_history import Callback, state_of
from ramal.core.history import Call, CallbackNote, call_key
from ramal.errors import RamalError
from ramal.store import users

_NOTE = "at_ms, id, event, queue, number, joined_ms, tries, agent, kept"
_ROW = "id, queue, number, asked_ms, joined_ms, state, tries, again, spoken_ms, ended_ms, agent, result"
_PUT = f"INSERT OR REPLACE INTO callback (call, {_ROW}) VALUES (?, {', '.join('?' * 12)})"
LIST_MAX = 200


def write(db: sqlite3.Connection, calls: Iterable[tuple[int, bool, Call]]) -> list[Callback]:
    """Keep what these calls (key, known before, call) say; the callbacks that are told of now, as they stand."""
    told = list(calls)
    touched: set[str] = set()
    for key, known, _ in told:
        if known:
            touched.update(row[0] for row in db.execute("SELECT id FROM callback_note WHERE call = ?", (key,)))
    db.executemany("DELETE FROM callback_note WHERE call = ?", [(key,) for key, known, _ in told if known])
    rows = [(key, n, *astuple(note)) for key, _, call in told for n, note in enumerate(call.callbacks)]  # as _NOTE
    db.executemany(f"INSERT INTO callback_note (call, n, {_NOTE}) VALUES ({', '.join('?' * 11)})", rows)
    touched.update(row[3] for row in rows)
    return [callback for each in sorted(touched) if (callback := _settle(db, each)) is not None]


def cancel(db: sqlite3.Connection, at_ms: int, who: str, callback_id: str, reason: str) -> Callback:
    """Decide that nobody is called back; RamalError when there is nothing to cancel."""
    callback = get(db, callback_id)
    if callback is None:
        raise RamalError("There is no such callback. Nothing was changed.")
    if callback.ended_ms is not None:
        raise RamalError(f"This callback is over already ({callback.state}). Nothing was changed.")
    db.execute("INSERT OR IGNORE INTO callback_cancel VALUES (?, ?, ?, ?)", (callback_id, at_ms, who, reason[:200]))
    users.audit(db, at_ms, who, "callback.cancelled", f"{callback.number} {reason}".strip())
    settled = _settle(db, callback_id)
    assert settled is not None
    return settled


def cancelled(db: sqlite3.Connection, callback_id: str) -> bool:
    """Has somebody decided that this one is not called back?"""
    return db.execute("SELECT 1 FROM callback_cancel WHERE id = ?", (callback_id,)).fetchone() is not None


def get(db: sqlite3.Connection, callback_id: str) -> Callback | None:
    """One callback by the linked id of the call it was asked for in."""
    row = db.execute(f"SELECT {_ROW} FROM callback WHERE id = ?", (callback_id,)).fetchone()
    return None if row is None else Callback(*row)


def kept(db: sqlite3.Connection, callback_id: str) -> str:
    """What else Asterisk's record of it held when it was asked for; "" when the journal did not say."""
    query = "SELECT kept FROM callback_note WHERE id = ? AND event = 'noted' ORDER BY at_ms LIMIT 1"
    row = db.execute(query, (callback_id,)).fetchone()
    return "" if row is None else str(row[0])


def silent_since_restart(db: sqlite3.Connection, callback_id: str) -> bool:
    """Has Asterisk been started anew since its journals last said anything of this callback? Restarts are known to
    the second."""
    query = "SELECT (SELECT max(at_ms) FROM restart), (SELECT max(at_ms) FROM callback_note WHERE id = ?)"
    restart_ms, told_ms = db.execute(query, (callback_id,)).fetchone()
    return restart_ms is not None and told_ms is not None and told_ms // 1000 <= restart_ms // 1000


def read_past(db: sqlite3.Connection, marks: Mapping[str, tuple[int, int]]) -> bool:
    """Are the journals in the history up to these places (name: inode and size of the newest file)? Not when one was
    rotated meanwhile."""
    rows = {row[0]: row[1:] for row in db.execute("SELECT name, inode, offset FROM journal")}
    return all(
        name in rows and rows[name][0] == inode and rows[name][1] >= size for name, (inode, size) in marks.items()
    )


def pending(db: sqlite3.Connection) -> list[Callback]:
    """Those that are not over, the longest waiting first; at most LIST_MAX."""
    query = f"SELECT {_ROW} FROM callback WHERE ended_ms IS NULL ORDER BY joined_ms, id LIMIT ?"
    return [Callback(*row) for row in db.execute(query, (LIST_MAX,))]


def listed(db: sqlite3.Connection, before_ms: int | None = None, limit: int = 50) -> list[Callback]:
    """All of them, the newest first; ``before_ms``: asked before then (the last row's ``asked_ms``)."""
    query = f"SELECT {_ROW} FROM callback WHERE asked_ms < ? ORDER BY asked_ms DESC LIMIT ?"
    rows = db.execute(query, (before_ms if before_ms is not None else 1 << 62, min(limit, LIST_MAX)))
    return [Callback(*row) for row in rows]


def _settle(db: sqlite3.Connection, callback_id: str) -> Callback | None:
    notes = [_note(row) for row in db.execute(f"SELECT {_NOTE} FROM callback_note WHERE id = ?", (callback_id,))]
    ended = db.execute("SELECT at_ms, who FROM callback_cancel WHERE id = ?", (callback_id,)).fetchone()
    callback = state_of(notes, ended)
    if callback is None:
        db.execute("DELETE FROM callback WHERE id = ?", (callback_id,))
        return None
    values = (callback.id, callback.queue, callback.number, callback.asked_ms, callback.joined_ms, callback.state)
    more = (callback.tries, callback.again, callback.spoken_ms, callback.ended_ms, callback.agent, callback.result)
    db.execute(_PUT, (call_key(callback.id) or 0, *values, *more))
    return callback


def _note(row: Sequence[object]) -> CallbackNote:
    return CallbackNote(*row)  # type: ignore[arg-type]
