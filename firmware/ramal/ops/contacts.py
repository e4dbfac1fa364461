"""Contacts: what the page and the command line change about callers, and Asterisk told ahead of the next call.

Law: saved first (with the audit, in one write), then told to Asterisk, and brought into agreement when Asterisk comes
up, so that calls find the same with this process dead. A stamp in AstDB says which state of all contacts Asterisk has:
when it fits, thousands of entries need not be compared. Requests run on the worker, the rest on the rounds thread; one
lock makes sure that whoever tells Asterisk has read the database after whoever told it before.
"""

import datetime
import logging
import secrets
import sqlite3
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict
from zoneinfo import ZoneInfo

from ramal.asterisk.contact_switches import FAMILY, key, switches
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core.commands import PutSwitch
from ramal.core.contacts import Contact, ContactRefused, checked, number_of
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.ops.name_files import NameFiles
from ramal.store import contacts as book
from ramal.store.contacts_csv import BYTES_MAX, read_contacts
from ramal.store.users import audit

log = logging.getLogger(__name__)

STAMP = f"{FAMILY}-stamp"
DAY_MS = 86_400_000
LAST_KEPT_MS = 90 * DAY_MS
"""How long Asterisk remembers who spoke with a caller last."""
FORGOTTEN_AT_ONCE = 2000
"""Old entries taken out of AstDB in one round."""
IMPORTS_AT_ONCE = 4
TREE_S = 60.0
"""For what Asterisk says of twenty thousand contacts."""


def subject(means: Means) -> Subject:
    """The contacts' requests and rounds."""
    contacts = Contacts(means)
    return Subject(
        "contacts",
        {"contact.save": contacts.save, "contact.delete": contacts.delete, "contact.import": contacts.take_file},
        at_up=contacts.bring,
        now_and_then=contacts.look_after,
    )


class Contacts:
    """Requests: ``save`` and ``delete`` one contact, ``take_file`` many."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._lock = threading.Lock()
        self._sure = False
        """Whether AstDB held all contacts when it was last looked at, and every change since was told to it."""
        self._stamped = False
        self._tidied_ms: int | None = None
        self._names = NameFiles(means)
        self._parts: dict[str, list[str]] = {}
        """Files that are still coming in; of the control thread alone."""

    # -- requests: on the control thread, the work on the worker -------------------------------------------------------

    def save(self, request: Request) -> "Future[Answer]":
        """``contact`` holds texts by field (number always); fields left out stay. ``{"added", "told", "contact"}``."""
        given = request.given.get("contact")
        if not isinstance(given, Mapping):
            raise ContactRefused("“contact.save” needs “contact” with its fields.")
        who, office = _who(request), self._means.office()
        number = number_of(str(given.get("number", "")), office)

        def job(db: sqlite3.Connection) -> tuple[bool, Contact]:
            before = book.contact(db, number)
            entry = checked(given, office, before)
            at_ms = self._means.clock_ms()
            added = book.save_contact(db, entry, at_ms)
            audit(db, at_ms, who, "contact.saved", f"{number} {_changes(before or Contact(number), entry)}".strip())
            return added, entry

        def work() -> Answer:
            added, entry = self._means.write(job).result()
            self._names.want([entry.name])
            return {"added": added, "told": self._told(number), "contact": asdict(entry)}

        return self._means.work(work)

    def delete(self, request: Request) -> "Future[Answer]":
        """Forget ``number``; ``{"deleted", "told"}``."""
        who, number = _who(request), number_of(request.text("number"), self._means.office())

        def job(db: sqlite3.Connection) -> bool:
            deleted = book.delete_contact(db, number)
            if deleted:
                audit(db, self._means.clock_ms(), who, "contact.deleted", number)
            return deleted

        def work() -> Answer:
            return {"deleted": self._means.write(job).result(), "told": self._told(number)}

        return self._means.work(work)

    def take_file(self, request: Request) -> "Answer | Future[Answer]":
        """A CSV file in ``csv``, or in several requests: each but the last has ``more`` and is answered by an
        ``import`` to send along with the next. The last: ``{"added", "changed", "same", "told"}``, or every mistake."""
        who, file = _who(request), request.text("file", "contacts.csv")[:100]
        token, part = request.text("import", ""), request.text("csv")
        before = self._parts.pop(token, None) if token else []
        if before is None:
            raise ContactRefused("This import is not known any more; nothing was changed. Send the file again.")
        parts = [*before, part]
        if sum(map(len, parts)) > BYTES_MAX:
            raise ContactRefused("A file of contacts has at most 8 MiB; nothing was changed.")
        if request.given.get("more"):
            while len(self._parts) >= IMPORTS_AT_ONCE:
                del self._parts[next(iter(self._parts))]
            token = token or secrets.token_hex(8)
            self._parts[token] = parts
            return {"import": token}
        text, office = "".join(parts), self._means.office()
        return self._means.work(lambda: self._import(text, file, who, office))

    def _import(self, text: str, file: str, who: str, office: Office) -> Answer:
        known = {entry.number: entry for entry in self._means.read(book.every_contact)}
        entries = read_contacts(text, file, office, known)

        def job(db: sqlite3.Connection) -> book.Written:
            at_ms = self._means.clock_ms()
            written = book.save_contacts(db, entries, at_ms)
            audit(db, at_ms, who, "contacts.imported", f"{file} {written.added} added {written.changed} changed")
            return written

        written = self._means.write(job).result()
        return {**written._asdict(), "told": self._told(None)}

    # -- rounds --------------------------------------------------------------------------------------------------------

    def bring(self) -> None:
        """Make AstDB hold what the database says."""
        with self._lock:
            self._sure = False
            self._agree()

    def look_after(self) -> None:
        """Stamp what was told, once a day compare everything and forget old callers, speak names ahead."""
        now_ms = self._means.clock_ms()
        due = self._tidied_ms is None or abs(now_ms - self._tidied_ms) > DAY_MS
        with self._lock:
            if due or not self._sure:
                self._agree(whole=due)
            elif not self._stamped:
                self._stamp(book.digest(sorted(self._wanted().items())))
        if due:
            left = self._forget_old(now_ms)
            self._tidied_ms = None if left else now_ms
        self._names.speak_some()

    # -- Asterisk, inside the lock -------------------------------------------------------------------------------------

    def _told(self, number: str | None) -> bool:
        """Tell Asterisk about one contact, or all; False when it will be told later."""
        try:
            with self._lock:
                if number is None or not self._sure:
                    self._agree()
                    return True
                found = self._means.read(lambda db: book.contact(db, number))
                value = switches([found], self._means.office()).get(key(number), "") if found else ""
                self._sure = False  # until this change is there
                self._unstamp()
                self._put(FAMILY, key(number), value)
                self._sure = True
        except RamalError as error:
            log.info("Asterisk is told about contacts later: %s", error)
            return False
        return True

    def _wanted(self) -> dict[str, str]:
        return switches(self._means.read(book.every_contact), self._means.office())

    def _agree(self, whole: bool = False) -> None:
        """Make AstDB hold all contacts; ``whole``: compare each, also when the stamp fits."""
        self._sure = False
        wanted = self._wanted()
        stamp = book.digest(sorted(wanted.items()))
        if whole or self._tree(STAMP).get("all") != stamp:
            self._unstamp()
            there = self._tree(FAMILY)
            for name in there.keys() - wanted.keys():
                self._put(FAMILY, name, "")
            for name, value in wanted.items():
                if there.get(name) != value:
                    self._put(FAMILY, name, value)
            self._stamp(stamp)
        self._sure = self._stamped = True

    def _stamp(self, stamp: str) -> None:
        self._put(STAMP, "all", stamp)
        self._stamped = True

    def _unstamp(self) -> None:
        self._put(STAMP, "all", "")
        self._stamped = False

    def _put(self, family: str, name: str, value: str) -> None:
        """Write a switch; an empty value deletes it, which may be done already."""
        answer = asterisk.tell(self._means, PutSwitch(family, name, value))
        if value and not answer.ok:
            raise RamalError(f"Asterisk refused to keep a switch ({answer.get('Message')}). It is tried again.")

    def _tree(self, family: str) -> dict[str, str]:
        return asterisk.tree(self._means, family, TREE_S)

    def _forget_old(self, now_ms: int) -> bool:
        """Take out of AstDB who called on other days, and who spoke with whom or was asked for an opinion long
        ago; whether some are left."""
        zone = ZoneInfo(self._means.office().timezone)
        today = f"{datetime.datetime.fromtimestamp(now_ms / 1000, zone):%Y%m%d}"
        old = [("ramal-today", name) for name, value in self._tree("ramal-today").items() if value[:8] != today]
        oldest_s = (now_ms - LAST_KEPT_MS) // 1000
        old += [("ramal-last", name) for name, value in self._tree("ramal-last").items() if _spoke_s(value) < oldest_s]
        days = max((survey.not_again_days for survey in self._means.office().surveys), default=0)
        due_s = now_ms // 1000 - days * 86_400
        old += [("ramal-survey", name) for name, value in self._tree("ramal-survey").items() if _asked_s(value) < due_s]
        for family, name in old[:FORGOTTEN_AT_ONCE]:
            self._put(family, name, "")
        return len(old) > FORGOTTEN_AT_ONCE


def _asked_s(value: str) -> int:
    first = value.partition("|")[0]
    return int(first) if first.isascii() and first.isdigit() else 0


def _spoke_s(value: str) -> int:
    fields = value.split("|")
    return int(fields[1]) if len(fields) > 1 and fields[1].isascii() and fields[1].isdigit() else 0


def _who(request: Request) -> str:
    return request.text("who", "")[:64].strip() or "command line"


def _changes(before: Contact, after: Contact) -> str:
    """Which fields changed: the audit needs no names of people."""
    old, new = asdict(before), asdict(after)
    return " ".join(field for field in new if new[field] != old[field])
