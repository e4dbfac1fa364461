"""``ramal copies``: how the off-box copy stands, copying now, checking what lies there, trying the connection.

Runs in the command's own process. ``status`` needs no daemon; everything else asks it and waits for the end.
"""

import json
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.control.client import Control, DaemonDown
from ramal.core import copies as rules
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.store import copies, settings
from ramal.store.copies import CopyPicture, CopyRun
from ramal.store.db import open_reader

DONE, NOT_DONE = 0, 1
ASK_S, TEST_S, LOOK_S = 15.0, 180.0, 0.5


def run(home: Home, act: str, place: str, as_json: bool) -> int:
    """One act; prints what a person has to know. Raises RamalError."""
    control = Control(home.control_sock)
    match act:
        case "now" | "check":
            return _wait(home, control, act)
        case "test":
            return _test(control)
        case "drop":
            if not place:
                raise RamalError("Which place? `ramal copies` shows the former ones.")
            count = control.ask("copies.dropped", ASK_S, place=place)["count"]
            print(f"{count} copies at {place} are no longer asked after.")
            return DONE
    return _status(home, control, as_json)


def _status(home: Home, control: Control, as_json: bool) -> int:
    office, picture = _look(home)
    try:
        told: Mapping[str, Any] = control.ask("copies.status", ASK_S)
    except DaemonDown:
        told = {}
    if as_json:
        print(json.dumps({"told": dict(told), "picture": asdict(picture)}, ensure_ascii=False, indent=1))
        return DONE
    if not office.copy:
        print(rules.SENTENCES["no-copy"])
    else:
        _say(office, picture, told)
    for place, count in picture.elsewhere:
        print(f"{count} copies that ought to be removed lie at {place}, where copies no longer go. Remove them there,")
        print(f"then: ramal copies drop '{place}'")
    return DONE


def _say(office: Office, picture: CopyPicture, told: Mapping[str, Any]) -> None:
    zone = ZoneInfo(office.timezone)
    print(f"{rules.place_of(office.copy[0])}, {office.copy[0].window}")
    print(f"{picture.copied} recordings are copied ({_mb(picture.copied_bytes)}).")
    if picture.left:
        oldest = f", the oldest is of {_when(picture.oldest_ms, zone)}" if picture.oldest_ms else ""
        print(f"{picture.left} are NOT copied yet ({_mb(picture.left_bytes)}{oldest}).")
    if picture.unkept:
        print(f"{picture.unkept} recordings are still plain files; they are copied once they are kept.")
    if picture.forget:
        print(f"{picture.forget} copies are to be removed there.")
    if told.get("reason"):
        print(_reason(str(told["reason"]), str(told.get("shown", ""))))
    elif told.get("waiting"):
        print(rules.SENTENCES["busy"])
    for one in picture.failures[:20]:
        print(f"  {one.path}: {_reason(one.reason)} Tried {one.tries} times, again at {_when(one.next_ms, zone)}.")
    if picture.runs:
        print(_run(picture.runs[0], zone))


def _run(run: CopyRun, zone: ZoneInfo) -> str:
    did = "looked at" if run.kind == "check" else "copied"
    ended = f"until {_when(run.ended_ms, zone)}" if run.ended_ms else "goes on"
    failed = f", {run.failed} failed" if run.failed else ""
    reason = f" {_reason(run.reason)}" if run.reason else ""
    begun = _when(run.began_ms, zone)
    return f"Last time ({run.kind}): {begun}, {ended}: {run.copied} {did}, {_mb(run.bytes)}{failed}.{reason}"


def _wait(home: Home, control: Control, act: str) -> int:
    control.ask(f"copies.{act}", ASK_S)
    shown = -1
    while True:
        told = control.ask("copies.status", ASK_S)
        office, picture = _look(home)
        mine = next((run for run in picture.runs if run.kind == act), None)
        if sys.stderr.isatty() and mine is not None and mine.copied != shown:
            shown = mine.copied
            print(f"\r{shown}, {picture.left} left ", end="", file=sys.stderr, flush=True)
        if act not in told["asked"] and not told["doing"]:
            break
        time.sleep(LOOK_S)
    if told["reason"]:
        print(_reason(str(told["reason"]), str(told["shown"])), file=sys.stderr)
        return NOT_DONE
    if mine is not None:
        print(_run(mine, ZoneInfo(office.timezone)))
    return NOT_DONE if picture.left or (mine is not None and mine.failed) else DONE


def _test(control: Control) -> int:
    answer = control.ask("copies.test", TEST_S)
    if answer["code"]:
        print(str(answer["sentence"]), file=sys.stderr)
        if answer["shown"]:
            print(f"It shows: {answer['shown']}", file=sys.stderr)
        return NOT_DONE
    free = answer["free_bytes"]
    room = f" It has {free / 1e9:.1f} GB free." if isinstance(free, int) else ""
    print(f"The connection works: a file was written, read back and removed.{room}")
    return DONE


def _look(home: Home) -> tuple[Office, CopyPicture]:
    with closing(open_reader(home.db)) as db:
        office = settings.load(db) or Office(name="")
        place = rules.place_of(office.copy[0]) if office.copy else ""
        return office, copies.copies(db, place)


def _reason(code: str, shown: str = "") -> str:
    sentence = dict(rules.SENTENCES).get(code, code)  # type: ignore[call-overload]
    return f"{sentence} It shows: {shown}" if shown else str(sentence)


def _when(ms: int | None, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp((ms or 0) / 1000, zone).strftime("%Y-%m-%d %H:%M")


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
