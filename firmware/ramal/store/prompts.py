"""Who chose which sound for a sentence, and the music people brought. Writing on the writer's thread only.

Law: the files in the home are what is heard (asterisk.own_sounds); these rows say who and when, and what undoing goes
back to. They are not derived from the journals, so ``ramal rebuild`` leaves them alone.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

How = Literal["phone", "upload", "machine", "again", "found"]
NOTE_MAX = 120
"""Characters kept of an uploaded file's name."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice: ``version`` "" is the machine's voice; ``note`` the name of an uploaded file, or the phone."""

    path: str
    at_ms: int
    who: str
    how: str
    version: str
    note: str = ""


def chosen(connection: sqlite3.Connection, choice: Choice) -> None:
    """Keep a choice."""
    connection.execute(
        "INSERT INTO prompt_choice (path, at_ms, who, how, version, note) VALUES (?, ?, ?, ?, ?, ?)",
        (choice.path, choice.at_ms, choice.who, choice.how, choice.version, choice.note[:NOTE_MAX]),
    )


def undo(connection: sqlite3.Connection, path: str, there: Iterable[str]) -> str | None:
    """Take the last choice of a sentence back; the version to go back to ("" = the machine), None when there is
    nothing to undo. ``there``: the versions whose files still are."""
    rows = connection.execute(_STANDING, (path,)).fetchall()
    if not rows:
        return None
    known = {"", *there}
    back = next((row[5] for row in rows[1:] if row[5] in known), "")
    passed = 1 + next((place for place, row in enumerate(rows[1:]) if row[5] in known), len(rows) - 1)
    connection.executemany("UPDATE prompt_choice SET undone = 1 WHERE id = ?", [(row[0],) for row in rows[:passed]])
    return str(back)


def standing(connection: sqlite3.Connection, path: str) -> list[Choice]:
    """The choices of one sentence that were not taken back, the last first."""
    return [Choice(*row[1:]) for row in connection.execute(_STANDING, (path,))]


def last(connection: sqlite3.Connection) -> dict[str, Choice]:
    """The last choice of every sentence that has one."""
    rows = connection.execute(
        "SELECT path, at_ms, who, how, version, note FROM prompt_choice WHERE undone = 0 ORDER BY at_ms, id"
    )
    return {row[0]: Choice(*row) for row in rows}


def known(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Every (path, version) that was ever chosen."""
    return {(row[0], row[1]) for row in connection.execute("SELECT DISTINCT path, version FROM prompt_choice")}


def makers(connection: sqlite3.Connection, path: str) -> dict[str, Choice]:
    """The choice that brought each version of a sentence, also when it was taken back."""
    rows = connection.execute(
        "SELECT path, at_ms, who, how, version, note FROM prompt_choice WHERE path = ? AND version <> ''"
        " ORDER BY at_ms DESC, id DESC",
        (path,),
    )
    return {row[4]: Choice(*row) for row in rows}


@dataclass(frozen=True, slots=True)
class MusicFile:
    """One sound of a class of music on hold; ``file`` its name below the class's folder."""

    music: str
    file: str
    at_ms: int
    who: str
    title: str
    duration_ms: int


def add_music(connection: sqlite3.Connection, one: MusicFile) -> None:
    """Keep whose file it is."""
    connection.execute(
        "INSERT OR REPLACE INTO music_file (class, file, at_ms, who, title, duration_ms) VALUES (?, ?, ?, ?, ?, ?)",
        (one.music, one.file, one.at_ms, one.who, one.title[:NOTE_MAX], one.duration_ms),
    )


def remove_music(connection: sqlite3.Connection, music: str, file: str) -> None:
    """Forget a file."""
    connection.execute("DELETE FROM music_file WHERE class = ? AND file = ?", (music, file))


def music(connection: sqlite3.Connection) -> dict[tuple[str, str], MusicFile]:
    """Everything known, by class and file."""
    rows = connection.execute("SELECT class, file, at_ms, who, title, duration_ms FROM music_file")
    return {(row[0], row[1]): MusicFile(*row) for row in rows}


_STANDING = (
    "SELECT id, path, at_ms, who, how, version, note FROM prompt_choice WHERE path = ? AND undone = 0"
    " ORDER BY at_ms DESC, id DESC"
)
