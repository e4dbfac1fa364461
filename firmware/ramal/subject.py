"""``ramal subject``: what people asked about their own data. Main thread of a command.

Law: nothing is handed out or erased that is not in the audit, so ``export`` and ``erase`` need the daemon (exit 3);
looking reads the database. Identifiers are typed by the person at the keyboard and go nowhere but to standard output.
"""

import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.control.client import Control
from ramal.core.privacy import days_left
from ramal.errors import RamalError
from ramal.store import privacy as book
from ramal.store.db import open_reader

WHO = "command line"
TIMEOUT_S = 30.0


def run(home: Home, act: str, what: str, file: str, sure: bool) -> int:
    """Do one act; exit code 0, RamalError with a sentence otherwise."""
    if not what and act != "list":
        raise RamalError(f"“ramal subject {act}” needs one word more: see ramal subject --help. Nothing was done.")
    match act:
        case "list":
            _list(home)
        case "find":
            _find(home, what)
        case "export":
            _export(home, what, file)
        case "erase":
            _erase(home, what, sure)
        case "proof":
            return _proof(home, what, file)
    return 0


def _list(home: Home) -> None:
    now_ms = time.time_ns() // 1_000_000
    with closing(open_reader(home.db)) as db:
        asked = book.subject_requests(db)
    for one in asked:
        day = f"{datetime.fromtimestamp(one.at_ms / 1000):%Y-%m-%d}"
        left = "" if one.ended_ms else f"{days_left(one.at_ms, now_ms)} days left"
        step = one.step if one.state == "running" else ""
        print("  ".join(filter(None, [f"{one.id:4}", day, one.kind, one.state, step, left])))
        for place in one.told.get("left", ()):
            print(f"      still found in {place['path']}")
    if not asked:
        print("Nobody has asked yet.")


def _find(home: Home, what: str) -> None:
    with closing(open_reader(home.db)) as db:
        people = book.people_sought(db, what)
        for number, _ in people:
            who = book.identified(db, number)
            there = book.person(db, who)
            kept = f"{there.calls} calls, {there.recordings} recordings, {there.messages} messages, {there.notes} notes"
            print("  ".join([f"{number:16}", ", ".join(who.names), kept, "contact" if there.contact else ""]).rstrip())
    if not people:
        print("Nobody of this name or number has called.")


def _export(home: Home, number: str, file: str) -> None:
    if not file:
        raise RamalError("Say where the zip file is to go: ramal subject export NUMBER FILE.zip. Nothing was done.")
    if Path(file).exists():
        raise RamalError(f"{file} is there already. Nothing was done.")
    control = Control(home.control_sock)
    made = control.ask("subject.open", TIMEOUT_S, who=WHO, number=number, kind="access")
    control.ask("subject.exported", TIMEOUT_S, who=WHO, id=str(made["id"]), what="to a file")
    with open(file, "xb") as out:
        for piece in _pieces(home, str(made["number"])):
            out.write(piece)
    print(f"Request {made['id']}: everything about {made['number']} is in {file}.")


def _pieces(home: Home, number: str) -> Any:
    """The zip is the page's own: its words are the page's."""
    from ramal_web.app import create_app
    from ramal_web.history import History, office
    from ramal_web.privacy import archive
    from ramal_web.settings import of_home

    settings = of_home(home)
    with create_app(settings).test_request_context():
        history = History(settings.db)
        at_ms = time.time_ns() // 1_000_000
        yield from archive.pieces(archive.Case(history, settings.home, history.identified(number), office(), at_ms))


def _erase(home: Home, number: str, sure: bool) -> None:
    control = Control(home.control_sock)
    for _, why, until_ms in control.ask("subject.staying", TIMEOUT_S, number=number)["staying"]:
        day = f" until {datetime.fromtimestamp(until_ms / 1000):%Y-%m-%d}" if until_ms else ""
        print(f"A recording must stay{day} ({'legal hold' if why == 'held' else 'minimum by law'}).", file=sys.stderr)
    if not sure:
        raise RamalError("Nothing was erased. It cannot be undone: say --sure when it is meant.")
    made = control.ask("subject.open", TIMEOUT_S, who=WHO, number=number, kind="erase")
    code = control.ask("subject.erase", TIMEOUT_S, who=WHO, id=str(made["id"]))["code"]
    print(f"Erasing has begun: see ramal subject list. The receipt's code, shown only now: {made['id']}-{code}")


def _proof(home: Home, code: str, number: str) -> int:
    id, _, secret = code.partition("-")
    if not (id.isascii() and id.isdigit() and len(id) < 10 and secret and number):
        raise RamalError("Say the whole code and the number: ramal subject proof 7-1a2b3c… +5511987654321.")
    with closing(open_reader(home.db)) as db:
        e164 = book.identified(db, number).number
        proven = book.proves(db, int(id), secret, e164)
    print(f"Request {id} {'was' if proven else 'was NOT'} about this number.")
    return 0 if proven else 1
