"""``ramal recordings hold|release|holds|room``: what must be kept, and for how long there is room. Main thread of a
command.

A hold is put by the daemon, or by this process while none runs. Days are local days of the office.
"""

import argparse
import getpass
import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.control.client import Control, DaemonDown
from ramal.core.office import Office
from ramal.core.retention import HORIZON_DAYS
from ramal.errors import RamalError
from ramal.store import holds, migrations, settings, stock
from ramal.store.db import open_reader, open_writer
from ramal.store.stock import Look
from ramal.writer_lock import only_writer

ASK_S = 15.0
DAY = timedelta(days=1)


def run(home: Home, arguments: argparse.Namespace) -> int:
    """One act; prints what a person has to know. RamalError with a sentence."""
    match arguments.act:
        case "hold":
            return _hold(home, arguments)
        case "release":
            return _release(home, arguments.value)
        case "holds":
            return _list(home, arguments.json)
    return _room(home, arguments.json)


def _hold(home: Home, arguments: argparse.Namespace) -> int:
    zone = _zone(_office(home))
    given = {
        "kind": arguments.value,
        "what": arguments.file,
        "why": arguments.why,
        "from": _ms(arguments.since, zone, 0),
        "to": _ms(arguments.to, zone, 1),
        "until": _ms(arguments.until, zone, 1),
    }
    try:
        made = Control(home.control_sock).ask("recordings.hold", ASK_S, who=_who(), **given)["hold"]
    except DaemonDown:
        from ramal.ops.keeping import wish_of

        with only_writer(home), closing(open_writer(home.db)) as db:
            migrations.migrate(db)
            order = ("kind", "what", "why", "from", "to", "until")
            wish = wish_of(_office(home), *(given[name] for name in order))
            db.execute("BEGIN IMMEDIATE")
            made = asdict(holds.add(db, _now_ms(), _who(), wish))
            db.execute("COMMIT")
    print(f"Hold {made['id']} is in force: {made['kind']} {_plain(made['what'])}. Nothing removes these recordings.")
    return 0


def _release(home: Home, number: str) -> int:
    if not number.isdigit():
        raise RamalError("Which hold? For example: ramal recordings release 3. See “ramal recordings holds”.")
    try:
        Control(home.control_sock).ask("recordings.release", ASK_S, who=_who(), id=number)
    except DaemonDown:
        with only_writer(home), closing(open_writer(home.db)) as db:
            migrations.migrate(db)
            db.execute("BEGIN IMMEDIATE")
            holds.release(db, _now_ms(), _who(), int(number))
            db.execute("COMMIT")
    print(f"Hold {number} has ended. Its recordings go when their time comes.")
    return 0


def _list(home: Home, as_json: bool) -> int:
    with closing(open_reader(home.db)) as db:
        found = holds.every(db)
    zone, now_ms = _zone(_office(home)), _now_ms()
    for hold in found:
        print(json.dumps(asdict(hold)) if as_json else _line(hold, zone, now_ms))
    if not found and not as_json:
        print("There is no hold.")
    return 0


def _line(hold: holds.Hold, zone: ZoneInfo, now_ms: int) -> str:
    span = ""
    if hold.from_ms is not None or hold.to_ms is not None:
        span = f" of {_day(hold.from_ms, zone) or '…'} to {_day(hold.to_ms, zone) or '…'}"
    state = "in force" if hold.holds(now_ms) else "ended"
    until = f" until {_day(hold.until_ms, zone)}" if hold.until_ms is not None else ""
    who = f"{_plain(hold.who)} on {_day(hold.at_ms, zone)}"
    return f"{hold.id}  {state}{until}  {hold.kind} {_plain(hold.what)}{span}: {_plain(hold.why)} ({who})"


def _room(home: Home, as_json: bool) -> int:
    with closing(open_reader(home.db)) as db:
        look = stock.look(db)
    if as_json:
        print(json.dumps(asdict(look)) if look else "null")
    else:
        print(room_line(look))
    return 0


def room_line_of(home: Home) -> str:
    """``room_line`` of a box, whose database may not be there yet."""
    try:
        with closing(open_reader(home.db)) as db:
            return room_line(stock.look(db))
    except (RamalError, sqlite3.Error):
        return room_line(None)


def room_line(look: Look | None) -> str:
    """The room for recordings in one line of text."""
    if look is None:
        return "Recordings: the disk was not looked at yet."
    if not look.counted:
        return "Recordings: not counted yet; the box does that as soon as it has a calm minute."
    taken = f"{look.count} recordings take {look.used / 1e9:.1f} GB of {look.capacity / 1e9:.1f} GB"
    if look.off:
        why = "the disk is full" if look.off == "room" else "what must be kept fills the quota"
        return f"Recordings: NEW CALLS ARE NOT RECORDED ({why}; calls go on). {taken}."
    if look.full_days is None:
        return f"Recordings: {taken}; full in – days (too little is known yet)."
    if look.full_days >= HORIZON_DAYS:
        return f"Recordings: {taken}; room for years at this pace."
    if look.early or look.full_days == 0:
        return f"Recordings: {taken}; the oldest go before their time."
    return f"Recordings: {taken}; full in {look.full_days} days at this pace."


def _office(home: Home) -> Office:
    with closing(open_reader(home.db)) as db:
        return settings.load(db) or Office("")


def _zone(office: Office) -> ZoneInfo:
    return ZoneInfo(office.timezone)


def _ms(day: str, zone: ZoneInfo, days_later: int) -> str:
    """The begin of a day (or of the one behind it) as text, empty for nothing."""
    if not day:
        return ""
    try:
        at = date.fromisoformat(day) + days_later * DAY
    except ValueError as error:
        raise RamalError(f"“{day[:20]}” is no day. Write it as 2026-12-24. Nothing was changed.") from error
    return str(int(datetime(at.year, at.month, at.day, tzinfo=zone).timestamp() * 1000) - days_later)


def _day(at_ms: int | None, zone: ZoneInfo) -> str:
    return "" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, zone).date().isoformat()


def _plain(text: Any) -> str:
    """A text of the database on a terminal: nothing that could steer it."""
    return "".join(mark if mark.isprintable() else "�" for mark in str(text))


def _who() -> str:
    return f"shell:{os.environ.get('SUDO_USER') or getpass.getuser()}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
