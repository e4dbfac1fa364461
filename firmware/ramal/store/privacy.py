"""A person's rows: what there is of one number, and the requests about it.

Law: what only reads takes a reader's connection of any thread; what changes runs on the writer's thread. Which calls
are a person's is decided in one place, ``party``: the export shows these, and the erasure takes these away.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ramal.core import privacy
from ramal.core.history import call_key
from ramal.core.numbering import office_area
from ramal.core.office import Office
from ramal.core.privacy import Identity, Kind, NoSubject, State, Why
from ramal.store import contacts, settings
from ramal.store.ledger import TAKES, journal_of
from ramal.store.packing import Lines, unpack
from ramal.store.users import audit

_COLUMNS = "id, kind, at_ms, who, state, number, names, token, step, round, told, ended_ms"
NAMES_MAX = 20
LIST_MAX = 200
PORTION = 500


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """One request. ``number`` and ``names`` are empty once an erasure is over; ``told`` is its receipt so far."""

    id: int
    kind: Kind
    at_ms: int
    who: str
    state: State
    number: str
    names: tuple[str, ...]
    token: str
    step: str
    round: int
    told: dict[str, Any]
    ended_ms: int | None

    @property
    def due_ms(self) -> int:
        """Until when it is to be answered."""
        return privacy.due_ms(self.at_ms)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a person, counted. ``open_callbacks``: ids of callbacks that are still promised."""

    number: str
    names: tuple[str, ...]
    calls: int
    first_ms: int | None
    last_ms: int | None
    recordings: int
    messages: int
    notes: int
    callbacks: int
    surveys: int
    contact: bool
    blocked: bool
    open_callbacks: tuple[str, ...] = ()
    running: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """What stays, and why: recordings' ids to a code and a time in ms (None: nobody can say until when)."""

    recordings: dict[int, tuple[Why, int | None]] = field(default_factory=dict)

    def calls(self) -> frozenset[int]:
        """Keys of the calls these belong to."""
        return frozenset(recording // TAKES for recording in self.recordings)


def identified(db: sqlite3.Connection, text: str) -> Identity:
    """Who is meant by a number as typed. NoSubject when it is none."""
    office = settings.load(db) or Office(name="Ramal")
    bare = privacy.identity(text, (), office.country, office_area(office))
    return privacy.identity(bare.number, names_of(db, bare.number), office.country, office_area(office))


def people_sought(db: sqlite3.Connection, text: str, limit: int = 20) -> list[tuple[str, str]]:
    """Numbers and names that ``text`` may mean: a number, or a piece of a contact's or a caller's name."""
    text = text.strip()[:100]
    if privacy.is_number(text):
        who = identified(db, text)
        return [(who.number, next(iter(who.names), ""))]
    if len(text) < 3:
        return []
    found = {row.number: row.name for row in contacts.found_contacts(db, text).rows if row.name}
    like = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    query = (
        "SELECT caller, caller_name FROM call WHERE caller_name LIKE ? ESCAPE '\\' AND caller LIKE '+%'"
        " ORDER BY key DESC LIMIT 500"
    )
    for number, name in db.execute(query, (like,)):
        found.setdefault(number, name)
    return list(found.items())[:limit]


def names_of(db: sqlite3.Connection, number: str) -> tuple[str, ...]:
    """The names this number was seen with: the contact's, and what its telephone said."""
    rows = db.execute("SELECT name FROM contact WHERE number = ? AND name <> ''", (number,)).fetchall()
    rows += db.execute(
        "SELECT DISTINCT caller_name FROM call WHERE direction = 'in' AND caller <> '' AND caller = ?"
        " AND caller_name <> '' LIMIT ?",
        (number, NAMES_MAX),
    ).fetchall()
    names = dict.fromkeys(str(name).strip() for (name,) in rows)
    return tuple(name for name in names if name and name.strip("-") and not privacy.is_number(name))


def party(db: sqlite3.Connection, number: str) -> list[int]:
    """Keys of the calls this number took part in, the earliest first."""
    queries = (
        "SELECT key FROM call WHERE direction = 'in' AND caller <> '' AND caller = ?",
        "SELECT key FROM call WHERE direction = 'out' AND number = ?",
        "SELECT call FROM callback_note WHERE number = ? AND event NOT IN ('served')",
        "SELECT call FROM leg WHERE number = ?",
    )
    return sorted({int(key) for query in queries for (key,) in db.execute(query, (number,))})


def recordings(db: sqlite3.Connection, keys: Sequence[int]) -> list[int]:
    """Ids of these calls' recordings."""
    found: list[int] = []
    for key in keys:
        rows = db.execute(
            "SELECT id FROM recording WHERE id >= ? AND id < ? ORDER BY id", (key * TAKES, (key + 1) * TAKES)
        )
        found += [int(row[0]) for row in rows]
    return found


def person(db: sqlite3.Connection, who: Identity) -> Found:
    """What there is of ``who``."""
    keys = party(db, who.number)
    sounds = recordings(db, keys)
    kinds = [_one(db, "SELECT kind FROM recording WHERE id = ?", one) for one in sounds]
    entry = contacts.contact(db, who.number)
    promised = "SELECT id FROM callback WHERE number = ? AND ended_ms IS NULL"
    return Found(
        who.number,
        who.names,
        len(keys),
        *(_span(db, keys)),
        kinds.count("talk") + kinds.count("survey"),
        kinds.count("message"),
        sum(_count(db, "call_note", key) for key in keys),
        int(_one(db, "SELECT count(*) FROM callback WHERE number = ?", who.number) or 0),
        sum(_count(db, "survey", key) for key in keys),
        entry is not None,
        entry is not None and entry.blocked,
        tuple(str(row[0]) for row in db.execute(promised, (who.number,))),
        any(_one(db, "SELECT ended_ms FROM call WHERE key = ?", key) is None for key in keys),
    )


def settled(db: sqlite3.Connection, keys: Sequence[int], now_ms: int, settle_ms: int) -> bool:
    """Whether all these calls are over for ``settle_ms``, with every recording measured."""
    for key in keys:
        ended_ms = _one(db, "SELECT ended_ms FROM call WHERE key = ?", key)
        if ended_ms is None or now_ms - settle_ms < ended_ms <= now_ms:
            return False
    writing = "SELECT 1 FROM recording WHERE id = ? AND state = 'writing'"
    return all(_one(db, writing, one) is None for one in recordings(db, keys))


def _span(db: sqlite3.Connection, keys: Sequence[int]) -> tuple[int | None, int | None]:
    if not keys:
        return None, None
    query = "SELECT started_ms FROM call WHERE key = ?"
    return _one(db, query, keys[0]), _one(db, query, keys[-1])


def _count(db: sqlite3.Connection, table: str, key: int) -> int:
    return int(_one(db, f"SELECT count(*) FROM {table} WHERE call = ?", key) or 0)


def _one(db: sqlite3.Connection, query: str, *values: object) -> Any:
    row = db.execute(query, values).fetchone()
    return None if row is None else row[0]


# ---- what an export tells beside the calls


def audit_of(db: sqlite3.Connection, call_id: str) -> list[tuple[int, str, str, str]]:
    """Audit lines about one call: who listened to it or, at a phone, to the message left in it, downloaded it, kept it;
    by their time, at most 1,000 of each."""
    query = "SELECT at_ms, who, what, detail FROM audit WHERE detail LIKE ? ORDER BY id LIMIT 1000"
    rows = db.execute(query, (f"%call {call_id}%",)).fetchall()
    lines = [tuple(row) for row in rows if call_id in str(row[3]).replace(",", " ").split()]
    query = (
        "SELECT e.at_ms, coalesce(nullif(e.who, ''), e.phone), 'phone.message', e.box FROM message m"
        " JOIN message_event e ON e.id = m.id WHERE m.call = ? AND e.event = 'heard' AND e.phone <> ''"
        " ORDER BY e.at_ms LIMIT 1000"
    )
    return sorted([*lines, *db.execute(query, (call_key(call_id),))])


def audit_about(db: sqlite3.Connection, who: Identity) -> list[tuple[int, str, str, str]]:
    """Audit lines that speak of the person's number: time, who, what, detail; at most 10,000."""
    query = "SELECT at_ms, who, what, detail FROM audit WHERE detail LIKE ? ORDER BY id LIMIT 10000"
    return [tuple(row) for row in db.execute(query, (f"%{who.number}%",))]


def lines_of(db: sqlite3.Connection, key: int) -> Lines:
    """A call's journal lines."""
    blob = _one(db, "SELECT lines FROM call_journal WHERE call = ?", key)
    return Lines([], []) if blob is None else unpack(blob)


def said_in(db: sqlite3.Connection, key: int) -> list[tuple[int, str, str]]:
    """What the dialplan wrote down in a call: time, name and fields of every event of its own."""
    events = journal_of(id_at(db, key), lines_of(db, key)).cel
    return [(event.at_ms, event.user, event.extra) for event in events if event.user]


def rows_about(db: sqlite3.Connection, key: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of one call in tables that know calls, by table: everything that is kept of it beside its journal."""
    told: dict[str, list[dict[str, Any]]] = {}
    for table, column in call_tables(db):
        cursor = db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (key,))
        names = [each[0] for each in cursor.description]
        if rows := [dict(zip(names, map(_plain, row), strict=True)) for row in cursor]:
            told[table] = rows
    return told


def call_tables(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Tables with a call's key, and its column; without the journal."""
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall():
        names = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        if table == "call":
            yield table, "key"
        elif "call" in names and table != "call_journal" and not table.startswith("caller_search"):
            yield table, "call"


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


# ---- requests


def subject_requests(db: sqlite3.Connection, limit: int = LIST_MAX) -> list[SubjectRequest]:
    """The latest requests, those that are not answered first."""
    query = f"SELECT {_COLUMNS} FROM subject_request ORDER BY ended_ms IS NOT NULL, id DESC LIMIT ?"
    return [_request(row) for row in db.execute(query, (limit,))]


def subject_request(db: sqlite3.Connection, id: int) -> SubjectRequest | None:
    """One request."""
    row = db.execute(f"SELECT {_COLUMNS} FROM subject_request WHERE id = ?", (id,)).fetchone()
    return None if row is None else _request(row)


def unfinished(db: sqlite3.Connection) -> list[SubjectRequest]:
    """Erasures that go on, or wait for what had to stay; the oldest first."""
    query = (
        f"SELECT {_COLUMNS} FROM subject_request WHERE kind = 'erase' AND state IN ('running', 'partly') ORDER BY id"
    )
    return [_request(row) for row in db.execute(query)]


def open_request(db: sqlite3.Connection, at_ms: int, who: str, kind: Kind, person: Identity) -> int:
    """Write down that ``person`` asked for ``kind``; the request's id. The audit holds the id, never the number."""
    if kind == "erase":
        same = db.execute(
            "SELECT id FROM subject_request WHERE number = ? AND kind = 'erase' AND ended_ms IS NULL", (person.number,)
        )
        if (row := same.fetchone()) is not None:
            return int(row[0])
    cursor = db.execute(
        "INSERT INTO subject_request (kind, at_ms, who, state, number, names) VALUES (?, ?, ?, 'open', ?, ?)",
        (kind, at_ms, who, person.number, json.dumps(person.names, ensure_ascii=False)),
    )
    audit(db, at_ms, who, "subject.asked", f"request {cursor.lastrowid}, {kind}")
    return int(cursor.lastrowid or 0)


def answered(db: sqlite3.Connection, at_ms: int, who: str, id: int, what: str) -> None:
    """An export was handed out; an open request for access is answered by it. ``what``: a line for the audit."""
    audit(db, at_ms, who, "subject.exported", f"request {id}, {what}")
    db.execute(
        "UPDATE subject_request SET state = 'done', ended_ms = ? WHERE id = ? AND kind = 'access' AND state = 'open'",
        (at_ms, id),
    )


def close(db: sqlite3.Connection, at_ms: int, who: str, id: int) -> None:
    """A request that is not to be answered (made by mistake, taken back). NoSubject unless it is open."""
    query = (
        "UPDATE subject_request SET state = 'refused', ended_ms = ?, number = '', names = '[]'"
        " WHERE id = ? AND state = 'open'"
    )
    if not db.execute(query, (at_ms, id)).rowcount:
        raise NoSubject("This request is not open (any more). Nothing was changed.")
    audit(db, at_ms, who, "subject.closed", f"request {id}")


def begin(db: sqlite3.Connection, at_ms: int, who: str, id: int, person: Identity, digest: bytes) -> None:
    """Let the erasure of a request begin. NoSubject unless it is open."""
    query = (
        "UPDATE subject_request SET state = 'running', step = ?, token = ?, digest = ?, names = ?"
        " WHERE id = ? AND kind = 'erase' AND state = 'open'"
    )
    names = json.dumps(person.names, ensure_ascii=False)
    if not db.execute(query, (privacy.STEPS[0], privacy.token(person, id), digest, names, id)).rowcount:
        raise NoSubject("This request is not open (any more). Nothing was changed.")
    audit(db, at_ms, who, "subject.erasing", f"request {id}")


def learn(db: sqlite3.Connection, id: int, names: Sequence[str]) -> None:
    """Names that came to light after the request."""
    db.execute("UPDATE subject_request SET names = ? WHERE id = ?", (json.dumps(names, ensure_ascii=False), id))


def resume(db: sqlite3.Connection, id: int) -> None:
    """Let an erasure that had to leave something begin anew."""
    db.execute("UPDATE subject_request SET state = 'running', step = ?, round = 0 WHERE id = ?", (privacy.STEPS[0], id))


def mask_requests(db: sqlite3.Connection, id: int, number: str, token: str) -> int:
    """Take the person out of all other requests; those that are open are answered by the erasure."""
    query = (
        "UPDATE subject_request SET number = ?, names = '[]', state = 'done', ended_ms = coalesce(ended_ms, at_ms)"
        " WHERE number = ? AND id <> ?"
    )
    return db.execute(query, (token, number, id)).rowcount


def move(db: sqlite3.Connection, id: int, step: str, told: dict[str, Any], round: int) -> None:
    """Note how far an erasure is."""
    db.execute(
        "UPDATE subject_request SET step = ?, told = ?, round = ? WHERE id = ?", (step, json.dumps(told), round, id)
    )


def forget(db: sqlite3.Connection, id: int) -> None:
    """Forget even who asked; what is left is the receipt."""
    db.execute("UPDATE subject_request SET number = '', names = '[]', step = 'sweep' WHERE id = ?", (id,))


def end(db: sqlite3.Connection, at_ms: int, id: int, state: State) -> None:
    """An erasure is over (``done``) or waits for what had to stay (``partly``)."""
    ended_ms = at_ms if state == "done" else None
    db.execute("UPDATE subject_request SET state = ?, ended_ms = ? WHERE id = ?", (state, ended_ms, id))
    audit(db, at_ms, "ramal", "subject.erased", f"request {id}, {state}")


def proves(db: sqlite3.Connection, id: int, code: str, number: str) -> bool:
    """Whether a receipt (its code) is about this number."""
    kept = _one(db, "SELECT digest FROM subject_request WHERE id = ?", id)
    return kept is not None and kept == privacy.digest(code, number)


def _request(row: Sequence[Any]) -> SubjectRequest:
    id, kind, at_ms, who, state, number, names, token, step, round, told, ended_ms = row
    return SubjectRequest(
        id, kind, at_ms, who, state, number, tuple(json.loads(names)), token, step, round, json.loads(told), ended_ms
    )


def id_at(db: sqlite3.Connection, key: int) -> str:
    """A call's linked id; "" when there is none."""
    return str(_one(db, "SELECT id FROM call WHERE key = ?", key) or "")


def key_of(call_id: str) -> int:
    """A call's key."""
    return call_key(call_id) or 0
