"""The database's part of a look at the box's health, in a process without root's rights.

Law: root never opens a database of the home. SQLite does what the files beside one say (a journal that was planted
there names any file to be removed), so who opens it is the user whose home it is: root starts this module as a child
with that user's number, and believes only its one bounded sentence.
``python -m ramal.box.health_db FILE quick|whole UID GID``.
"""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from ramal.errors import RamalError
from ramal.store.db import open_reader

DATABASE_S = 30.0
CHILD_S = 120.0
SAID_MAX = 1000
UNWELL = 3
"""The exit code with a sentence that tells what is amiss."""


def sentence_of(path: Path, quick: bool, within_s: float = DATABASE_S) -> str:
    """What there is to say of a database that works; RamalError with what is amiss of one that does not."""
    deadline = time.monotonic() + within_s
    try:
        with closing(open_reader(path)) as db:
            db.execute("SELECT count(*) FROM call").fetchone()
            if quick:
                return "The database can be read."
            db.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
            (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupt" in str(error):
            return f"The database shows no damage in what was read within {within_s:g} s."
        raise RamalError(f"The database cannot be read ({error}). Calls go on; restore a backup.") from error
    except sqlite3.DatabaseError as error:
        said = error
    if said != "ok":
        raise RamalError(f"The database is damaged ({str(said)[:200]}). Calls go on; restore a backup.")
    return "The database is whole."


def asked(home: Path, path: Path, quick: bool) -> str:
    """The same, with the rights of the user whose folder ``home`` is when the caller has root's. RamalError."""
    if os.geteuid() != 0:
        return sentence_of(path, quick)
    owner = home.lstat()
    words = [sys.executable, "-P", "-m", "ramal.box.health_db", str(path), "quick" if quick else "whole"]
    words += [str(owner.st_uid), str(owner.st_gid)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", timeout=CHILD_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise RamalError(f"The database could not be read within {CHILD_S:g} s. Calls go on; see the disk.") from None
    said = "".join(one if one.isprintable() else " " for one in done.stdout[:SAID_MAX].decode("utf-8", "replace"))
    if done.returncode == 0:
        return said.strip()
    if done.returncode == UNWELL:
        raise RamalError(said.strip())
    last = done.stderr[-300:].decode("utf-8", "replace").strip()
    raise RamalError(f"The database could not be looked at ({last}). Calls go on; see its log.")


def main(words: list[str]) -> int:
    """The child: becomes that user for ever, then says one sentence on its output."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(words[3]))
        os.setuid(int(words[2]))
    try:
        print(sentence_of(Path(words[0]), words[1] == "quick"))
    except RamalError as error:
        print(error)
        return UNWELL
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
