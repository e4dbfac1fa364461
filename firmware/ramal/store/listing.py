"""The call list: one page of calls, filtered and searched, from a database of any size.

Law: a page looks at a bounded number of calls. One condition drives an index that yields calls in the order of the
list; all others are compared call by call, and after LOOKED_AT_MAX calls the page says that it was cut, and where.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ramal.core.history import Category, Direction, HangupBy
from ramal.core.journal import clean
from ramal.store.clock import key_at
from ramal.store.ledger import COLUMNS
from ramal.store.search import digits, looks_like_number, match_query, plain, search_text


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
    disposition: str = ""
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Calls, newest first. ``older``/``newer`` are the cursors of the neighbouring pages (``before=``/``after=``), None
    where there is nothing. ``cut`` = the search looked at its limit of calls and may go on from ``older``."""

    rows: tuple[CallRow, ...]
    older: int | None
    newer: int | None
    cut: bool = False


LOOKED_AT_MAX = 10_000
"""Calls one page looks at before it gives up and says ``cut``; some 100 ms."""
CALL = ", ".join(f"call.{name}" for name in COLUMNS.split(", "))


def calls(
    db: sqlite3.Connection,
    *,
    search: str = "",
    category: Category | None = None,
    direction: Direction | None = None,
    queue: str = "",
    agent: str = "",
    disposition: str = "",
    since_ms: int | None = None,
    until_ms: int | None = None,
    before: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Page:
    """One page of calls, newest first; ``before`` an older page's cursor or ``after`` a newer one's, not both.

    ``search``: a fragment of the caller's or the dialled number as typed (spaces and dashes are ignored), of the
    caller's name (accents and case are ignored), or an agent's or a queue's name. ``queue``: calls that were in it.
    ``disposition``: a code; compared call by call, so it goes best with a queue, an agent or a day.
    ``until_ms`` is exclusive.
    """
    wanted = _Wanted(category, direction, queue, agent, since_ms, until_ms, disposition=disposition)
    newest_first = after is None
    rows: dict[int, CallRow] = {}
    stops: list[int] = []
    for one in _searches(db, wanted, search.strip()):
        found, stopped = _scan(db, one, before, after, limit + 1)
        rows.update((row.key, row) for row in found)
        if stopped is not None:
            stops.append(stopped)
    edge = None
    if stops:  # beyond the place where one of the searches stopped the page would have gaps
        edge = max(stops) if newest_first else min(stops)
    keys = sorted((k for k in rows if edge is None or (k >= edge if newest_first else k <= edge)), reverse=newest_first)
    more = len(keys) > limit
    keys = keys[:limit]
    onward = keys[-1] if more else edge
    cut = edge is not None and not more
    if newest_first:
        back = None if before is None else (keys[0] if keys else before - 1)
        return Page(tuple(rows[key] for key in keys), onward, back, cut)
    back = keys[0] if keys else (after or 0) + 1
    return Page(tuple(rows[key] for key in reversed(keys)), back, onward, cut)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The list's conditions. One of them drives an index in the order of the list, the others are compared."""

    category: Category | None = None
    direction: Direction | None = None
    queue: str = ""
    agent: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    number: str = ""
    words: tuple[str, ...] = ()
    disposition: str = ""

    def fits(self, row: CallRow) -> bool:
        """Does the call meet every condition but the queue, which only its index knows?"""
        found, name = ("", "")
        if self.number or self.words:
            found, name = search_text(row.direction, row.caller, row.number, row.caller_name)
        return (
            (self.category is None or row.category == self.category)
            and (self.direction is None or row.direction == self.direction)
            and (not self.agent or row.agent == self.agent)
            and (not self.disposition or row.disposition == self.disposition)
            and (self.since_ms is None or row.started_ms >= self.since_ms)
            and (self.until_ms is None or row.started_ms < self.until_ms)
            and self.number in found
            and all(word in name for word in self.words)
        )

    def drive(self) -> tuple[str, str, str, list[object]]:
        """(tables, key column, condition, its values) that stream the fewest calls in the order of their keys."""
        fragments = [query for text in (self.number, *self.words) if (query := match_query(text)) is not None]
        if fragments:
            return (
                "caller_search f CROSS JOIN call ON call.key = f.rowid",
                "f.rowid",
                "caller_search MATCH ?",
                [" AND ".join(fragments)],
            )
        if self.queue:
            return "queue_stay s CROSS JOIN call ON call.key = s.call", "s.call", "s.queue = ?", [self.queue]
        if self.agent:
            return "call", "call.key", "call.agent = ? AND call.agent <> ''", [self.agent]
        if self.category is not None and self.category != "answered":
            return "call", "call.key", "call.category = ?", [self.category]
        if self.direction is not None and self.direction != "in":
            return "call", "call.key", "call.direction = ? AND call.direction <> 'in'", [self.direction]
        return "call", "call.key", "1", []


def _searches(db: sqlite3.Connection, wanted: _Wanted, search: str) -> Iterator[_Wanted]:
    """The searches whose results together are what was typed."""
    if not search:
        yield wanted
    elif looks_like_number(search):
        yield replace(wanted, number=digits(search))
    elif words := tuple(plain(clean(search)).split()):
        yield replace(wanted, words=words)
        for kind, key in _named(db, words):
            if kind == "agent" and wanted.agent in ("", key):
                yield replace(wanted, agent=key)
            elif kind == "queue" and wanted.queue in ("", key):
                yield replace(wanted, queue=key)


def _named(db: sqlite3.Connection, words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Agents and queues of the office whose code or name contains every word."""
    found = []
    for kind, key, body in db.execute("SELECT kind, key, body FROM setting WHERE kind IN ('agent', 'queue')"):
        try:
            settings = json.loads(body)
        except ValueError:
            settings = None
        named = settings if isinstance(settings, dict) else {}
        text = plain(f"{key} {named.get('name', '')} {named.get('title', '')}")
        if all(word in text for word in words):
            found.append((str(kind), str(key)))
    return found


def _scan(
    db: sqlite3.Connection, wanted: _Wanted, before: int | None, after: int | None, limit: int
) -> tuple[list[CallRow], int | None]:
    """The first ``limit`` fitting calls in the page's direction, and the key where looking was given up, if it was."""
    tables, key, condition, values = wanted.drive()
    low = max(-1 if after is None else after, -1 if wanted.since_ms is None else key_at(db, wanted.since_ms) - 1)
    high = min(_NO_KEY if before is None else before, _above(db, wanted.until_ms))
    order = "DESC" if after is None else "ASC"
    cursor = db.execute(
        f"SELECT {CALL} FROM {tables} WHERE {condition} AND {key} > ? AND {key} < ? ORDER BY {key} {order}",
        [*values, low, high],
    )
    needs_queue = bool(wanted.queue) and "queue_stay" not in tables
    found: list[CallRow] = []
    for looked, columns in enumerate(cursor, 1):
        row = call_row(columns)
        if wanted.fits(row) and not (needs_queue and not _was_in(db, row.key, wanted.queue)):
            if not found or found[-1].key != row.key:  # a call can have been in a queue twice
                found.append(row)
            if len(found) == limit:
                break
        if looked == LOOKED_AT_MAX:
            cursor.close()
            return found, row.key
    cursor.close()
    return found, None


_NO_KEY = (1 << 63) - 1


def _above(db: sqlite3.Connection, until_ms: int | None) -> int:
    return _NO_KEY if until_ms is None else key_at(db, until_ms + 999)


def _was_in(db: sqlite3.Connection, key: int, queue: str) -> bool:
    return db.execute("SELECT 1 FROM queue_stay WHERE call = ? AND queue = ?", (key, queue)).fetchone() is not None


def call_row(row: Sequence[Any]) -> CallRow:
    """A row of CALL's columns."""
    values: list[Any] = [*row[:18], tuple(row[18].split()), bool(row[19]), *row[20:]]
    return CallRow(*values)
