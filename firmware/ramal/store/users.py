"""What changes about the people who use the page, and the record of what they did. On the writer's thread only."""

import re
import sqlite3
from dataclasses import dataclass

from ramal.errors import RamalError

_HASH = re.compile(r"\$argon2(id|i|d)\$[A-Za-z0-9$=,+/]{20,400}\Z")
_AUDIT_MAX = 500
"""Characters kept of each field of an audit line."""
ROLES = ("owner", "supervisor", "agent")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,39}\Z")


class NoUser(RamalError):
    """Who cannot be added, changed or removed. ``code``: user-name, user-role, user-taken, user-agent, user-last-owner,
    no-agent, or no-user for a stranger."""

    def __init__(self, sentence: str, code: str = "no-user") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class NewUser:
    """``agent``: code of the office's agent this person is, "" for none; ``hash``: argon2 of a one-time password."""

    name: str
    role: str
    agent: str
    hash: str


def add(connection: sqlite3.Connection, at_ms: int, who: str, user: NewUser) -> None:
    """Let ``user`` sign in; NoUser when the name is taken or odd, the role unknown, or the agent is somebody else."""
    if not _NAME.match(user.name):
        raise NoUser(
            "A user's name has 1 to 40 letters, digits, dots or dashes, such as ana.souza. Nobody was added.",
            "user-name",
        )
    if user.role not in ROLES:
        raise NoUser(f"A role is one of {', '.join(ROLES)}. Nobody was added.", "user-role")
    if not _HASH.match(user.hash):
        raise NoUser("This is no argon2 hash. Nobody was added.")
    if connection.execute("SELECT 1 FROM user WHERE name = ? COLLATE NOCASE", (user.name,)).fetchone():
        raise NoUser(f"There is a user “{user.name}” already. Nobody was added.", "user-taken")
    same = "SELECT name FROM user WHERE agent = ? AND agent <> ''"
    other = connection.execute(same, (user.agent,)).fetchone()
    if other is not None:
        raise NoUser(f"Agent {user.agent} is the user “{other[0]}” already. Nobody was added.", "user-agent")
    # The epoch is of this moment: a cookie of somebody of this name who was removed stays worthless.
    connection.execute(
        "INSERT INTO user (name, role, password_hash, must_change, created_ms, epoch, agent)"
        " VALUES (?, ?, ?, 1, ?, ?, ?)",
        (user.name, user.role, user.hash, at_ms, at_ms, user.agent),
    )
    audit(connection, at_ms, who, "user.added", f"{user.name} {user.role} {user.agent}".rstrip())


def reset(connection: sqlite3.Connection, at_ms: int, who: str, name: str, password_hash: str) -> None:
    """Give ``name`` a one-time password, to be changed at the next sign-in. NoUser for a stranger."""
    if not _HASH.match(password_hash):
        raise NoUser("This is no argon2 hash. The password was not changed.")
    statement = "UPDATE user SET password_hash = ?, must_change = 1, epoch = epoch + 1 WHERE name = ?"
    if not connection.execute(statement, (password_hash, name)).rowcount:
        raise NoUser(f"There is no user “{name[:40]}”. No password was changed.")
    audit(connection, at_ms, who, "user.reset", name)


def remove(connection: sqlite3.Connection, at_ms: int, who: str, name: str) -> None:
    """Let ``name`` sign in no more. NoUser for a stranger and for the last owner."""
    row = connection.execute("SELECT role FROM user WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NoUser(f"There is no user “{name[:40]}”. Nobody was removed.")
    owners = connection.execute("SELECT count(*) FROM user WHERE role = 'owner'").fetchone()[0]
    if row[0] == "owner" and owners == 1:
        raise NoUser(
            f"“{name}” is the last owner; without one nobody could rule the box. Nobody was removed.", "user-last-owner"
        )
    connection.execute("DELETE FROM user WHERE name = ?", (name,))
    audit(connection, at_ms, who, "user.removed", name)


def set_password(connection: sqlite3.Connection, name: str, password_hash: str) -> None:
    """Give ``name`` a new password (its argon2 hash) and end all of this user's sessions. RamalError for a stranger."""
    if not _HASH.match(password_hash):
        raise RamalError("This is no argon2 hash. The password was not changed.")
    changed = connection.execute(
        "UPDATE user SET password_hash = ?, must_change = 0, epoch = epoch + 1 WHERE name = ?", (password_hash, name)
    ).rowcount
    if not changed:
        raise RamalError(f"There is no user “{name[:40]}”. No password was changed.")


def audit(connection: sqlite3.Connection, at_ms: int, who: str, what: str, detail: str) -> None:
    """Keep that ``who`` did ``what`` (``recording.played``) at ``at_ms``."""
    connection.execute(
        "INSERT INTO audit (at_ms, who, what, detail) VALUES (?, ?, ?, ?)",
        (at_ms, who[:_AUDIT_MAX], what[:_AUDIT_MAX], detail[:_AUDIT_MAX]),
    )
