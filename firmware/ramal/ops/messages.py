"""Boxes, as the page asks for them, and the watch that keeps boxes, history and files the same.

Law: a box is Asterisk's (``dialplan/message.conf``) and goes on without the daemon; what the page does with a message
is done by the same dialplan, so that a phone, a lamp and the history see it alike. Who is who stands in the database,
never in the request. Handlers run on the control thread and only check; a worker waits. ``watch`` runs on the rounds
thread: what a crash took out of a box comes back, what has no sound any more leaves it, what was deleted a week ago
loses its file. It acts only on what was amiss in two rounds, for the journals may be behind.
"""

import logging
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core.commands import Originate, PutSwitch
from ramal.core.messages import box_of, may_open
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.ops import asterisk, letters
from ramal.ops.means import Means, Subject
from ramal.ops.supervise import NotDone
from ramal.store import holds, messages, read, users
from ramal.store.messages import Held, MessageRow
from ramal.vault import removal

log = logging.getLogger(__name__)

ACTS = ("heard", "returned", "deleted", "restored")
RING_MS = 10_000
YOUNG_MS = 60_000
LEAST_MS = 1000
"""A message that was cut off counts from so much sound on."""
ADOPT_MS = 7 * 86_400_000


def subject(means: Means) -> Subject:
    """``message.act`` and ``message.note``."""
    desk = _Desk(means)
    return Subject(
        "messages", {"message.act": desk.act, "message.note": desk.note}, at_up=desk.watch, now_and_then=desk.watch
    )


def may_hear(office: Office, user: read.User, box: str) -> bool:
    """Whether a user of the page may hear this box: owners and supervisors all, agents as by phone."""
    if user.role in ("owner", "supervisor"):
        return True
    agent = next((one for one in office.agents if user.role == "agent" and user.agent and one.code == user.agent), None)
    known = box_of(office, box)
    return agent is not None and known is not None and may_open(office, known, agent)


@dataclass(slots=True)
class _Desk:
    means: Means
    _amiss: set[tuple[str, str]] = field(default_factory=set)

    def act(self, request: Request) -> "Future[Answer]":
        """``who`` does ``act`` (one of ``ACTS``) with message ``id``; the answer comes when Asterisk has been told."""
        who, id, act = request.text("who"), request.text("id"), request.text("act")
        if act not in ACTS:
            raise NotDone("no-act", f"There is no act “{act[:20]}”. Nothing was done.")
        if not self.means.state().asterisk.up:
            raise NotDone("asterisk-down", "Asterisk does not answer now. Nothing was done; try again in a moment.")

        def job() -> Answer:
            user, row = self._row(who, id)
            if act == "heard" and row.state != "new":
                return {}
            if act == "restored" and (row.state != "deleted" or not row.sound):
                raise NotDone("no-sound", "The sound of this message is gone. It was not brought back.")
            if act != "restored" and row.state == "deleted":
                raise NotDone("no-message", "There is no such message any more. Nothing was done.")
            at_ms = self.means.clock_ms()
            detail = f"{row.box} {row.id} {row.number}".strip()
            if act != "heard":  # a listening is in the audit by itself
                self.means.write(lambda db: users.audit(db, at_ms, user.name, f"message.{act}", detail)).result()
            self._tell(act, row.box, row.id, user.name, self._record(row.id))
            return {}

        return self.means.work(job)

    def note(self, request: Request) -> "Future[Answer]":
        """Keep ``text`` (at most 500 characters; "" takes it away) beside message ``id``."""
        who, id, text, at_ms = request.text("who"), request.text("id"), request.text("text"), self.means.clock_ms()

        def job() -> Answer:
            user, row = self._row(who, id)
            self.means.write(lambda db: messages.remark(db, at_ms, user.name, row.id, text)).result()
            return {}

        return self.means.work(job)

    def _row(self, who: str, id: str) -> tuple[read.User, MessageRow]:
        user: read.User | None = self.means.read(lambda db: read.user(db, who))
        row: MessageRow | None = self.means.read(lambda db: messages.get(db, id[:64]))
        if user is None:
            raise NotDone("nobody", "It must be said who asks. Nothing was done.")
        if row is None or not may_hear(self.means.office(), user, row.box):
            raise NotDone("no-message", "There is no such message. Nothing was done.")
        return user, row

    def _record(self, id: str) -> str:
        """What its box holds of a message."""
        query = "SELECT at_ms / 1000 || '|' || sound_ms || '|' || number || '|' || file FROM message WHERE id = ?"
        found = self.means.read(lambda db: db.execute(query, (id,)).fetchone())
        return "" if found is None else str(found[0])

    def _tell(self, act: str, box: str, id: str, who: str, record: str) -> None:
        variables = (("RAMAL_BOX", box), ("RAMAL_ID", id), ("RAMAL_WHO", who), ("RAMAL_RECORD", record))
        attempt = f"message-{secrets.token_hex(8)}"
        channel = f"Local/{act}@ramal-message-page/n"
        asterisk.tell(self.means, Originate(attempt, channel, "ramal-message-page", "hear", "", RING_MS, variables))

    # -- the watch -----------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Put right what an accident left behind, and have mails made."""
        if not self.means.office().name:
            return
        letters.look(self.means)
        self._remove_files()
        if not self.means.state().asterisk.up:
            return
        now_ms = self.means.clock_ms()

        def look(db: sqlite3.Connection) -> tuple[list[Held], list[Held], list[tuple[str, str]]]:
            since_ms = now_ms - ADOPT_MS
            return messages.held(db), messages.cut_off(db, since_ms, LEAST_MS), messages.without_sound(db)

        held, cut_off, silent = self.means.read(look)
        there = self._index("ramal-message-new") | self._index("ramal-message-old")
        lost = {(each.box, each.id): each for each in held if each.at_ms < now_ms - YOUNG_MS}
        amiss = {key for key in lost if key not in there and (key[1], key[0]) not in silent}
        amiss |= {(each.box, each.id) for each in cut_off if (each.box, each.id) not in there}
        amiss |= {(box, id) for id, box in silent if (box, id) in there}
        both, self._amiss = amiss & self._amiss, amiss
        for each in (each for key, each in lost.items() if key in both and (each.id, each.box) not in silent):
            log.warning("box %s had lost message %s; it is put back", each.box, each.id)
            asterisk.tell(self.means, PutSwitch(f"ramal-message-{each.state}/{each.box}", each.id, each.record))
        if any(key in both for key in lost):
            asterisk.tick(self.means, "messages")
        for each in cut_off:
            if (each.box, each.id) in both:
                log.warning("message %s was cut off by a crash; it is in box %s now", each.id, each.box)
                self._tell("adopted", each.box, each.id, "", each.record)
        for id, box in silent:
            if (box, id) in both:
                self._tell("expired", box, id, "", "")

    def _index(self, family: str) -> set[tuple[str, str]]:
        """(box, id) of what Asterisk's boxes hold."""
        answer, rows = self.means.ask_list("DBGetTree", (("Family", family),))
        if not answer.ok and "not found" not in answer.get("Message").lower():
            raise RamalError(f"Asterisk did not tell its messages ({answer.get('Message')}). Nothing was changed.")
        keys = (row.get("Key").split("/") for row in rows if row.get("Key"))
        return {(key[-2], key[-1]) for key in keys if len(key) > 3}

    def _remove_files(self) -> None:
        if not self.means.trusted():
            return  # for their age: not while it is not known
        now_ms = self.means.clock_ms()
        for recording, call in self.means.read(lambda db: messages.to_remove(db, now_ms)):
            if self.means.read(lambda db: holds.of_call(db, call, now_ms)):  # noqa: B023
                continue
            removal.remove(self.means.home, self._write, recording, now_ms, "deleted")

    def _write(self, job: Callable[[sqlite3.Connection], object]) -> object:
        return self.means.write(job).result()
