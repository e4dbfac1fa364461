"""Spans of recordings in which nothing may be heard, because nothing was written: card-safe (``core.recording``).

Derived from the journals. Functions run on the thread of the connection they are given.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from ramal.core.gap import Gap
from ramal.core.history import Call
from ramal.core.recording import LONG_GAP_MS, heard

TAKES = 16
"""As ``store.ledger``, which imports this."""


@dataclass(frozen=True, slots=True)
class LongGap:
    """A gap that is worth a look: in which call, how long, whose, and how it ended."""

    call: str
    began_ms: int
    length_ms: int
    agent: str
    phone: str
    why: str


def of(db: sqlite3.Connection, recording: int) -> tuple[tuple[int, int], ...]:
    """The gaps of a finished recording: (from_ms, to_ms) from its start, in order."""
    return heard(written(db, recording))


def written(db: sqlite3.Connection, recording: int) -> tuple[Gap, ...]:
    """Where the gaps lie in what Asterisk wrote, in order."""
    rows = db.execute(
        "SELECT at_ms, length_ms, began_ms, phone, agent, why FROM recording_gap WHERE recording = ? ORDER BY n",
        (recording,),
    )
    return tuple(Gap(*row) for row in rows)


def channels(db: sqlite3.Connection, recording: int) -> int:
    """How many channels the sound has, where Asterisk wrote no header."""
    row = db.execute("SELECT sides FROM recording_sides WHERE recording = ?", (recording,)).fetchone()
    return 2 if row is not None and row[0] == "stereo" else 1


def long_gaps(db: sqlite3.Connection, since_ms: int, limit: int = 100) -> tuple[LongGap, ...]:
    """Gaps longer than three minutes that began since then, the latest first."""
    rows = db.execute(
        "SELECT c.id, g.began_ms, g.length_ms, g.agent, g.phone, g.why FROM recording_gap g"
        f" JOIN call c ON c.key = g.recording / {TAKES}"
        f" WHERE g.length_ms > {LONG_GAP_MS} AND g.began_ms >= ? ORDER BY g.began_ms DESC LIMIT ?",
        (since_ms, limit),
    )
    return tuple(LongGap(*row) for row in rows)


def write(db: sqlite3.Connection, calls: Iterable[tuple[int, bool, Call]]) -> None:
    """What calls have now: (key, whether it was known, the call)."""
    for key, known, call in calls:
        if known:
            span = (key * TAKES, (key + 1) * TAKES)
            db.execute("DELETE FROM recording_gap WHERE recording >= ? AND recording < ?", span)
            db.execute("DELETE FROM recording_sides WHERE recording >= ? AND recording < ?", span)
        for n, take in enumerate(call.takes[:TAKES]):
            if take.sides in ("mono", "stereo"):
                db.execute("INSERT INTO recording_sides VALUES (?, ?)", (key * TAKES + n, take.sides))
            for place, gap in enumerate(take.gaps):
                row = (gap.at_ms, gap.length_ms, gap.began_ms, gap.phone, gap.agent, gap.why)
                db.execute("INSERT INTO recording_gap VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (key * TAKES + n, place, *row))
