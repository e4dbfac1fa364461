"""Missed calls as a work list: whom nobody has spoken with, and who called them back.

One row a caller's number. On the list are received calls that ended abandoned, timed out, overflowed, blocked (nobody
there, queue full), unanswered, closed, with a message alone, or by a crash; and those withdrawn to a callback that
expired. Not on it: who gave up in a menu (nobody was asked for), who was refused (blocked contacts, numbers that are
not ours), and callers without a number, whom nobody can call. A later call from or to that number in which people
spoke takes all of them off; a person can, with a reason.

Law: ``missed_call`` and ``return_call`` are derived from calls alone, so a rebuild gives the same; they hold the few
calls that matter, so a million others cost an index look-up each. A return must have begun and ended after the missed
call: both the journals' order and a rebuild's then meet them in the same order. What people decided stands apart
(``return_mark``, ``return_attempt``): durable and audited. Writing is done on the writer's thread.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ramal.core.callback_history import Callback
from ramal.core.history import Call, Category, call_key
from ramal.errors import RamalError
from ramal.store import users

UNSERVED: frozenset[Category] = frozenset(
    {"abandoned", "timed_out", "overflowed", "blocked", "unanswered", "closed", "message", "system"}
)
SPOKEN: frozenset[Category] = frozenset({"answered", "connected"})
KEPT = 1000
"""Missed calls of one number that are looked at: a machine that calls all night costs no more than this."""
AGAIN_MS = 60_000
"""A number that somebody is calling back is not called a second time within this, whoever presses the button."""
LIST_MAX = 200

State = Literal["open", "returned", "closed", "dismissed"]
_ROW = (
    "number, state, times, first_ms, last_ms, longest_ms, queue, category, has_message, last_call, "
    "done_ms, done_by, done_call, reason"
)
_NUMBERED = f"SELECT {_ROW}, coalesce((SELECT name FROM contact WHERE contact.number = missed.number), '') FROM missed"


@dataclass(frozen=True, slots=True)
class Missed:
    """A line of the work list. ``times``, ``first_ms``, ``last_ms`` and ``longest_ms`` (the longest wait) are of the
    calls that are open, or, when none is, of those that were last taken off. ``last_call`` is a linked id.

    ``state``: ``open``; ``returned`` (we called: ``done_by`` is the agent, ``done_call`` the call); ``closed`` (they
    called, or the callback, and ``done_by`` spoke with them); ``dismissed`` by the user ``done_by`` for ``reason``.
    """

    number: str
    state: State
    times: int
    first_ms: int
    last_ms: int
    longest_ms: int
    queue: str
    category: Category
    has_message: bool
    last_call: str
    done_ms: int | None
    done_by: str
    done_call: str
    reason: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Done:
    """What takes calls off the list: a return (``call`` > 0) or a person's word."""

    at_ms: int
    call: int
    state: State
    by: str
    call_id: str
    reason: str


def write(
    db: sqlite3.Connection,
    calls: Iterable[tuple[int, bool, Call]],
    told: Iterable[Callback],
    numbers: Iterable[str] = (),
) -> None:
    """Keep what these calls (key, known before, call), callbacks, and messages of ``numbers`` change in the list."""
    ended = [(key, known, call) for key, known, call in calls if call.category is not None]
    touched = _forget(db, [key for key, known, _ in ended if known]) | set(numbers)
    missed = [row for key, _, call in ended if (row := _missed(key, call)) is not None]
    for callback in told:
        key = call_key(callback.id) or 0
        touched.add(callback.number)
        db.execute("DELETE FROM missed_call WHERE call = ? AND category = 'withdrawn'", (key,))
        if callback.state == "expired" and callback.number and _known(db, key):
            waited_ms = (callback.ended_ms or callback.asked_ms) - callback.joined_ms
            missed.append(
                (key, callback.number, callback.ended_ms or 0, max(0, waited_ms), callback.queue, "withdrawn", 0)
            )
    db.executemany("INSERT OR REPLACE INTO missed_call VALUES (?, ?, ?, ?, ?, ?, ?)", missed)
    touched.update(str(row[1]) for row in missed)
    for key, _, call in ended:
        number = _number(call)
        if call.category in SPOKEN and call.direction != "internal" and number and _waits(db, number, key, call):
            how = "in" if call.direction == "in" else "out"
            row = (key, number, call.ended_ms, _answered_ms(call), how, call.agent or call.phone)
            db.execute("INSERT INTO return_call VALUES (?, ?, ?, ?, ?, ?)", row)
            touched.add(number)
    for number in sorted(touched):
        _settle(db, number)


def listed(
    db: sqlite3.Connection, state: State | None = "open", before_ms: int | None = None, limit: int = 50
) -> list[Missed]:
    """A page of the list, the latest call first; ``before_ms``: the last row's ``last_ms``; ``state`` None: of all."""
    where = "state = ?" if state else "? IS NULL"
    query = f"{_NUMBERED} WHERE {where} AND last_ms < ? ORDER BY last_ms DESC LIMIT ?"
    before = before_ms if before_ms is not None else 1 << 62
    return [_row(row) for row in db.execute(query, (state, before, min(limit, LIST_MAX)))]


def of_number(db: sqlite3.Connection, number: str) -> Missed | None:
    """The row of one number (E.164); None when this caller was never missed."""
    row = db.execute(f"{_NUMBERED} WHERE number = ?", (number,)).fetchone()
    return None if row is None else _row(row)


def waiting(db: sqlite3.Connection) -> int:
    """How many numbers are open."""
    return int(db.execute("SELECT count(*) FROM missed WHERE state = 'open'").fetchone()[0])


def dismiss(db: sqlite3.Connection, at_ms: int, who: str, number: str, reason: str) -> None:
    """Take a number off the list without a call; RamalError when it is not on it or no reason is given."""
    row = of_number(db, number)
    if row is None or row.state != "open":
        raise RamalError("This number is not on the list of missed calls (any more). Nothing was changed.")
    if not reason.strip():
        raise RamalError("Say why nobody has to call back. Nothing was changed.")
    db.execute("INSERT INTO return_mark (number, at_ms, who, reason) VALUES (?, ?, ?, ?)", (number, at_ms, who, reason))
    users.audit(db, at_ms, who, "missed.dismissed", f"{number} {reason}")
    _settle(db, number)


def begin(
    db: sqlite3.Connection, at_ms: int, who: str, number: str, phone: str, agent: str, attempt: str
) -> str | None:
    """Keep that ``phone`` is about to call ``number`` back, before it does. None: this attempt was begun before, and
    must not be made again. RamalError while another attempt for this number is young."""
    if db.execute("SELECT 1 FROM return_attempt WHERE attempt = ?", (attempt,)).fetchone() is not None:
        return None
    young = db.execute(
        "SELECT phone FROM return_attempt WHERE number = ? AND at_ms > ? AND at_ms <= ?",
        (number, at_ms - AGAIN_MS, at_ms),
    ).fetchone()
    if young is not None:
        raise RamalError(f"Phone {young[0]} is calling {number} back just now. Nobody was called a second time.")
    db.execute("INSERT INTO return_attempt VALUES (?, ?, ?, ?, ?, ?)", (attempt, at_ms, who, number, phone, agent))
    users.audit(db, at_ms, who, "missed.called", f"{number} {phone}")
    return attempt


# ---- inside the transaction of a step


def _number(call: Call) -> str:
    """The other side's number when it is one that can be called: E.164."""
    number = call.caller if call.direction == "in" else call.number
    return number if number.startswith("+") and number[1:].isdigit() else ""


def _missed(key: int, call: Call) -> tuple[object, ...] | None:
    number = _number(call)
    if call.direction != "in" or call.category not in UNSERVED or not number:
        return None
    waited_ms = call.wait_ms if call.wait_ms is not None else (call.ended_ms or call.started_ms) - call.started_ms
    return (key, number, call.ended_ms, max(0, waited_ms), call.queue, call.category, int(call.has_message))


def _answered_ms(call: Call) -> int:
    answered = next(
        (stay.left_ms for stay in reversed(call.stays) if stay.outcome == "answered" and stay.left_ms), None
    )
    return answered if answered is not None else call.started_ms


def _forget(db: sqlite3.Connection, keys: Sequence[int]) -> set[str]:
    """Take these calls' own rows away, to be written anew; the numbers that had some."""
    touched: set[str] = set()
    for key in keys:
        for table in ("missed_call", "return_call"):
            found = db.execute(f"DELETE FROM {table} WHERE call = ? RETURNING number", (key,)).fetchall()
            touched.update(row[0] for row in found)
    return touched


def _known(db: sqlite3.Connection, key: int) -> bool:
    return db.execute("SELECT 1 FROM call WHERE key = ?", (key,)).fetchone() is not None


def _waits(db: sqlite3.Connection, number: str, key: int, call: Call) -> bool:
    query = "SELECT 1 FROM missed_call WHERE number = ? AND call < ? AND ended_ms <= ? LIMIT 1"
    return db.execute(query, (number, key, call.ended_ms)).fetchone() is not None


def _settle(db: sqlite3.Connection, number: str) -> None:
    """The number's row, from its missed calls and from what took them off."""
    missed = db.execute(
        "SELECT m.call, m.ended_ms, m.waited_ms, m.queue, m.category, m.has_message, c.id FROM missed_call m"
        " JOIN call c ON c.key = m.call WHERE m.number = ? ORDER BY m.call DESC LIMIT ?",
        (number, KEPT),
    ).fetchall()
    if not missed:
        db.execute("DELETE FROM missed WHERE number = ?", (number,))
        return
    done = _done(db, number, missed[-1][0])
    groups: dict[_Done | None, list[tuple[int, int, int, str, str, int, str]]] = {}
    for call in reversed(missed):
        groups.setdefault(next((each for each in done if _takes_off(each, call)), None), []).append(call)
    end = None if None in groups else max((each for each in groups if each is not None), key=lambda each: each.at_ms)
    calls = groups[end]
    last = calls[-1]
    row = (
        number,
        end.state if end else "open",
        len(calls),
        calls[0][1],
        last[1],
        max(call[2] for call in calls),
        last[3],
        last[4],
        int(any(call[5] for call in calls)),
        last[6],
        *((end.at_ms, end.by, end.call_id, end.reason) if end else (None, "", "", "")),
    )
    db.execute(f"INSERT OR REPLACE INTO missed ({_ROW}) VALUES ({', '.join('?' * 14)})", row)


def _done(db: sqlite3.Connection, number: str, since: int) -> list[_Done]:
    """What took calls of this number off, in the order of time."""
    returns = db.execute(
        "SELECT r.ended_ms, r.call, r.how, r.agent, c.id, r.at_ms FROM return_call r JOIN call c ON c.key = r.call"
        " WHERE r.number = ? AND r.call > ?",
        (number, since),
    )
    done = [
        _Done(ended_ms, key, "returned" if how == "out" else "closed", agent, call_id, "")
        for ended_ms, key, how, agent, call_id, _ in returns
    ]
    marks = db.execute("SELECT at_ms, who, reason FROM return_mark WHERE number = ?", (number,))
    done += [_Done(at_ms, 0, "dismissed", who, "", reason) for at_ms, who, reason in marks]
    query = "SELECT returned_ms, returned_by FROM message WHERE number = ? AND returned_ms IS NOT NULL"
    marked = db.execute(query, (number,))
    done += [_Done(at_ms, 0, "returned", who.removeprefix("page:"), "", "") for at_ms, who in marked]
    return sorted(done, key=lambda each: (each.at_ms, each.call))


def _takes_off(done: _Done, call: tuple[int, int, int, str, str, int, str]) -> bool:
    return done.at_ms >= call[1] and (done.call == 0 or done.call > call[0])


def _row(row: Sequence[object]) -> Missed:
    values = list(row)
    values[8] = bool(values[8])
    return Missed(*values)  # type: ignore[arg-type]
