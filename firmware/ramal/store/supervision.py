"""What supervisors did, and everything that is kept about who did what: the audit.

Three sources, one list: ``audit`` holds what the page and the daemon were asked for (acknowledged writes; it cannot be
rebuilt), ``supervision`` what the dialplan wrote into the journal (rebuilt with the history), as ``message_event`` has
who heard a message at a phone. An act of the page stands in both: asked for, and done. Readers only; any thread with
its own connection.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from ramal.store.ledger import TAKES

LISTENING = ("listen", "whisper", "barge")
CHANNELS_MAX = 200
LONGEST_MS = 12 * 3_600_000
"""A listening that began longer ago than this before a call's end is not looked for."""
HEARD, ASKED, DONE = 2, 1, 0
EVENTS_MAX = 512
"""More events of messages than this one call cannot tell apart here."""


class Listening(NamedTuple):
    """Somebody who listened to a call. ``call`` is the listener's own call; ``ended_ms`` None while it goes on."""

    at_ms: int
    ended_ms: int | None
    act: str
    by: str
    agent: str
    call: str


class Place(NamedTuple):
    """A row's place in the audit's order, newest first."""

    at_ms: int
    source: int
    id: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit. ``who`` is a page user, an agent's code or ``page:user``; ``what`` a code
    (``recording.played``, ``phone.listen``, ``phone.message``); ``call`` the call it was done in, "" when none."""

    at_ms: int
    who: str
    what: str
    detail: str
    call: str
    place: Place


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page; ``older`` is where the next one begins, None at the end."""

    rows: tuple[Entry, ...]
    older: Place | None


def listeners(
    db: sqlite3.Connection, channels: Collection[str], began_ms: int, ended_ms: int | None
) -> list[Listening]:
    """Who listened to the call with these channels, oldest first.

    Asterisk's channel names begin anew after a restart, so the time counts as well; bounded to ``CHANNELS_MAX`` rows.
    """
    until_ms = began_ms + LONGEST_MS if ended_ms is None else ended_ms
    rows = db.execute(
        "SELECT s.at_ms, c.ended_ms, s.act, s.by, s.agent, c.id, s.channels FROM supervision s"
        " JOIN call c ON c.key = s.call WHERE s.at_ms BETWEEN ? AND ? AND s.channels <> '' ORDER BY s.at_ms LIMIT ?",
        (began_ms, until_ms, CHANNELS_MAX),
    )
    known = set(channels)
    return [Listening(*row[:6]) for row in rows if known.intersection(row[6].split())]


def audit(db: sqlite3.Connection, limit: int, before: Place | None = None) -> AuditPage:
    """One page of everything that was done, newest first."""
    every = (*_asked(db, limit + 1, before), *_done(db, limit + 1, before), *_heard(db, limit + 1, before))
    rows = sorted(every, key=_place, reverse=True)
    older = rows[limit - 1].place if len(rows) > limit else None
    return AuditPage(tuple(rows[:limit]), older)


def _place(entry: Entry) -> Place:
    return entry.place


def _from(before: Place | None, source: int) -> tuple[int, int]:
    """The largest (at_ms, id) of a source that comes after ``before``, exclusive."""
    if before is None:
        return (1 << 62, 0)
    if source == before.source:
        return before.at_ms, before.id
    return (before.at_ms, 1 << 62) if source < before.source else (before.at_ms, -1)


def _asked(db: sqlite3.Connection, limit: int, before: Place | None) -> list[Entry]:
    rows = db.execute(
        "SELECT at_ms, id, who, what, detail FROM audit WHERE at_ms <= ? AND (at_ms, id) < (?, ?)"
        " ORDER BY at_ms DESC, id DESC LIMIT ?",
        (_from(before, ASKED)[0], *_from(before, ASKED), limit),
    )
    return [Entry(at_ms, who, what, detail, "", Place(at_ms, ASKED, id)) for at_ms, id, who, what, detail in rows]


def _done(db: sqlite3.Connection, limit: int, before: Place | None) -> list[Entry]:
    rows = db.execute(
        f"SELECT s.at_ms, s.call * {TAKES} + s.n, s.by, s.act, s.agent, c.id FROM supervision s"
        f" JOIN call c ON c.key = s.call WHERE s.at_ms <= ? AND (s.at_ms, s.call * {TAKES} + s.n) < (?, ?)"
        f" ORDER BY s.at_ms DESC, s.call * {TAKES} + s.n DESC LIMIT ?",
        (_from(before, DONE)[0], *_from(before, DONE), limit),
    )
    return [
        Entry(at_ms, by, f"phone.{act}", agent, call, Place(at_ms, DONE, id))
        for at_ms, id, by, act, agent, call in rows
    ]


def _heard(db: sqlite3.Connection, limit: int, before: Place | None) -> list[Entry]:
    """Messages played at a phone; ``who`` is the phone where nobody was signed in, ``detail`` the box."""
    number = f"e.call * {EVENTS_MAX} + e.n"
    rows = db.execute(
        f"SELECT e.at_ms, {number}, coalesce(nullif(e.who, ''), e.phone), e.box, c.id"
        " FROM message_event e JOIN call c ON c.key = e.call"
        f" WHERE e.event = 'heard' AND e.phone <> '' AND e.at_ms <= ? AND (e.at_ms, {number}) < (?, ?)"
        f" ORDER BY e.at_ms DESC, {number} DESC LIMIT ?",
        (_from(before, HEARD)[0], *_from(before, HEARD), limit),
    )
    return [
        Entry(at_ms, who, "phone.message", box, call, Place(at_ms, HEARD, id)) for at_ms, id, who, box, call in rows
    ]
