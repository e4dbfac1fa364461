"""What people wrote about calls: one note of each person a call. Writing is done on the writer's thread."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ramal.core.history import call_key
from ramal.errors import RamalError

NOTE_MAX = 1000
"""Characters of a note."""


class NoNote(RamalError):
    """What cannot be kept as a note."""

    code = "no-note"


@dataclass(frozen=True, slots=True)
class Note:
    """``who``: a user of the page; ``at_ms``: when it was last changed."""

    who: str
    at_ms: int
    text: str


def put(db: sqlite3.Connection, at_ms: int, who: str, call_id: str, text: str) -> None:
    """Keep ``text`` as this person's note on the call ``call_id``; "" takes it away. NoNote when it is too long or
    there can be no such call."""
    key, text = call_key(call_id), clean(text)
    if key is None:
        raise NoNote("There is no such call. Nothing was written down.")
    if len(text) > NOTE_MAX:
        raise NoNote(f"A note has at most {NOTE_MAX} characters. Nothing was changed.")
    db.execute("DELETE FROM call_note WHERE call = ? AND who = ?", (key, who))
    if text:
        db.execute("INSERT INTO call_note (call, who, at_ms, text) VALUES (?, ?, ?, ?)", (key, who, at_ms, text))


def clean(text: str) -> str:
    """``text`` in lines of printable characters, without white space around."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("".join(c if c.isprintable() else " " for c in line).rstrip() for line in lines).strip()


def notes_of(db: sqlite3.Connection, keys: Sequence[int]) -> dict[int, list[Note]]:
    """The notes on these calls (their keys), the oldest first; calls without notes are left out."""
    found: dict[int, list[Note]] = {}
    marks = ", ".join("?" * len(keys))
    query = f"SELECT call, who, at_ms, text FROM call_note WHERE call IN ({marks}) ORDER BY at_ms"
    for key, who, at_ms, text in db.execute(query, list(keys)):
        found.setdefault(key, []).append(Note(who, at_ms, text))
    return found
