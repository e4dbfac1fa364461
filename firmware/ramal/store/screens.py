"""Screens on a wall: who may see the board without a password. ``make`` and ``revoke`` run on the writer's thread.

Only the digest of a screen's token is kept: whoever reads the database cannot open the board with it.
"""

import hashlib
import sqlite3
from dataclasses import dataclass

from ramal.errors import RamalError
from ramal.store import users

SCREENS_MAX = 20
NAME_MAX = 60


class NoName(RamalError):
    """A screen without a name."""

    code = "screen-name"


class TooMany(RamalError):
    """No screen more."""

    code = "screens-full"


class Gone(RamalError):
    """A screen that is not there."""

    code = "no-screen"


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen; ``name`` is where it hangs, as the owner calls it."""

    id: int
    name: str
    made_ms: int
    made_by: str


def make(db: sqlite3.Connection, at_ms: int, who: str, name: str, token: str) -> int:
    """Let whoever knows ``token`` see the board; the screen's id. TooMany, NoName."""
    shown = " ".join(name.split())[:NAME_MAX]
    if not shown or not shown.isprintable():
        raise NoName("A screen needs a name, such as where it hangs. Nothing was made.")
    if db.execute("SELECT count(*) FROM wall_screen").fetchone()[0] >= SCREENS_MAX:
        raise TooMany(f"There are {SCREENS_MAX} screens already; take one away first. Nothing was made.")
    values = (digest(token), shown, at_ms, who)
    made = db.execute("INSERT INTO wall_screen (digest, name, made_ms, made_by) VALUES (?, ?, ?, ?)", values)
    users.audit(db, at_ms, who, "wall.made", shown)
    assert made.lastrowid is not None
    return made.lastrowid


def revoke(db: sqlite3.Connection, at_ms: int, who: str, screen: int) -> None:
    """Close a screen's address for ever; Gone when there is none."""
    row = db.execute("DELETE FROM wall_screen WHERE id = ? RETURNING name", (screen,)).fetchone()
    if row is None:
        raise Gone("There is no such screen any more. Nothing was changed.")
    users.audit(db, at_ms, who, "wall.revoked", row[0])


def screens(db: sqlite3.Connection) -> tuple[Screen, ...]:
    """Every screen, the oldest first."""
    rows = db.execute("SELECT id, name, made_ms, made_by FROM wall_screen ORDER BY id")
    return tuple(Screen(*row) for row in rows)


def screen_of(db: sqlite3.Connection, token: str) -> Screen | None:
    """The screen whose address holds ``token``; None when there is none (any more)."""
    query = "SELECT id, name, made_ms, made_by FROM wall_screen WHERE digest = ?"
    row = db.execute(query, (digest(token),)).fetchone()
    return None if row is None else Screen(*row)


def digest(token: str) -> bytes:
    """What is kept of a token: 32 random bytes need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
