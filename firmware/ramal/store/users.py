"""What changes about the people who use the page, and the record of what they did. On the writer's thread only."""

import re
import sqlite3

from ramal.errors import RamalError

_HASH = re.compile(r"\$argon2(id|i|d)\$[A-Za-z0-9$=,+/]{20,400}\Z")
_AUDIT_MAX = 500
"""Characters kept of each field of an audit line."""


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
