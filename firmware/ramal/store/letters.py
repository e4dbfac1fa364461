"""Mails that bring messages to people: one a message and reader, ever; an outbox that survives whatever happens.

Law: not derived: what was sent stays sent, also after a rebuild. A letter is made once its message's sound is measured;
it is delivered at least once (a crash between the server's "taken" and our mark sends it again, with the same
Message-ID). A reader gets what is left in the box from the moment on at which the office first named that reader. On
the writer's thread, but for ``listed`` and ``given_up``.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FIRST_WAIT_MS, LONGEST_WAIT_MS = 10_000, 3_600_000
GIVE_UP_MS = 3 * 86_400_000
OLD_MS = 7 * 86_400_000
"""Messages older than this are not mailed any more, whatever was broken so long."""
KEPT_MS = 400 * 86_400_000
AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be sent: message ``message`` to ``target``."""

    id: int
    message: str
    target: str
    made_ms: int
    tries: int

    @property
    def name(self) -> str:
        """What it is known by everywhere, also after it was sent twice."""
        return f"message-{self.message}-{self.id}"


def readers(db: sqlite3.Connection, now_ms: int, wanted: Iterable[tuple[str, str]]) -> None:
    """Who reads which box by mail now: (box, address)."""
    rows = set(wanted)
    for gone in set(db.execute("SELECT box, target FROM letter_reader").fetchall()) - rows:
        db.execute("DELETE FROM letter_reader WHERE box = ? AND target = ?", gone)
    db.executemany("INSERT OR IGNORE INTO letter_reader VALUES (?, ?, ?)", [(*row, now_ms) for row in sorted(rows)])


def make(db: sqlite3.Connection, now_ms: int) -> int:
    """Make the letters that are due to be made; how many."""
    query = (
        "INSERT OR IGNORE INTO letter (message, target, made_ms, state, tries, next_ms, error)"
        " SELECT m.id, l.target, ?, 'waiting', 0, 0, '' FROM letter_reader l JOIN message m ON m.box = l.box"
        " JOIN recording r ON r.id = m.recording WHERE m.state IN ('new', 'old') AND m.at_ms >= l.since_ms"
        " AND m.at_ms > ? AND r.state <> 'writing' ORDER BY m.at_ms"
    )
    return db.execute(query, (now_ms, now_ms - OLD_MS)).rowcount


def due(db: sqlite3.Connection, now_ms: int) -> list[Letter]:
    """What to send now, the oldest first."""
    rows = db.execute(
        "SELECT id, message, target, made_ms, tries FROM letter WHERE state = 'waiting'"
        " AND (next_ms <= ? OR next_ms > ?) ORDER BY id LIMIT ?",
        (now_ms, now_ms + 2 * LONGEST_WAIT_MS, AT_ONCE),  # a clock that was set back stops nothing
    )
    return [Letter(*row) for row in rows]


def waiting(db: sqlite3.Connection) -> int:
    """How many wait to be taken."""
    return int(db.execute("SELECT count(*) FROM letter WHERE state = 'waiting'").fetchone()[0])


def sent(db: sqlite3.Connection, letter: int, at_ms: int) -> None:
    """It was taken; the server is there, so what only waits for that is due now."""
    db.execute("UPDATE letter SET next_ms = 0, away = 0 WHERE state = 'waiting' AND away")
    query = "UPDATE letter SET state = 'sent', tries = tries + 1, ended_ms = ?, error = ''"
    db.execute(f"{query} WHERE id = ? AND state = 'waiting'", (at_ms, letter))


def failed(db: sqlite3.Connection, letter: Letter, at_ms: int, error: str, away: bool = False) -> bool:
    """It was not taken: it is tried again later; False when it is given up. ``away``: the server was not there."""
    tries = letter.tries + 1
    if at_ms - letter.made_ms >= GIVE_UP_MS:
        query = "UPDATE letter SET state = 'given_up', tries = ?, ended_ms = ?, error = ? WHERE id = ?"
        db.execute(query, (tries, at_ms, error[:300], letter.id))
        return False
    wait_ms = min(LONGEST_WAIT_MS, FIRST_WAIT_MS << min(letter.tries, 20))
    query = "UPDATE letter SET tries = ?, next_ms = ?, error = ?, away = ? WHERE id = ?"
    db.execute(query, (tries, at_ms + wait_ms, error[:300], int(away), letter.id))
    return True


def prune(db: sqlite3.Connection, now_ms: int) -> None:
    """Forget what ended long ago."""
    db.execute("DELETE FROM letter WHERE ended_ms < ?", (now_ms - KEPT_MS,))


def given_up(db: sqlite3.Connection, since_ms: int) -> int:
    """How many were given up since then."""
    query = "SELECT count(*) FROM letter WHERE state = 'given_up' AND ended_ms >= ?"
    return int(db.execute(query, (since_ms,)).fetchone()[0])


def listed(db: sqlite3.Connection, messages: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Message → its letters, for who wants to know whether anybody was told."""
    wanted = sorted(set(messages))
    names = ("target", "state", "tries", "ended_ms", "error")
    query = (
        f"SELECT message, {', '.join(names)} FROM letter WHERE message IN ({', '.join('?' * len(wanted))}) ORDER BY id"
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for message, *row in db.execute(query, wanted):
        found.setdefault(message, []).append(dict(zip(names, row, strict=True)))
    return found
