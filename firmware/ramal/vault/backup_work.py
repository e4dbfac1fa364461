"""The work on backups in a process of its own: ``python -m ramal.vault.backup_work make|check …``.

The daemon starts it, so that its own threads never wait for deflate and JSON, and ends it when people call. One line of
JSON on standard output says what came of it. Lowest priority; it ends with its parent. Errors are in the line, too
(``{"code", "sentence"}``); exit code 0 whenever there is a line.
"""

import ctypes
import json
import os
import signal
import sys
import time
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ramal.box.home import UMASK, Home
from ramal.core import backups as rules
from ramal.errors import RamalError
from ramal.store import table_rows
from ramal.store.db import open_reader
from ramal.vault import backup_keys
from ramal.vault.backup_file import BackupRefused, open_backup
from ramal.vault.backup_make import TABLES, Made, make, refusal
from ramal.vault.backup_stage import Comparison, remove, stage

NICE = 19
_PR_SET_PDEATHSIG = 1


def made(home: Home, folder: Path, now_ms: int) -> Made:
    """Make a backup with the box's key; a first key is made with it. BackupRefused."""
    try:
        key = backup_keys.obtain(home, now_ms)
    except backup_keys.BackupKeyUnusable as error:
        raise BackupRefused(str(error), "no-key") from error
    except OSError as error:
        raise refusal(error) from error
    return make(home, folder, key, now_ms, version("ramal"))


def checked(home: Home, file: Path, scratch: Path) -> Comparison:
    """Restore a backup of this box into ``scratch``, compare, and remove it again. BackupRefused."""
    remove(scratch)
    keys = [one.key for one in backup_keys.load(home)]
    reader = open_backup(file, keys)
    try:
        found = stage(reader, scratch)
        lacking = _lacking(home, reader.manifest.migrations, {part.name for part in reader.below(TABLES)})
    finally:
        reader.close()
        remove(scratch)
    amiss = (*(f"The table {table} is not in the backup." for table in lacking), *found.amiss)
    return Comparison(found.tables, found.rows, found.files, found.migrated, amiss)


def _lacking(home: Home, named: tuple[str, ...], held: set[str]) -> list[str]:
    """Tables of the living database that the backup does not have, found in another way than backups find them."""
    with closing(open_reader(home.db)) as db:
        if table_rows.known_migrations(db) != named:
            return []
        rows = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
        names = {str(name) for (name,) in rows}
    return sorted(
        name for name in names if not name.startswith("caller_search_") and f"{TABLES}{name}.jsonl" not in held
    )


def main(words: list[str]) -> int:
    """``make HOME FOLDER`` or ``check HOME FILE SCRATCH``."""
    _be_small()
    try:
        told = _make(words[1:]) if words[0] == "make" else _check(words[1:])
    except BackupRefused as error:
        told = {"code": error.code, "sentence": str(error)}
    except RamalError as error:
        told = {"code": "other", "sentence": str(error)}
    print(json.dumps(told), flush=True)
    return 0


def _make(words: list[str]) -> dict[str, Any]:
    home, folder = Home(Path(words[0])), Path(words[1])
    one = made(home, folder, time.time_ns() // 1_000_000)
    return told_of(one)


def told_of(one: Made) -> dict[str, Any]:
    """A made backup as plain values."""
    facts = {"rows": one.manifest.rows, "left_out": list(one.manifest.left_out), "made_ms": one.manifest.made_ms}
    return {"code": "", "name": one.path.name, "bytes": one.bytes, "sha256": one.sha256.hex(), **facts}


def _check(words: list[str]) -> dict[str, Any]:
    found = checked(Home(Path(words[0])), Path(words[1]), Path(words[2]))
    facts = {"tables": found.tables, "rows": found.rows, "files": found.files}
    sentence = f"{rules.SENTENCES['differs']} {found.amiss[0]}" if found.amiss else ""
    return {"code": "" if found.equal else "differs", "sentence": sentence, "amiss": list(found.amiss), **facts}


def _be_small() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):
        os.nice(NICE)
    os.umask(UMASK)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
