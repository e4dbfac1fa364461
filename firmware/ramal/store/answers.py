"""The answers of callers (``store.surveys`` writes them), for figures and for eyes.

Runs on the thread of its connection. Law: at most ROWS_MAX surveys are read; a period with more says ``cut``. What is
counted how stands in ``core.survey``.
"""

import sqlite3
from typing import NamedTuple

from ramal.core.survey import AGAIN_DAYS, Part, Reply, belongs
from ramal.store.clock import key_at
from ramal.store.listing import CALL, CallRow, call_row

ROWS_MAX = 50_000
# A shorter recording is a click, no sentence.
_SAID = "EXISTS (SELECT 1 FROM recording r WHERE r.id = s.sentence AND r.duration_ms >= 1000)"
_COLUMNS = f"s.call, s.queue, s.agent, s.asked, s.csat, s.nps, s.resolved, {_SAID}"


class Replies(NamedTuple):
    """``skipped``: why callers were not asked (``not-sampled``, ``asked-lately``) → how many."""

    replies: tuple[Reply, ...]
    skipped: dict[str, int]
    cut: bool


class Answer(NamedTuple):
    """One call's survey for eyes. ``sentence``: the recording's id, where there is one with sound."""

    call: CallRow
    at_ms: int
    queue: str
    agent: str
    asked: tuple[str, ...]
    why: str
    csat: int | None
    nps: int | None
    resolved: int | None
    sentence: int | None


def replies(db: sqlite3.Connection, since_ms: int, until_ms: int, queue: str = "", agent: str = "") -> Replies:
    """Who was asked in [since_ms, until_ms), of a queue and an agent ("" = of all)."""
    where, values = _where(since_ms, until_ms, queue, agent)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM survey s WHERE {where} AND s.asked <> '' ORDER BY s.at_ms LIMIT ?",
        (*values, ROWS_MAX + 1),
    ).fetchall()
    skipped = db.execute(f"SELECT s.why, count(*) FROM survey s WHERE {where} AND s.asked = '' GROUP BY s.why", values)
    return Replies(tuple(map(_reply, rows[:ROWS_MAX])), dict(skipped.fetchall()), len(rows) > ROWS_MAX)


def answers_behind(
    db: sqlite3.Connection,
    since_ms: int,
    until_ms: int,
    part: Part,
    limit: int,
    *,
    queue: str = "",
    agent: str = "",
    before: int | None = None,
) -> tuple[tuple[Answer, ...], int, int | None]:
    """A page of the calls behind a figure, newest first; how many there are; and the next page's ``before``."""
    found = replies(db, since_ms, until_ms, queue, agent).replies
    keys = sorted((one.call for one in found if belongs(one, part)), reverse=True)
    page = [key for key in keys if before is None or key < before][: limit + 1]
    shown = page[:limit]
    answers = (answer_of(db, key) for key in shown)
    return tuple(one for one in answers if one), len(keys), shown[-1] if len(page) > limit else None


def answer_of(db: sqlite3.Connection, key: int) -> Answer | None:
    """What was asked in one call; None when there was no question of it."""
    columns = "s.at_ms, s.queue, s.agent, s.asked, s.why, s.csat, s.nps, s.resolved"
    row = db.execute(
        f"SELECT {columns}, CASE WHEN {_SAID} THEN s.sentence END, {CALL}"
        " FROM survey s JOIN call ON call.key = s.call WHERE s.call = ?",
        (key,),
    ).fetchone()
    if row is None:
        return None
    at_ms, who, agent, asked, why, csat, nps, resolved, sentence, *call = row
    values = (csat, nps, resolved, sentence)
    return Answer(call_row(tuple(call)), at_ms, who, agent, tuple(asked.split()), why, *values)


def queue_calls(
    db: sqlite3.Connection, since_ms: int, until_ms: int, queue: str = "", agent: str = ""
) -> list[tuple[str, str, int, bool]]:
    """Calls that came in to a queue, for the proxy of FCR: number, queue, when, whether they were spoken with (by
    ``agent``, "" = anybody); also those up to 7 days after the period, which say who came again."""
    later_ms = until_ms + AGAIN_DAYS * 86_400_000
    rows = db.execute(
        "SELECT caller, queue, started_ms, category = 'answered' AND (? = '' OR agent = ?) FROM call"
        " WHERE key >= ? AND key < ? AND direction = 'in'"
        f" AND queue {'= ?' if queue else '<> ?'} ORDER BY key LIMIT ?",
        (agent, agent, key_at(db, since_ms), key_at(db, later_ms), queue, 4 * ROWS_MAX),
    ).fetchall()
    return [(caller, whose, at_ms, bool(spoken)) for caller, whose, at_ms, spoken in rows]


def _where(since_ms: int, until_ms: int, queue: str, agent: str) -> tuple[str, tuple[object, ...]]:
    where, values = "s.at_ms >= ? AND s.at_ms < ?", [since_ms, until_ms]
    more: list[object] = []
    if queue:
        where, more = f"{where} AND s.queue = ?", [*more, queue]
    if agent:
        where, more = f"{where} AND s.agent = ?", [*more, agent]
    return where, (*values, *more)


def _reply(row: tuple[object, ...]) -> Reply:
    call, queue, agent, asked, csat, nps, resolved, said = row
    return Reply(call, queue, agent, tuple(str(asked).split()), csat, nps, resolved, bool(said))  # type: ignore[arg-type]
