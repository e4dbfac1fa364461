"""``ramal clock``: does the box know what time it is, a person's word that it does, setting it, and, before anything
else starts, never letting it go back (``restore``). Main thread of a command.

Law: ``restore`` needs no daemon and no Asterisk and never fails a boot; without a battery clock a computer wakes years
behind, and times that were given once would be given again.
"""

import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.control.client import Control
from ramal.core import clock as core
from ramal.errors import RamalError
from ramal.ops import machine
from ramal.ops.clock import FAMILY, KEY, WORDS

WHO = "command line"
TIMEOUT_S = 15.0
AFTER_MS = 1000
"""The clock goes on so long after the last sign of life."""
BELIEVED: dict[str, str] = {
    "ntp": "a time server was heard",
    "rtc": "the battery clock agrees with all that is known",
    "said": "a person said that it is right",
    "host": "this computer looks after its own clock",
}


def run(home: Home, act: str, when: str) -> int:
    """Do one act: status, trust, set, restore; 0, or 1 when the clock is not trusted. RamalError with a sentence."""
    if act == "restore":
        return restore(home)
    control = Control(home.control_sock)
    zone = ZoneInfo(str(control.ask("live", TIMEOUT_S)["office"]["timezone"]))
    if act == "set":
        _set(when, zone)
        act = "trust"
    told = control.ask("clock.trust", TIMEOUT_S, who=WHO) if act == "trust" else control.ask("clock.status", TIMEOUT_S)
    sys.stdout.write(text(told, zone))
    return 1 if told["source"] == "none" else 0


def text(told: dict[str, Any], zone: ZoneInfo) -> str:
    """The answer of ``clock.status`` in lines of text."""
    now = _when(told["at_ms"], zone)
    if told["source"] == "none":
        lines = [
            f"It is {now}, says the clock, and that is NOT trusted: {WORDS[told['why']]}.",
            "Calls, queues and recordings go on, in their order; opening hours count as open. Nobody is called back,",
            "and nothing is deleted for its age. Connect the box to the Internet, or look at a clock and say",
            "“ramal clock trust” when this one is right, “ramal clock set 'YYYY-MM-DD HH:MM'” when it is not.",
        ]
    else:
        lines = [f"It is {now}. That is trusted: {BELIEVED[told['source']]}."]
    for one in reversed(told["epochs"]):
        until = _when(one["until_ms"], zone) if one["until_ms"] else "now"
        why = f" ({WORDS[one['why']]})" if one["why"] else ""
        mended = "" if one["shift_ms"] is None else f"; was wrong by {one['shift_ms'] / 1000:+.0f} s, put right"
        lines.append(f"  {_when(one['from_ms'], zone)} to {until}: {one['source']}{why}{mended}")
    return "\n".join(lines) + "\n"


def _when(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")


def _set(when: str, zone: ZoneInfo) -> None:
    """Set this computer's clock to a time as the office's clocks show it."""
    try:
        at = datetime.fromisoformat(when)
    except ValueError:
        raise RamalError(
            f"“{when[:40]}” is no date and time. Nothing was changed. Say it like this: ramal clock set "
            "“2026-11-22 17:30”."
        ) from None
    at_s = (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
    if at_s * 1000 < core.EARLIEST_MS:
        raise RamalError(f"{when} is before this program was made. Nothing was changed.")
    _clock_to(at_s)


def _clock_to(at_s: float) -> None:
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
            (set_to or _clock_to)(floor_ms / 1000)
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
    try:
        with closing(sqlite3.connect(path, timeout=2.0)) as db, db:
            if untrusted:
                db.execute("INSERT OR REPLACE INTO astdb (key, value) VALUES (?, '1')", (key,))
            else:
                db.execute("DELETE FROM astdb WHERE key = ?", (key,))
    except sqlite3.Error as error:
        print(f"Asterisk's switches could not be written ({error}); the daemon will.", file=sys.stderr)
