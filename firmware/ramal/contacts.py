"""``ramal contacts``: import, export, block, unblock, find. Main thread of a command.

Law: it works without the daemon. Looking reads the database; changes go through the daemon, which tells Asterisk at
once, or into the database under the writer's lock, and Asterisk is told when the daemon starts.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.control.client import Control, DaemonDown, send_contacts
from ramal.core.contacts import Contact, checked, number_of
from ramal.core.numbering import national, normalise, office_area
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.store import contacts as book
from ramal.store import migrations, settings
from ramal.store.contacts_csv import decoded, read_contacts, write_contacts
from ramal.store.db import open_reader, open_writer, transaction
from ramal.store.users import audit
from ramal.writer_lock import only_writer

TIMEOUT_S = 120.0
SHOWN_MAX = 200
LATER = "Asterisk is told when the daemon starts, or sees Asterisk again."
WHO = "command line"


def run(home: Home, act: str, value: str) -> int:
    """Do one act; exit code 0, RamalError with a sentence otherwise."""
    acts: Mapping[str, Callable[[], None]] = {
        "import": lambda: _import(home, value),
        "export": lambda: _export(home),
        "block": lambda: _block(home, value, True),
        "unblock": lambda: _block(home, value, False),
        "find": lambda: _find(home, value),
    }
    if not value and act != "export":
        raise RamalError(f"“ramal contacts {act}” needs one word more: see ramal contacts --help. Nothing was changed.")
    acts[act]()
    return 0


def _import(home: Home, name: str) -> None:
    file = "standard input" if name == "-" else Path(name).name
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise RamalError(f"The file {name} cannot be read ({error.strerror or error}). Nothing was changed.") from error
    text = decoded(data, file)
    try:
        done = send_contacts(Control(home.control_sock), text, file, WHO)
    except DaemonDown:
        with _alone(home) as (db, office):
            known = {entry.number: entry for entry in book.every_contact(db)}
            written = book.save_contacts(db, read_contacts(text, file, office, known), _now_ms())
            audit(db, _now_ms(), WHO, "contacts.imported", f"{file} {written.added} added {written.changed} changed")
        done = {**written._asdict(), "told": False}
    print(f"Contacts added: {done['added']}, changed: {done['changed']}, as they were: {done['same']}.")
    _say_later(done)


def _export(home: Home) -> None:
    with closing(open_reader(home.db)) as db:
        sys.stdout.writelines(line.replace("\r\n", "\n") for line in write_contacts(_contacts(db)))


def _block(home: Home, number: str, blocked: bool) -> None:
    try:
        given = {"number": number, "blocked": blocked}
        done = Control(home.control_sock).ask("contact.save", TIMEOUT_S, who=WHO, contact=given)
        entry = str(done["contact"]["number"])
    except DaemonDown:
        with _alone(home) as (db, office):
            entry = number_of(number, office)
            changed = checked({"number": entry, "blocked": blocked}, office, book.contact(db, entry))
            book.save_contact(db, changed, _now_ms())
            audit(db, _now_ms(), WHO, "contact.saved", f"{entry} blocked")
        done = {"told": False}
    print(f"{entry} is {'blocked' if blocked else 'not blocked'}.")
    _say_later(done)


def _find(home: Home, sought: str) -> None:
    with closing(open_reader(home.db)) as db:
        office = settings.load(db) or Office(name="Ramal")
        whole = normalise(sought, office.country, office_area(office))
        pages = (book.found_contacts(db, whole or sought, page).rows for page in range(SHOWN_MAX // book.PAGE))
        rows = [row for rows in pages for row in rows]
    for row in rows:
        marks = " ".join(word for word, on in (("VIP", row.vip), ("blocked", row.blocked)) if on)
        more = [row.name, marks, row.language, row.agent and f"agent {row.agent}", row.queue, row.note]
        print("  ".join([f"{row.number:16} {national(row.number, office.country):20}", *filter(None, more)]))
    if not rows:
        print(f"No contact holds “{sought[:40]}”.")


def _contacts(db: sqlite3.Connection) -> list[Contact]:
    try:
        return book.every_contact(db)
    except sqlite3.OperationalError as error:
        raise RamalError(
            f"The contacts cannot be read ({error}). Start the daemon once: it brings the database up to date."
        ) from error


@contextmanager
def _alone(home: Home) -> Iterator[tuple[sqlite3.Connection, Office]]:
    """The database and the office in force, in one transaction, while no daemon runs; HomeTaken otherwise."""
    home.prepare()
    with only_writer(home), closing(open_writer(home.db)) as db:
        migrations.migrate(db)
        office = settings.load(db) or Office(name="Ramal")
        with transaction(db):
            yield db, office


def _say_later(done: Mapping[str, Any]) -> None:
    if not done.get("told", True):
        print(LATER, file=sys.stderr)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
