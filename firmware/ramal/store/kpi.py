"""The rows behind a queue's figures, and the calls behind each of them.

Runs on the thread of its connection. Law: at most ROWS_MAX stays are read; a period with more says ``cut``, so that
nobody takes a part for the whole. What is counted how stands in ``core.kpi``.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from ramal.core.kpi import SHORT_MS, Fate, Offer, Part, belongs
from ramal.store.clock import key_at
from ramal.store.listing import CALL, CallRow, call_row

ROWS_MAX = 50_000
"""Stays of one period that are looked at; some 150 ms."""
BEFORE_JOINING_MS = 3_600_000
"""The longest that a caller is in greetings and menus before the first queue."""
_STAY = "call, queue, joined_ms, left_ms, outcome"


class Offers(NamedTuple):
    """``cut``: there were more than ROWS_MAX stays, and these are the first of the period."""

    offers: tuple[Offer, ...]
    cut: bool


def offers(db: sqlite3.Connection, queue: str, since_ms: int, until_ms: int, now_ms: int) -> Offers:
    """The calls of a queue ("" = of all, each call once) that joined their first queue in [since_ms, until_ms)."""
    keys = (key_at(db, since_ms - BEFORE_JOINING_MS), key_at(db, until_ms + 999))
    if queue:
        own = "SELECT call FROM queue_stay WHERE queue = ? AND call >= ? AND call < ?"
        query, values = f"SELECT {_STAY} FROM queue_stay WHERE call IN ({own})", [queue, *keys]
    else:
        query, values = f"SELECT {_STAY} FROM queue_stay WHERE call >= ? AND call < ?", list(keys)
    rows = db.execute(f"{query} ORDER BY call, n LIMIT ?", [*values, ROWS_MAX + 1]).fetchall()
    cut = len(rows) > ROWS_MAX
    found = _offers(rows[:ROWS_MAX], queue, since_ms, until_ms, now_ms)
    return Offers(tuple(found), cut)


def _offers(rows: list[tuple[Any, ...]], queue: str, since_ms: int, until_ms: int, now_ms: int) -> Iterator[Offer]:
    for call, group in groupby(rows, key=lambda row: row[0]):
        stays = list(group)
        first_ms = min(row[2] for row in stays)
        if not since_ms <= first_ms < until_ms:
            continue
        answers = [row for row in stays if row[4] == "answered"]
        spoken_ms = max(0, min(row[3] for row in answers) - first_ms) if answers else None
        here = [row for row in stays if row[1] == queue] if queue else stays
        answered = [row for row in here if row[4] == "answered"]
        _, _, _, left_ms, outcome = (answered or here)[0 if answered else -1]
        fate: Fate = outcome
        wait_ms = max(0, (now_ms if left_ms is None else left_ms) - first_ms)
        yield Offer(fate, wait_ms, spoken_ms, call)


def behind(
    db: sqlite3.Connection,
    queue: str,
    since_ms: int,
    until_ms: int,
    now_ms: int,
    part: Part,
    within_ms: int,
    limit: int,
    before: int | None = None,
    short_ms: int = SHORT_MS,
) -> tuple[tuple[CallRow, ...], int, int | None]:
    """A page of the calls behind a figure, newest first; how many there are; and the next page's ``before``."""
    found = offers(db, queue, since_ms, until_ms, now_ms).offers
    keys = sorted((one.call for one in found if belongs(one, part, within_ms, short_ms)), reverse=True)
    page = [key for key in keys if before is None or key < before][: limit + 1]
    shown = page[:limit]
    rows = {
        row[0]: row
        for row in db.execute(f"SELECT {CALL} FROM call WHERE key IN ({', '.join('?' * len(shown))})", shown)
    }
    calls = tuple(call_row(rows[key]) for key in shown if key in rows)
    return calls, len(keys), shown[-1] if len(page) > limit else None
