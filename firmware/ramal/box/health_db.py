"""The database's part of a look at the box's health. Law: root never opens a database of the home (``as_owner``), and
believes only one bounded sentence of whoever did."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ramal.box.as_owner import OwnerFailed, as_owner
from ramal.box.home import Home
from ramal.errors import RamalError
from ramal.store.db import open_reader

DATABASE_S = 30.0
CHILD_S = 120.0
SAID_MAX = 1000


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


def asked(home: Home, quick: bool) -> str:
    """The same of the home's database, looked at with the rights of the home's user. RamalError."""
    try:
        return _line(str(as_owner(home, lambda: sentence_of(home.db, quick), CHILD_S)))
    except OwnerFailed as failed:
        raise RamalError(_line(str(failed)) or "The database could not be looked at. Calls go on.") from failed


def _line(said: str) -> str:
    """One bounded sentence: who said it may have been made to say anything."""
    return "".join(one if one.isprintable() else " " for one in said[:SAID_MAX]).strip()
