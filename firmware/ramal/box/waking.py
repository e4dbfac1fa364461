"""``python -m ramal.box.waking``: at every start, before Asterisk, the clock goes on from where it was.

Main thread of a command. Law: needs no daemon and no Asterisk and never fails a boot; without a battery clock a
computer wakes years behind, and times that were given once would be given again. Calls wait for it, so it imports
little (``tests/box/test_early.py`` counts).
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress

from ramal.box.home import Home, default_home
from ramal.core import clock as core
from ramal.core.clock import FAMILY, KEY
from ramal.errors import RamalError
from ramal.ops import machine

AFTER_MS = 1000
"""The clock goes on so long after the last sign of life."""


def set_clock(at_s: float) -> None:
    """Set this computer's clock to seconds since 1970. RamalError when this user may not."""
    try:
        time.clock_settime(time.CLOCK_REALTIME, at_s)
    except OSError as error:
        raise RamalError(
            f"This user may not set the computer's clock ({error.strerror}). Nothing was changed. Say it as root."
        ) from error


def restore(home: Home, look: machine.Look = machine.look, set_to: Callable[[float], None] | None = None) -> int:
    """At boot, before Asterisk: let the clock go on from the last time that is known, keep what it shows now, and have
    Asterisk call nobody back when the time is not known. ``set_to`` sets the clock to seconds since 1970."""
    mark, facts = machine.read_mark(home), look(True)
    floor_ms = max(machine.last_sign_ms(home) + AFTER_MS, facts.built_ms) if facts.box else 0
    if facts.wall_ms < floor_ms and not facts.synced and (mark is None or mark.boot != facts.boot):
        try:
            (set_to or set_clock)(floor_ms / 1000)
        except RamalError as error:
            print(error, file=sys.stderr)
        else:
            print(f"The clock was behind all that is known; it goes on from {floor_ms // 1000}.")
        facts = look(True)
    good_ms = 0 if mark is None else mark.good_ms
    source, why = core.judge(facts, good_ms, "none")
    if mark is None or mark.boot != facts.boot:
        with suppress(OSError):
            machine.keep_mark(home, facts, source, why, facts.wall_ms if source != "none" else good_ms)
        _tell_asterisk(home, source == "none")
    print(f"The clock: {source} {why}".rstrip())
    return 0


def _tell_asterisk(home: Home, untrusted: bool) -> None:
    """Write the switch into Asterisk's own database, which nobody has open yet; the daemon keeps it from then on."""
    path = home.asterisk_lib / "astdb.sqlite3"
    if not path.exists():
        return
    key = f"/{FAMILY}/{KEY}"
    import sqlite3  # only a box that has made calls has this file

    try:
        with closing(sqlite3.connect(path, timeout=2.0)) as db, db:
            if untrusted:
                db.execute("INSERT OR REPLACE INTO astdb (key, value) VALUES (?, '1')", (key,))
            else:
                db.execute("DELETE FROM astdb WHERE key = ?", (key,))
    except sqlite3.Error as error:
        print(f"Asterisk's switches could not be written ({error}); the daemon will.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(restore(default_home()))
