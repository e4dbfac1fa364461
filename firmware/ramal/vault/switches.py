"""What people set at their phones and only Asterisk's own database knows: do not disturb, and where a phone forwards.

In a backup as ``system/switches.json``; put back before Asterisk starts, where nothing was set since. Any thread; waits
for the disk. Law: what is read out of a backup is bounded and looks like what phones can set, or is left away; all else
in that database is of the moment or made anew by the daemon.
"""

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

FILE = "astdb.sqlite3"
PART = "switches.json"
_KEY = re.compile(r"/ramal-(?:dnd|forward)/[0-9]{1,12}\Z", re.ASCII)
_VALUE = re.compile(r"\+?[0-9]{1,20}\Z", re.ASCII)
_MOST, _BYTES_MAX = 5000, 1 << 20
_MADE = "CREATE TABLE IF NOT EXISTS astdb(key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key))"
"""As Asterisk makes it (main/db.c)."""


def kept(lib: Path) -> bytes:
    """The switches as a file; b"" when there are none, or nobody can tell."""
    path = lib / FILE
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)) as db:
            query = (
                "SELECT key, value FROM astdb WHERE key LIKE '/ramal-dnd/%' OR key LIKE '/ramal-forward/%' ORDER BY key"
            )
            rows = _right(db.execute(query).fetchall())
    except sqlite3.Error:
        return b""
    return json.dumps(rows, indent=0, sort_keys=True).encode() if rows else b""


def put_back(restored: Path, lib: Path) -> int:
    """Set what the backup knew and nobody has set since; how many. The file is taken away. OSError, sqlite3.Error: it
    stays, for the next start. Asterisk must not run."""
    path = restored / PART
    try:
        with path.open("rb") as file:
            table = json.loads(file.read(_BYTES_MAX))
    except FileNotFoundError:
        return 0
    except ValueError:
        table = {}
    rows = _right(list(table.items())) if isinstance(table, dict) else {}
    count = 0
    if rows:
        lib.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(lib / FILE, timeout=5.0)) as db, db:
            db.execute(_MADE)
            count = db.executemany("INSERT OR IGNORE INTO astdb (key, value) VALUES (?, ?)", rows.items()).rowcount
        os.chmod(lib / FILE, 0o640)
    path.unlink()
    return count


def _right(rows: list[tuple[object, object]]) -> dict[str, str]:
    return {
        key: value
        for key, value in rows[:_MOST]
        if isinstance(key, str) and isinstance(value, str) and _KEY.match(key) and _VALUE.match(value)
    }
