"""Requests about a person's data: open, export handed out, erase (``ops.erasure``).

Law: requests run on the control thread and only hand over; erasures on a thread of their own, named ``privacy``, one
after the other, at the lowest priority.
"""

import logging
import os
import secrets
import sqlite3
import threading
from concurrent.futures import Future

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import privacy
from ramal.core.office import Office
from ramal.core.privacy import Identity, Mask, NoSubject
from ramal.errors import RamalError
from ramal.ops import erasing
from ramal.ops.erasure import Erasure, NotYet, staying
from ramal.ops.means import Means, Subject
from ramal.store import privacy as book

log = logging.getLogger(__name__)

SETTLE_MS = 60_000
"""So long after a person's last call nothing is erased: its journal may still grow."""
NICE = 19
RETRY_S = 30.0


def subject(means: Means, settle_ms: int = SETTLE_MS) -> Subject:
    """``subject.open``, ``erase``, ``exported``, ``close``, ``staying``. The ingest's place in journals that an erasure
    was writing over when the last daemon died is put right here, before the history is read on."""
    desk = Desk(means, settle_ms)
    if any(one.step == "journals" for one in means.write(book.unfinished).result()):
        means.write(lambda db: erasing.mend_cursors(db, means.home)).result()
    return Subject(
        "privacy",
        {
            "subject.open": desk.open,
            "subject.erase": desk.erase,
            "subject.exported": desk.exported,
            "subject.close": desk.close,
            "subject.staying": desk.staying,
        },
        start=desk.start,
        stop=desk.stop,
        now_and_then=desk.soon,
    )


class Desk:
    """Takes requests and carries erasures out, one after the other."""

    def __init__(self, means: Means, settle_ms: int = SETTLE_MS) -> None:
        self._means, self._settle_ms = means, settle_ms
        self._stopping, self._wanted = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="privacy", daemon=True)
        self._told = ""

    def start(self) -> None:
        """Begin to carry out what is unfinished."""
        self._wanted.set()
        self._thread.start()

    def stop(self) -> None:
        """End after the step in hand; the next daemon goes on."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def soon(self) -> None:
        """Look again."""
        self._wanted.set()

    # -- requests ------------------------------------------------------------------------------------------------------

    def open(self, request: Request) -> "Future[Answer]":
        """Write a request down: ``number``, ``kind`` (access, erase). ``{"id", "number"}``; NoSubject."""
        who, number, kind = _who(request), request.text("number"), request.text("kind")
        if kind not in ("access", "erase"):
            raise NoSubject("A request is for access or to erase. Nothing was written down.")
        at_ms = self._means.clock_ms()

        def job(db: sqlite3.Connection) -> Answer:
            person = book.identified(db, number)
            return {"id": book.open_request(db, at_ms, who, kind, person), "number": person.number}  # type: ignore[arg-type]

        return self._means.write(job)

    def erase(self, request: Request) -> "Future[Answer]":
        """Let the erasure of request ``id`` begin: ``{"code"}``, which is shown once and kept nowhere. NoSubject when
        the number is one of the office's own, or a call with it goes on."""
        who, id, at_ms = _who(request), _id(request), self._means.clock_ms()
        code = secrets.token_hex(8)

        def job(db: sqlite3.Connection) -> Answer:
            person = _person(db, id)
            if ours(self._means.office(), person):
                raise NoSubject(
                    "This number stands in the office file (a number, phone or destination of the office). Nothing was "
                    "erased. Take it out of the office first."
                )
            book.begin(db, at_ms, who, id, person, privacy.digest(code, person.number))
            return {"code": code}

        future: Future[Answer] = self._means.write(job)
        future.add_done_callback(lambda _: self.soon())
        return future

    def exported(self, request: Request) -> "Future[Answer]":
        """An export was handed out for request ``id``: audited; ``what`` is how much it was."""
        who, id, what, at_ms = _who(request), _id(request), request.text("what", "")[:200], self._means.clock_ms()

        def job(db: sqlite3.Connection) -> Answer:
            book.answered(db, at_ms, who, id, what)
            return {}

        return self._means.write(job)

    def close(self, request: Request) -> "Future[Answer]":
        """Take request ``id`` off the list unanswered."""
        who, id, at_ms = _who(request), _id(request), self._means.clock_ms()

        def job(db: sqlite3.Connection) -> Answer:
            book.close(db, at_ms, who, id)
            return {}

        return self._means.write(job)

    def staying(self, request: Request) -> "Future[Answer]":
        """What would have to stay of ``number``: ``{"staying": [[recording, reason, until_ms], …]}``."""
        means, number, now_ms = self._means, request.text("number"), self._means.clock_ms()

        def read(db: sqlite3.Connection) -> Answer:
            person = book.identified(db, number)
            away = staying(db, means, book.party(db, person.number), now_ms)
            return {"staying": [[one, why, until_ms] for one, (why, until_ms) in away.recordings.items()][:2000]}

        return means.work(lambda: means.read(read))

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError:
            log.debug("people are erased at normal priority", exc_info=True)
        while not self._stopping.is_set():
            self._wanted.wait(RETRY_S)
            self._wanted.clear()
            try:
                for one in self._means.read(book.unfinished):
                    if self._stopping.is_set():
                        return
                    self._one(one)
            except Exception:
                log.exception("erasing stumbled; it is tried again")

    def _one(self, one: book.SubjectRequest) -> None:
        try:
            if Erasure(self._means, one, self._settle_ms, self._stopping.is_set).run():
                log.info("request %d: what was asked to be erased is erased", one.id)
                self._told = ""
        except NotYet as reason:
            if str(reason) != self._told:
                log.info("request %d waits: %s", one.id, reason)
            self._told = str(reason)
        except (RamalError, OSError, sqlite3.Error) as error:
            log.warning("request %d: the erasure is tried again: %s", one.id, error)


def ours(office: Office, person: Identity) -> bool:
    """Whether the number is one of the office's own."""
    return Mask(person, privacy.token(person, 1)).hits(repr(office).encode())


def _person(db: sqlite3.Connection, id: int) -> Identity:
    one = book.subject_request(db, id)
    if one is None or not one.number:
        raise NoSubject("There is no such request. Nothing was done.")
    return book.identified(db, one.number)


def _id(request: Request) -> int:
    text = request.text("id")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NoSubject("There is no such request. Nothing was done.")
    return int(text)


def _who(request: Request) -> str:
    who = request.text("who", "").strip()[:64]
    if not who:
        raise NoSubject("It must be said who asks. Nothing was done.")
    return who
