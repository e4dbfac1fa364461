"""Alarms that are raised, and what is to be told about them: an outbox that survives whatever happens.

Law: an alarm's change and its notices are one transaction, so that a notice is made exactly once. It is delivered at
least once: a crash between the other side's "taken" and our mark sends it again, with the same id (Message-ID,
X-Ramal-Id), by which a reader knows it. ``keep`` to ``prune`` run on the writer's thread, the rest on any.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ramal.core.alarm import Known

Way = Literal["mail", "webhook"]
FIRST_WAIT_MS = 10_000
LONGEST_WAIT_MS = 3_600_000
GIVE_UP_MS = 24 * 3_600_000
KEPT_MS = 30 * 24 * 3_600_000
WAITING_MAX = 500
"""Notices that may wait; who cannot be reached for a day needs no thousand mails then."""
_ROW = "id, made_ms, alarm, way, target, body, tries"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told: ``body`` are the facts, ``target`` a mail address or a web address."""

    id: int
    made_ms: int
    alarm: str
    way: Way
    target: str
    body: Mapping[str, Any]
    tries: int

    @property
    def name(self) -> str:
        """What it is known by everywhere, also after it was sent twice."""
        return f"{self.made_ms}-{self.id}"


def known(db: sqlite3.Connection) -> dict[str, Known]:
    """Every alarm that is or was raised."""
    rows = db.execute("SELECT name, raised_ms, told, told_ms FROM alarm_state")
    return {name: Known(raised_ms, bool(told), told_ms) for name, raised_ms, told, told_ms in rows}


def keep(db: sqlite3.Connection, name: str, one: Known | None) -> None:
    """How an alarm stands; None = there is no such alarm any more."""
    if one is None or not (one.raised_ms or one.told_ms):
        db.execute("DELETE FROM alarm_state WHERE name = ?", (name,))
    else:
        values = (name, one.raised_ms, int(one.told), one.told_ms)
        db.execute("INSERT OR REPLACE INTO alarm_state (name, raised_ms, told, told_ms) VALUES (?, ?, ?, ?)", values)


def add(
    db: sqlite3.Connection, at_ms: int, alarm: str, ways: Iterable[tuple[Way, str]], body: Mapping[str, Any]
) -> int:
    """Have ``body`` told; how many notices were made."""
    text = json.dumps(dict(body), ensure_ascii=False, separators=(",", ":"))
    rows = [(at_ms, alarm, way, target, text, at_ms) for way, target in ways][: max(0, WAITING_MAX - waiting(db))]
    db.executemany(
        "INSERT INTO notice (made_ms, alarm, way, target, body, state, tries, next_ms, error)"
        " VALUES (?, ?, ?, ?, ?, 'waiting', 0, ?, '')",
        rows,
    )
    return len(rows)


def due(db: sqlite3.Connection, now_ms: int) -> list[Notice]:
    """What to send now: of each target the oldest that waits, so that an end never arrives before its beginning."""
    rows = db.execute(
        f"SELECT {_ROW} FROM notice WHERE id IN (SELECT min(id) FROM notice WHERE state = 'waiting'"
        " GROUP BY way, target) AND (next_ms <= ? OR next_ms > ?) ORDER BY id",
        (now_ms, now_ms + 2 * LONGEST_WAIT_MS),  # a clock that was set back stops nothing
    )
    return [
        Notice(id, made_ms, alarm, way, target, json.loads(body), tries)
        for id, made_ms, alarm, way, target, body, tries in rows
    ]


def waiting(db: sqlite3.Connection) -> int:
    """How many wait to be taken."""
    return int(db.execute("SELECT count(*) FROM notice WHERE state = 'waiting'").fetchone()[0])


def sent(db: sqlite3.Connection, notice: int, at_ms: int) -> None:
    """It was taken."""
    db.execute(
        "UPDATE notice SET state = 'sent', tries = tries + 1, ended_ms = ?, error = ''"
        " WHERE id = ? AND state = 'waiting'",
        (at_ms, notice),
    )


def failed(db: sqlite3.Connection, notice: Notice, at_ms: int, error: str) -> bool:
    """It was not taken: when it is tried again; False when it is given up."""
    tries = notice.tries + 1
    if at_ms - notice.made_ms >= GIVE_UP_MS:
        query = "UPDATE notice SET state = 'given_up', tries = ?, ended_ms = ?, error = ? WHERE id = ?"
        db.execute(query, (tries, at_ms, error[:300], notice.id))
        return False
    query = "UPDATE notice SET tries = ?, next_ms = ?, error = ? WHERE id = ?"
    db.execute(query, (tries, at_ms + wait_ms(tries), error[:300], notice.id))
    return True


def wait_ms(tries: int) -> int:
    """How long to wait after so many tries: 10 s, twice as long each time, an hour at most."""
    return min(LONGEST_WAIT_MS, FIRST_WAIT_MS << min(tries - 1, 20))


def prune(db: sqlite3.Connection, now_ms: int) -> None:
    """Forget what ended long ago."""
    db.execute("DELETE FROM notice WHERE ended_ms < ?", (now_ms - KEPT_MS,))


def listed(db: sqlite3.Connection, limit: int = 50) -> list[dict[str, Any]]:
    """The newest notices, for who wants to know whether anybody was told."""
    names = ("made_ms", "alarm", "way", "target", "state", "tries", "next_ms", "ended_ms", "error")
    rows = db.execute(f"SELECT {', '.join(names)} FROM notice ORDER BY id DESC LIMIT ?", (limit,))
    return [dict(zip(names, row, strict=True)) for row in rows]
