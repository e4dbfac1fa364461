"""Messages as rows: what every call's journal says about them, what became of each, and what people wrote beside them.

Law: ``message_event`` and ``message`` are derived from calls' journals like their other rows, so writing a call twice
changes nothing and a rebuild gives the same. ``message_remark`` is what a person wrote: durable. A message counts as
returned by a person's word, or because somebody spoke with its caller afterwards (``store.returns``): that is asked
when it is read, never written. ``write`` and ``remark`` run on the writer's thread, the rest on their connection's.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ramal.core.history import Call, MessageNote
from ramal.core.messages import MessageState, state_of
from ramal.errors import RamalError

TAKES = 16
"""As in ``store.ledger``, which imports this."""
LIST_MAX = 200
REMARK_MAX = 500
DAY_MS = 86_400_000
KEPT_DELETED_MS = 7 * DAY_MS
"""So long the sound of a deleted message stays, and the page can bring it back."""
_NOTE = "at_ms, id, event, box, file, sound_ms, number, who, phone"
Wanted = Literal["open", "returned", "deleted", "all"]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message on a list. ``call`` is the linked id of the call it was left in; ``recording`` 0 when there is none;
    ``sound``: its file can be played. ``state`` as ``core.messages.Message``. ``closed``: how it was returned:
    ``person`` (``closed_by`` marked it), ``out`` (``closed_by`` called back), ``in`` (they called again, and spoke with
    ``closed_by``), ``dismissed``; "" while it is open."""

    id: str
    call: str
    recording: int
    box: str
    number: str
    name: str
    at_ms: int
    sound_ms: int
    sound: bool
    state: MessageState
    heard_ms: int | None
    heard_by: str
    closed: str
    closed_ms: int | None
    closed_by: str
    deleted_ms: int | None
    deleted_by: str
    remark: str
    remark_by: str


def write(db: sqlite3.Connection, calls: Iterable[tuple[int, bool, Call]]) -> set[str]:
    """Keep what these calls (key, known before, call) say; the numbers whose messages changed."""
    told = list(calls)
    touched: set[str] = set()
    for key, known, _ in told:
        if known:
            touched.update(row[0] for row in db.execute("SELECT id FROM message_event WHERE call = ?", (key,)))
    db.executemany("DELETE FROM message_event WHERE call = ?", [(key,) for key, known, _ in told if known])
    rows = [(key, n, *_values(note)) for key, _, call in told for n, note in enumerate(call.messages)]
    db.executemany(f"INSERT INTO message_event (call, n, {_NOTE}) VALUES ({', '.join('?' * 11)})", rows)
    touched.update(str(row[3]) for row in rows)
    takes = {
        take.path.removesuffix(".wav"): key * TAKES + n
        for key, _, call in told
        for n, take in enumerate(call.takes[:TAKES])
        if take.kind == "message"
    }
    numbers = {number for id in sorted(touched) for number in _settle(db, id, takes)}
    return numbers - {""}


def listed(
    db: sqlite3.Connection,
    boxes: Sequence[str] | None,
    wanted: Wanted = "open",
    before_ms: int | None = None,
    limit: int = 50,
) -> list[MessageRow]:
    """A page of messages of these boxes (None: of all), the latest first; ``before_ms``: the last row's ``at_ms``.
    Failed ones are never listed, deleted ones only when wanted."""
    where, values = ["m.at_ms < ?"], [before_ms if before_ms is not None else 1 << 62]
    where.append(
        {
            "open": f"m.state IN ('begun', 'new', 'old') AND NOT ({_IS_CLOSED})",
            "returned": f"m.state IN ('begun', 'new', 'old') AND ({_IS_CLOSED})",
            "deleted": "m.state = 'deleted'",
            "all": "m.state IN ('begun', 'new', 'old')",
        }[wanted]
    )
    if boxes is not None:
        where.append(f"m.box IN ({', '.join('?' * len(boxes))})")
    query = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY m.at_ms DESC LIMIT ?"
    return [_row(row) for row in db.execute(query, (*values, *(boxes or ()), min(limit, LIST_MAX)))]


def get(db: sqlite3.Connection, id: str) -> MessageRow | None:
    """One message, whatever became of it."""
    row = db.execute(f"{_SELECT} WHERE m.id = ?", (id,)).fetchone()
    return None if row is None else _row(row)


def of_numbers(db: sqlite3.Connection, numbers: Iterable[str], boxes: Sequence[str] | None) -> list[MessageRow]:
    """Messages of these callers that wait to be returned, the latest first; at most LIST_MAX."""
    wanted = sorted(set(numbers))
    if not wanted:
        return []
    where = (
        f"m.number IN ({', '.join('?' * len(wanted))}) AND m.state IN ('begun', 'new', 'old') AND NOT ({_IS_CLOSED})"
    )
    more = "" if boxes is None else f" AND m.box IN ({', '.join('?' * len(boxes))})"
    query = f"{_SELECT} WHERE {where}{more} ORDER BY m.at_ms DESC LIMIT ?"
    return [_row(row) for row in db.execute(query, (*wanted, *(boxes or ()), LIST_MAX))]


def of_recording(db: sqlite3.Connection, recording: int) -> MessageRow | None:
    """The message a recording is."""
    row = db.execute(f"{_SELECT} WHERE m.recording = ?", (recording,)).fetchone()
    return None if row is None else _row(row)


def waiting(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Box → how many are new, how many wait to be returned; boxes without either are left out."""
    rows = db.execute(
        f"SELECT m.box, sum(m.state = 'new'), sum(NOT ({_IS_CLOSED})) FROM message m"
        " WHERE m.state IN ('begun', 'new', 'old') GROUP BY m.box"
    )
    return {str(box): (int(new), int(left)) for box, new, left in rows if new or left}


def remark(db: sqlite3.Connection, at_ms: int, who: str, id: str, text: str) -> None:
    """Keep what a person wrote beside a message; "" takes it away. RamalError when there is no such message."""
    if db.execute("SELECT 1 FROM message WHERE id = ?", (id,)).fetchone() is None:
        raise RamalError("There is no such message. Nothing was written down.")
    if not text.strip():
        db.execute("DELETE FROM message_remark WHERE id = ?", (id,))
        return
    values = (id, who, at_ms, text.strip()[:REMARK_MAX])
    db.execute("INSERT OR REPLACE INTO message_remark (id, who, at_ms, text) VALUES (?, ?, ?, ?)", values)


# ---- what the daemon looks after


@dataclass(frozen=True, slots=True)
class Held:
    """A message as a box should hold it: ``record`` is the value of its switch (dialplan/message.conf)."""

    id: str
    box: str
    state: MessageState
    at_ms: int
    record: str


def held(db: sqlite3.Connection) -> list[Held]:
    """What the boxes should hold, by the history."""
    query = "SELECT id, box, state, at_ms, sound_ms, number, file FROM message WHERE state IN ('new', 'old')"
    return [
        Held(id, box, state, at_ms, f"{at_ms // 1000}|{sound_ms}|{number}|{file}")
        for id, box, state, at_ms, sound_ms, number, file in db.execute(query)
    ]


def cut_off(db: sqlite3.Connection, since_ms: int, least_ms: int) -> list[Held]:
    """Messages whose call ended without a word about them, although there is sound: a crash came between."""
    query = (
        "SELECT m.id, m.box, m.at_ms, r.duration_ms, m.number, m.file FROM message m JOIN call c ON c.key = m.call"
        " JOIN recording r ON r.id = m.recording WHERE m.state = 'begun' AND m.at_ms >= ? AND c.ended_ms IS NOT NULL"
        " AND r.state IN ('ready', 'short') AND r.duration_ms >= ?"
    )
    return [
        Held(id, box, "begun", at_ms, f"{at_ms // 1000}|{sound_ms}|{number}|{file}")
        for id, box, at_ms, sound_ms, number, file in db.execute(query, (since_ms, least_ms))
    ]


def without_sound(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """(id, box) of messages in boxes whose file was removed: by its term, or because a person was erased."""
    query = (
        "SELECT m.id, m.box FROM message m JOIN sound s ON s.recording = m.recording"
        " WHERE m.state IN ('new', 'old') AND s.gone_ms IS NOT NULL"
    )
    return [(id, box) for id, box in db.execute(query)]


def to_remove(db: sqlite3.Connection, now_ms: int, limit: int = 20) -> list[tuple[int, int]]:
    """(recording, call's key) of deleted messages whose sound may go now."""
    query = (
        "SELECT m.recording, m.call FROM message m JOIN recording r ON r.id = m.recording"
        " LEFT JOIN sound s ON s.recording = m.recording WHERE m.state = 'deleted' AND m.deleted_ms <= ?"
        " AND r.state <> 'missing' AND s.gone_ms IS NULL ORDER BY m.deleted_ms LIMIT ?"
    )
    return [(recording, call) for recording, call in db.execute(query, (now_ms - KEPT_DELETED_MS, limit))]


# ---- inside the transaction of a step

_CALLED = "FROM return_call rc WHERE rc.number = m.number AND rc.call > m.call AND rc.ended_ms >= m.at_ms"
_DISMISSED = "FROM return_mark rm WHERE rm.number = m.number AND rm.at_ms >= m.at_ms"
_IS_CLOSED = (
    f"m.returned_ms IS NOT NULL OR (m.number <> '' AND (EXISTS (SELECT 1 {_CALLED}) OR EXISTS (SELECT 1 {_DISMISSED})))"
)
_SELECT = (
    "SELECT m.id, coalesce(c.id, ''), coalesce(m.recording, 0), m.box, m.number,"
    " coalesce((SELECT name FROM contact WHERE contact.number = m.number), ''), m.at_ms,"
    " coalesce(nullif(m.sound_ms, 0), r.duration_ms, 0),"
    " r.state IN ('ready', 'short') AND s.gone_ms IS NULL, m.state, m.heard_ms, m.heard_by,"
    f" m.returned_ms, m.returned_by, (SELECT rc.how || '|' || rc.ended_ms || '|' || rc.agent {_CALLED}"
    f" ORDER BY rc.call LIMIT 1), (SELECT rm.at_ms || '|' || rm.who {_DISMISSED} ORDER BY rm.at_ms LIMIT 1),"
    " m.deleted_ms, m.deleted_by, coalesce(k.text, ''), coalesce(k.who, '')"
    " FROM message m LEFT JOIN call c ON c.key = m.call LEFT JOIN recording r ON r.id = m.recording"
    " LEFT JOIN sound s ON s.recording = m.recording LEFT JOIN message_remark k ON k.id = m.id"
)


def _row(row: Sequence[object]) -> MessageRow:
    first, (returned_ms, returned_by, called, dismissed), last = row[:12], row[12:16], row[16:]
    closed: tuple[str, int | None, str] = ("", None, "")
    if returned_ms is not None:
        closed = ("person", int(str(returned_ms)), str(returned_by))
    elif called and row[4]:
        how, at_ms, agent = str(called).split("|", 2)
        closed = (how, int(at_ms), agent)
    elif dismissed and row[4]:
        at_ms, _, who = str(dismissed).partition("|")
        closed = ("dismissed", int(at_ms), who)
    values = [*first, *closed, *last]
    values[8] = bool(values[8])
    return MessageRow(*values)  # type: ignore[arg-type]


def _values(note: MessageNote) -> tuple[object, ...]:
    return (
        note.at_ms,
        note.id,
        note.event,
        note.box,
        note.file,
        note.sound_ms,
        note.number,
        note.who,
        note.phone,
    )


def _settle(db: sqlite3.Connection, id: str, takes: dict[str, int]) -> tuple[str, str]:
    """Write a message's row anew from all its notes; its number before and now."""
    before = db.execute("SELECT number FROM message WHERE id = ?", (id,)).fetchone()
    was = "" if before is None else str(before[0])
    rows = db.execute(f"SELECT call, {_NOTE} FROM message_event WHERE id = ?", (id,)).fetchall()
    message = state_of(MessageNote(*row[1:]) for row in rows)
    if message is None:
        db.execute("DELETE FROM message WHERE id = ?", (id,))
        return was, ""
    call = next((row[0] for row in rows if row[3] in ("begun", "kept", "failed")), rows[0][0])
    number = message.number
    if not number:
        known = db.execute("SELECT caller FROM call WHERE key = ?", (call,)).fetchone()
        number = str(known[0]) if known and str(known[0]).removeprefix("+").isdigit() else ""
    recording = takes.get(message.file)
    if recording is None:
        path = f"recordings/{message.file}.wav"
        span = (call * TAKES, (call + 1) * TAKES, path)
        found = db.execute("SELECT id FROM recording WHERE id >= ? AND id < ? AND path = ?", span).fetchone()
        recording = None if found is None else int(found[0])
    values = (
        *(
            message.id,
            call,
            recording,
            message.box,
            message.at_ms,
            message.state,
            message.file,
            message.sound_ms,
            number,
        ),
        *(message.heard_ms, message.heard_by, message.returned_ms, message.returned_by),
        *(message.deleted_ms, message.deleted_by),
    )
    db.execute(f"INSERT OR REPLACE INTO message VALUES ({', '.join('?' * 15)})", values)
    return was, number
