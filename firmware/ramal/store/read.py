"""Everything that is read from the database, as values; shared by the daemon and the page.

Law: no statement here writes, and none looks at more than a bounded number of rows per page. Every function takes a
connection from ``store.db.open_reader`` (or the writer's own) and may run on any thread that has it for itself.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ramal.core.history import Category, Direction, HangupBy, Step


@dataclass(frozen=True, slots=True)
class CallRow:
    """One line of the call list; fields as in ``core.history.Call``. ``key`` is the page cursor."""

    key: int
    id: str
    direction: Direction
    category: Category | None
    started_ms: int
    ended_ms: int | None
    line: str
    number: str
    caller: str
    caller_name: str
    menu: str
    queue: str
    agent: str
    phone: str
    wait_ms: int | None
    ring_ms: int | None
    talk_ms: int | None
    hangup_by: HangupBy
    missed: tuple[str, ...]
    has_message: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Calls, newest first. ``older``/``newer`` are the cursors of the neighbouring pages (``before=``/``after=``), None
    where there is nothing. ``cut`` = the search looked at its limit of calls and may go on from ``older``."""

    rows: tuple[CallRow, ...]
    older: int | None
    newer: int | None
    cut: bool = False


RecordingState = Literal["writing", "ready", "short", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording; ``path`` is relative to the home. ``sha256`` is hex, "" until the file was finished."""

    id: int
    call_id: str
    kind: Literal["talk", "message"]
    path: str
    started_ms: int
    duration_ms: int | None
    bytes: int | None
    sha256: str
    state: RecordingState


@dataclass(frozen=True, slots=True)
class CallDetail:
    """One call with its timeline and its recordings."""

    call: CallRow
    steps: tuple[Step, ...]
    recordings: tuple[Recording, ...]


@dataclass(frozen=True, slots=True)
class AgentDay:
    """What an agent did since an instant. ``since_ms`` is when the present state (``state``) began."""

    agent: str
    state: Literal["out", "in", "paused"]
    since_ms: int
    reason: str
    answered: int
    missed: int
    talk_ms: int
    logged_in_ms: int
    paused_ms: int


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may use the page. ``epoch`` grows when all of this user's sessions must end."""

    name: str
    role: Literal["owner", "supervisor", "agent"]
    password_hash: str
    must_change: bool
    created_ms: int
    epoch: int


def calls(
    db: sqlite3.Connection,
    *,
    search: str = "",
    category: Category | None = None,
    direction: Direction | None = None,
    queue: str = "",
    agent: str = "",
    since_ms: int | None = None,
    until_ms: int | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Page:
    """One page of calls, newest first; ``before`` an older page's cursor or ``after`` a newer one's, not both.

    ``search``: a fragment of the caller's or the called number as typed (spaces and dashes are ignored), of the
    caller's name (accents and case are ignored), or an agent's or a queue's name. ``until_ms`` is exclusive.
    """
    raise NotImplementedError


def call(db: sqlite3.Connection, call_id: str) -> CallDetail | None:
    """One call by its linked id, ``1763779200.12``; None when there is none."""
    raise NotImplementedError


def counts(db: sqlite3.Connection, since_ms: int, until_ms: int, direction: Direction = "in") -> Mapping[Category, int]:
    """Ended calls per category that began in [since_ms, until_ms); categories without calls are left out."""
    raise NotImplementedError


def running(db: sqlite3.Connection) -> int:
    """Calls that have not ended."""
    raise NotImplementedError


def agents_today(db: sqlite3.Connection, since_ms: int, now_ms: int) -> tuple[AgentDay, ...]:
    """Every agent that logged in, was logged in or rang since ``since_ms``, by code."""
    raise NotImplementedError


def recording(db: sqlite3.Connection, recording_id: int) -> Recording | None:
    """One recording by its id."""
    raise NotImplementedError


def user(db: sqlite3.Connection, name: str) -> User | None:
    """A user by name; None when there is none."""
    raise NotImplementedError


def users(db: sqlite3.Connection) -> tuple[User, ...]:
    """Every user, by name."""
    raise NotImplementedError
