"""Why calls waited or went somewhere, as the daemon decided it. What the dialplan decided stands in the call's journal.

``note`` runs on the writer's thread, ``of_call`` on the thread of its connection.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from ramal.core.commands import NoteDecision
from ramal.core.history import call_key


class Decision(NamedTuple):
    """One reasoned line. ``detail`` holds codes and figures; the words are the catalogs'."""

    at_ms: int
    code: str
    detail: Mapping[str, Any]


def note(connection: sqlite3.Connection, at_ms: int, command: NoteDecision) -> None:
    """Keep one decision; one about no known kind of call id is dropped."""
    key = call_key(command.call)
    if key is not None:
        detail = json.dumps(dict(command.args), ensure_ascii=False, separators=(",", ":"))
        connection.execute(
            "INSERT INTO decision (call, at_ms, code, detail) VALUES (?, ?, ?, ?)", (key, at_ms, command.code, detail)
        )


def of_call(connection: sqlite3.Connection, key: int) -> list[Decision]:
    """The decisions about the call with this key, oldest first."""
    rows = connection.execute("SELECT at_ms, code, detail FROM decision WHERE call = ? ORDER BY at_ms, id", (key,))
    return [Decision(at_ms, code, json.loads(detail)) for at_ms, code, detail in rows]
