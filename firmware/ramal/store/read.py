"""Everything that is read from the database, as values; shared by the daemon and the page.

Law: no statement here writes, and none looks at more than a bounded number of rows per page. Every function takes a
connection from ``store.db.open_reader`` (or the writer's own) and may run on any thread that has it for itself.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ramal.core.callback_history import Callback as Callback
from ramal.core.chain import Head as Head
from ramal.core.clock import mended
from ramal.core.history import Category, Direction, Part, Step, call_key
from ramal.core.privacy import Identity as Identity
from ramal.core.timeline import timeline
from ramal.store import callbacks, clock, holds, letters, messages, returns, seals
from ramal.store.agent_days import AgentDay as AgentDay
from ramal.store.agent_days import agents_today as agents_today
from ramal.store.answers import Answer as Answer
from ramal.store.answers import Replies as Replies
from ramal.store.answers import answer_of as answer_of
from ramal.store.answers import answers_behind as answers_behind
from ramal.store.answers import queue_calls as queue_calls
from ramal.store.answers import replies as replies
from ramal.store.backups import Backup as Backup
from ramal.store.backups import BackupPicture as BackupPicture
from ramal.store.backups import backups as backups
from ramal.store.callers import Before as Before
from ramal.store.callers import calls_before as calls_before
from ramal.store.callers import calls_since as calls_since
from ramal.store.callers import last_of_agent as last_of_agent
from ramal.store.callers import outside_today as outside_today
from ramal.store.clock import key_at
from ramal.store.contacts import ContactPage as ContactPage
from ramal.store.contacts import contact as contact
from ramal.store.contacts import every_contact as every_contact
from ramal.store.contacts import found_contacts as found_contacts
from ramal.store.contacts import names_of as names_of
from ramal.store.contacts_csv import decoded as decoded
from ramal.store.contacts_csv import write_contacts as write_contacts
from ramal.store.copies import CopyPicture as CopyPicture
from ramal.store.copies import CopyRun as CopyRun
from ramal.store.copies import copies as copies
from ramal.store.db import DatabaseUnusable as DatabaseUnusable
from ramal.store.db import open_reader as open_reader
from ramal.store.decisions import of_call
from ramal.store.gaps import LongGap as LongGap
from ramal.store.gaps import long_gaps as long_gaps
from ramal.store.holds import Hold as Hold
from ramal.store.kpi import behind as behind
from ramal.store.kpi import offers as offers
from ramal.store.ledger import HOUR_MS, TAKES, journal_of, last_sign, restarts_from
from ramal.store.listing import CALL as CALL
from ramal.store.listing import CallRow as CallRow
from ramal.store.listing import Page as Page
from ramal.store.listing import call_row
from ramal.store.listing import calls as calls
from ramal.store.menus import MenuFigures as MenuFigures
from ramal.store.menus import menus as menus
from ramal.store.messages import MessageRow as MessageRow
from ramal.store.notes import Note as Note
from ramal.store.notes import notes_of as notes_of
from ramal.store.packing import unpack
from ramal.store.privacy import Found as Found
from ramal.store.privacy import SubjectRequest as SubjectRequest
from ramal.store.privacy import audit_about as audit_about
from ramal.store.privacy import audit_of as audit_of
from ramal.store.privacy import id_at as id_at
from ramal.store.privacy import identified as identified
from ramal.store.privacy import party as party
from ramal.store.privacy import people_sought as people_sought
from ramal.store.privacy import person as person
from ramal.store.privacy import rows_about as rows_about
from ramal.store.privacy import said_in as said_in
from ramal.store.privacy import subject_request as subject_request
from ramal.store.privacy import subject_requests as subject_requests
from ramal.store.returns import Missed as Missed
from ramal.store.screens import Screen as Screen
from ramal.store.screens import screen_of as screen_of
from ramal.store.screens import screens as screens
from ramal.store.seals import Check as Check
from ramal.store.settings import SettingsUnreadable as SettingsUnreadable
from ramal.store.settings import load as load
from ramal.store.stock import Look as Look
from ramal.store.stock import look as look
from ramal.store.supervision import AuditPage as AuditPage
from ramal.store.supervision import Listening as Listening
from ramal.store.supervision import Place as Place
from ramal.store.supervision import audit as audit
from ramal.store.supervision import listeners

KEY_SLACK_MS = 5000
"""A call's own begin is its first event; its key is the second its channel was made in, which is a moment earlier."""
_RECORDING = (
    "r.id, r.kind, r.path, r.started_ms, r.duration_ms, r.bytes, r.sha256, r.state, s.peak_db, s.rms_db, s.gone_ms,"
    " s.gone_why FROM recording r LEFT JOIN sound s ON s.recording = r.id"
)
_USER = "name, role, password_hash, must_change, created_ms, epoch, agent"

RecordingState = Literal["writing", "ready", "short", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording; ``path`` is relative to the home. ``sha256`` is hex, "" until the file was finished."""

    id: int
    call_id: str
    kind: Literal["talk", "message", "survey"]
    path: str
    started_ms: int
    duration_ms: int | None
    bytes: int | None
    sha256: str
    state: RecordingState
    peak_db: float = 0.0
    rms_db: float = 0.0
    """dBFS, once it is kept (store.sounds); 0.0 before."""
    gone_ms: int | None = None
    gone_why: str = ""
    """When and why its file was removed."""


@dataclass(frozen=True, slots=True)
class CallDetail:
    """One call with its timeline, its recordings, and who listened to it while it went on."""

    call: CallRow
    steps: tuple[Step, ...]
    recordings: tuple[Recording, ...]
    listeners: tuple[Listening, ...] = ()
    legs: tuple[Part, ...] = ()
    """With whom the caller spoke, when the call was handed on; none for a call with one leg."""
    clock: tuple[str, int] = ("", 0)
    """As ``store.clock.of_call``: unknown, or mended and what the clock showed."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may use the page. ``epoch`` grows when all of this user's sessions must end."""

    name: str
    role: Literal["owner", "supervisor", "agent"]
    password_hash: str
    must_change: bool
    created_ms: int
    epoch: int
    agent: str = ""
    """The code of the office's agent this person is; "" for who takes no calls."""


def call(db: sqlite3.Connection, call_id: str) -> CallDetail | None:
    """One call by its linked id, ``1763779200.12``; None when there is none."""
    key = call_key(call_id)
    row = db.execute(f"SELECT {CALL} FROM call WHERE key = ?", (key,)).fetchone()
    if row is None or row[1] != call_id:
        return None
    (blob,) = db.execute("SELECT lines FROM call_journal WHERE call = ?", (key,)).fetchone()
    journal = journal_of(call_id, unpack(blob))
    query = "SELECT max(min(at_ms), ?) FROM restart WHERE at_ms > ?"
    (restarted_ms,) = db.execute(query, (last_sign(journal), restarts_from(journal))).fetchone()
    journal = replace(journal, restarted_ms=restarted_ms)
    if (tag := db.execute("SELECT epoch FROM clock_call WHERE call = ?", (key,)).fetchone()) is not None:
        journal = mended(journal, clock.spans(db, tag[0]))
    steps = _with_decisions(db, row[0], timeline(journal))
    rows = db.execute(
        f"SELECT {_RECORDING} WHERE r.id BETWEEN ? AND ? ORDER BY r.started_ms, r.id",
        (row[0] * TAKES, row[0] * TAKES + TAKES - 1),
    )
    shown = call_row(row)
    heard_by = listeners(db, {event.channel for event in journal.cel}, shown.started_ms, shown.ended_ms)
    legs = db.execute(
        "SELECT agent, phone, number, from_ms, to_ms, began, ended FROM leg WHERE call = ? ORDER BY n", (row[0],)
    )
    recordings = tuple(_recording(row, call_id) for row in rows)
    parts = tuple(Part(*leg) for leg in legs)
    return CallDetail(shown, steps, recordings, tuple(heard_by), parts, clock.of_call(db, row[0]))


def _with_decisions(db: sqlite3.Connection, key: int, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of the journal and the daemon's decisions, in the order of time."""
    decided = [Step(at_ms, "decision", "", {"code": code, **detail}) for at_ms, code, detail in of_call(db, key)]
    return tuple(sorted((*steps, *decided), key=lambda step: step.at_ms)) if decided else steps


def counts(db: sqlite3.Connection, since_ms: int, until_ms: int, direction: Direction = "in") -> Mapping[Category, int]:
    """Ended calls per category that began in [since_ms, until_ms); categories without calls are left out."""
    total: Counter[Category] = Counter()
    first_hour, last_hour = -(-since_ms // HOUR_MS), until_ms // HOUR_MS
    if first_hour >= last_hour:
        _count_calls(db, total, since_ms, until_ms, direction)
        return dict(total)
    _count_calls(db, total, since_ms, first_hour * HOUR_MS, direction)
    _count_calls(db, total, last_hour * HOUR_MS, until_ms, direction)
    for category, n in db.execute(
        "SELECT category, sum(n) FROM hour_count WHERE hour >= ? AND hour < ? AND direction = ? GROUP BY category",
        (first_hour, last_hour, direction),
    ):
        total[category] += n
    return {category: n for category, n in total.items() if n}


def _count_calls(
    db: sqlite3.Connection, total: Counter[Category], since_ms: int, until_ms: int, direction: Direction
) -> None:
    """The part of a span that is no whole hour, call by call. A key's second can differ from the call's own begin."""
    if since_ms >= until_ms:
        return
    for category, n in db.execute(
        "SELECT category, count(*) FROM call WHERE key >= ? AND key < ? AND started_ms >= ? AND started_ms < ?"
        " AND +direction = ? AND category IS NOT NULL GROUP BY category",
        (key_at(db, since_ms - KEY_SLACK_MS), key_at(db, until_ms + KEY_SLACK_MS), since_ms, until_ms, direction),
    ):
        total[category] += n


def running(db: sqlite3.Connection) -> int:
    """Calls that have not ended."""
    return int(db.execute("SELECT count(*) FROM call WHERE ended_ms IS NULL").fetchone()[0])


def every_hold(db: sqlite3.Connection) -> tuple[Hold, ...]:
    """Legal holds, those in force and the newest first."""
    return holds.every(db)


def holds_of_call(db: sqlite3.Connection, call_key: int, now_ms: int) -> tuple[Hold, ...]:
    """The holds that a call is under now."""
    return holds.of_call(db, call_key, now_ms)


def recording(db: sqlite3.Connection, recording_id: int) -> Recording | None:
    """One recording by its id."""
    row = db.execute(f"SELECT {_RECORDING} WHERE r.id = ?", (recording_id,)).fetchone()
    if row is None:
        return None
    owner = db.execute("SELECT id FROM call WHERE key = ?", (recording_id // TAKES,)).fetchone()
    return _recording(row, owner[0] if owner else "")


def seal(db: sqlite3.Connection) -> tuple[Head | None, Head | None, Check | None]:
    """The head of the recordings' catalogue, that of its last day, and the last verification."""
    return seals.head(db), seals.day_head(db), seals.last_check(db)


def missed_calls(
    db: sqlite3.Connection, state: returns.State | None, before_ms: int | None, limit: int
) -> list[Missed]:
    """A page of the work list; see ``store.returns.listed``."""
    return returns.listed(db, state, before_ms, limit)


def messages_listed(
    db: sqlite3.Connection, boxes: Sequence[str] | None, wanted: messages.Wanted, before_ms: int | None, limit: int
) -> list[MessageRow]:
    """A page of messages; see ``store.messages.listed``."""
    return messages.listed(db, boxes, wanted, before_ms, limit)


def message(db: sqlite3.Connection, id: str) -> MessageRow | None:
    """One message by its id."""
    return messages.get(db, id)


def message_of_recording(db: sqlite3.Connection, recording: int) -> MessageRow | None:
    """The message a recording is."""
    return messages.of_recording(db, recording)


def messages_of_numbers(db: sqlite3.Connection, numbers: Sequence[str], boxes: Sequence[str]) -> list[MessageRow]:
    """Messages of these callers that wait to be returned."""
    return messages.of_numbers(db, numbers, boxes)


def messages_waiting(db: sqlite3.Connection) -> Mapping[str, tuple[int, int]]:
    """Box → (new, to be returned)."""
    return messages.waiting(db)


def letters_of(db: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    """Message → its mails."""
    return letters.listed(db, ids)


def missed_open(db: sqlite3.Connection) -> int:
    """How many callers nobody has spoken with yet."""
    return returns.waiting(db)


def callback_of(db: sqlite3.Connection, call_id: str) -> Callback | None:
    """The callback that was asked for in a call."""
    return callbacks.get(db, call_id)


def pending_callbacks(db: sqlite3.Connection) -> list[Callback]:
    """Callbacks that are not over, the longest waiting first."""
    return callbacks.pending(db)


def user(db: sqlite3.Connection, name: str) -> User | None:
    """A user by name; None when there is none."""
    row = db.execute(f"SELECT {_USER} FROM user WHERE name = ?", (name,)).fetchone()
    return None if row is None else _user(row)


def users(db: sqlite3.Connection) -> tuple[User, ...]:
    """Every user, by name."""
    return tuple(_user(row) for row in db.execute(f"SELECT {_USER} FROM user ORDER BY name"))


def _recording(row: Sequence[Any], call_id: str) -> Recording:
    number, kind, path, started_ms, duration_ms, size, sha256, state, peak_db, rms_db, gone_ms, gone_why = row
    return Recording(
        *(number, call_id, kind, path, started_ms, duration_ms, size, sha256.hex() if sha256 else "", state),
        *(peak_db or 0.0, rms_db or 0.0, gone_ms, gone_why or ""),
    )


def _user(row: Sequence[Any]) -> User:
    name, role, password_hash, must_change, created_ms, epoch, agent = row
    return User(name, role, password_hash, bool(must_change), created_ms, epoch, agent)
