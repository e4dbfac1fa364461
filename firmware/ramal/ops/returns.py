"""Callbacks and missed calls, as the page and the command line ask for them, and the watch over pending callbacks.

Law: what a person decides is saved before Asterisk is told; an attempt to call somebody back is kept before anybody is
dialed and never made twice. Callbacks live in Asterisk (``dialplan/callback.conf``) and go on without the daemon; here
only what an accident left behind is put right (``watch``). Handlers run on the control thread and only check; a worker
waits.
"""

import contextlib
import logging
import re
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any

from ramal.ami.errors import AmiRefused
from ramal.asterisk.render_outside import never_called
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import callback_history
from ramal.core.callback_history import Callback
from ramal.core.commands import Originate, PutSwitch
from ramal.core.history import call_key
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.store import callbacks, returns
from ramal.store.ingest import CEL_NAME, QUEUE_NAME

log = logging.getLogger(__name__)

YOUNG_MS = 60_000
"""A callback asked for so recently may not have its record yet, as far as the journals tell."""
CALLING_MS = 3_600_000
"""No attempt takes so long: what is still said to be one is an end whose line was lost."""
OVER_MS = 10_000
"""A record is gone at most so long after its end was written, unless a crash brought it back."""
LAG_S, READ_S = 1.0, 4.0
"""How long a journal's line may be on its way to the file, and how long it is waited that the journals are read."""
ALIVE_S = 150
"""So long after its last word the daemon counts as dead, and customer-first callbacks go on agent first."""
RING_MS = 30_000
_ATTEMPT = re.compile(r"[A-Za-z0-9-]{8,64}\Z")
_CALL_ID = re.compile(r"[0-9A-Za-z_.-]{1,64}\Z")
_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}\Z")


def subject(means: Means) -> Subject:
    """``callback.list``, ``callback.cancel``, ``missed.list``, ``missed.call``, ``missed.dismiss``."""
    desk = _Desk(means)
    return Subject(
        "returns",
        {
            "callback.list": desk.callbacks,
            "callback.cancel": desk.cancel,
            "missed.list": desk.missed,
            "missed.call": desk.call,
            "missed.dismiss": desk.dismiss,
        },
        at_up=desk.watch,
        now_and_then=desk.watch,
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    means: Means

    # -- callbacks -----------------------------------------------------------------------------------------------------

    def callbacks(self, request: Request) -> "Future[Answer]":
        """``{"callbacks": […]}``: all that are not over, the longest waiting first."""
        return self.means.work(
            lambda: {"callbacks": [asdict(callback) for callback in self.means.read(callbacks.pending)]}
        )

    def cancel(self, request: Request) -> "Future[Answer]":
        """Nobody is called back: ``call`` (or ``id``) is the call it was asked for in; ``who``, ``reason``."""
        means, who, reason = self.means, _who(request), request.text("reason", "")
        callback_id = request.text("call", "") or request.text("id")
        if not _CALL_ID.match(callback_id):
            raise RamalError("There is no such callback. Nothing was changed.")

        def job() -> Answer:
            known = means.read(lambda db: callbacks.get(db, callback_id))
            if known is not None and known.state == "calling":
                raise RamalError("The customer is being called at this moment. Nothing was changed.")
            at_ms = means.clock_ms()
            callback = means.write(lambda db: callbacks.cancel(db, at_ms, who, callback_id, reason)).result()
            self._take_away(callback, self._records())
            return {"number": callback.number}

        return means.work(job)

    def watch(self) -> None:
        """Say that this daemon lives, and put right what an accident left behind. On the rounds thread."""
        if any(queue.callback == "customer-first" for queue in self.means.office().queues):
            until_s = self.means.clock_ms() // 1000 + ALIVE_S
            asterisk.tell(self.means, PutSwitch("ramal-daemon", "alive", str(until_s)))
        if not self.means.state().asterisk.up:
            return
        records = self._records()
        for callback in self.means.read(lambda db: _over(db, records, self.means.clock_ms())):
            self._take_away(callback, self._records())
        pending = self.means.read(callbacks.pending)
        for callback in pending:
            digits, record = _of(records, callback)
            if record[1:2] == [callback.id] and len(record) > 4 and not self._standins(digits):
                log.info("the callback to %s has no stand-in; it gets one", callback.number)
                self._stand_in(digits, record[4])
        if any(_of(records, callback)[1][1:2] != [callback.id] for callback in pending) and self._read_up():
            records = self._records()
            for callback in self.means.read(callbacks.pending):
                if _of(records, callback)[1][1:2] != [callback.id]:
                    self._missing(callback, records)

    def _read_up(self) -> bool:
        """Wait, a little, until the history knows all that the journals say by now: who ended is no longer pending."""
        time.sleep(LAG_S)
        folder, marks = self.means.home.asterisk_log, {}
        for name in (CEL_NAME, QUEUE_NAME):
            with contextlib.suppress(OSError):
                seen = (folder / name).stat()
                marks[name] = (seen.st_ino, seen.st_size)
        until = time.monotonic() + READ_S
        while not self.means.read(lambda db: callbacks.read_past(db, marks)):
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def _missing(self, callback: Callback, records: Mapping[str, list[str]]) -> None:
        """Asterisk has no record of it. After a crash that is what was not committed, and it is written again; a
        callback of which anything was said since the last start had its record then, and is not called anew."""
        means, now_ms, (digits, other) = self.means, self.means.clock_ms(), _of(records, callback)
        crashed = means.read(lambda db: callbacks.silent_since_restart(db, callback.id))
        kept = means.read(lambda db: callbacks.kept(db, callback.id))
        again = "" if other else callback_history.record(callback, kept)
        if crashed and again:
            log.warning("the callback to %s was lost by Asterisk when it crashed; it is noted again", callback.number)
            variables = (("RAMAL_DIGITS", digits), ("RAMAL_RECORD", again))
            asterisk.tick(means, "lost", variables)
        elif means.trusted() and callback.asked_ms < now_ms - (CALLING_MS if callback.state == "calling" else YOUNG_MS):
            why = "asked again" if other else "lost"
            log.warning("the callback to %s is no longer known to Asterisk (%s); it is over", callback.number, why)
            means.write(lambda db: callbacks.cancel(db, now_ms, "ramal", callback.id, why)).result()

    def _stand_in(self, digits: str, expires: str) -> None:
        """Start it as the dialplan does; a second one would see that it is not alone and go."""
        now_s = self.means.clock_ms() // 1000
        left_s = int(expires) - now_s + 15 if expires.isdigit() and len(expires) < 12 else 0
        attempt = f"standin-{secrets.token_hex(8)}"
        # An expired one still gets a moment: its dialplan then writes that it expired.
        command = Originate(
            attempt,
            f"Local/{digits}@ramal-standin/n",
            "ramal-standin-call",
            digits,
            f"<+{digits}>",
            max(left_s, 30) * 1000,
        )
        asterisk.tell(self.means, command)

    def _take_away(self, callback: Callback, records: Mapping[str, list[str]]) -> None:
        """A cancelled callback's record and stand-in; RamalError when Asterisk is not there: then the next round."""
        digits = callback.number.removeprefix("+")
        if records.get(digits, [])[1:2] != [callback.id]:
            return
        asterisk.tell(self.means, PutSwitch("ramal-callback", digits, ""))
        asterisk.tell(self.means, PutSwitch("ramal-standin", digits, ""))
        for channel in self._standins(digits):
            with contextlib.suppress(AmiRefused):  # its other half took it along
                self.means.ask("Hangup", (("Channel", channel),))

    def _records(self) -> dict[str, list[str]]:
        """What Asterisk knows: digits to the record's fields (dialplan/callback.conf)."""
        return {digits: record.split("|") for digits, record in asterisk.tree(self.means, "ramal-callback").items()}

    def _standins(self, digits: str) -> list[str]:
        """The channels of a callback's stand-in, now."""
        wanted = (("Variable", f"CHANNELS(^Local/{digits}@ramal-standin)"),)
        return self.means.ask("Getvar", wanted).get("Value").split()

    # -- missed calls --------------------------------------------------------------------------------------------------

    def missed(self, request: Request) -> "Future[Answer]":
        """``{"missed": […], "open": n}``: a page of the open ones, the latest first."""

        def read(db: Any) -> Answer:
            return {"missed": [asdict(row) for row in returns.listed(db)], "open": returns.waiting(db)}

        return self.means.work(lambda: self.means.read(read))

    def dismiss(self, request: Request) -> "Future[Answer]":
        """Take ``number`` off the list for ``reason``."""
        who, number, reason, at_ms = _who(request), _number(request), request.text("reason"), self.means.clock_ms()

        def job(db: Any) -> Answer:
            returns.dismiss(db, at_ms, who, number, reason[:200])
            return {}

        return self.means.write(job)

    def call(self, request: Request) -> "Future[Answer]":
        """Ring ``phone`` (somebody is logged in there), then call ``number`` of the list. ``attempt``: a word of the
        asker's own (8 to 64 letters and digits); the same one twice calls once."""
        means, who, number, phone = self.means, _who(request), _number(request), request.text("phone")
        attempt = request.text("attempt", "") or f"return-{secrets.token_hex(8)}"
        if not _ATTEMPT.match(attempt):
            raise RamalError("This is no name of an attempt. Nobody was called.")
        agent = self._agent_at(phone)
        self._may_call(number)
        if not means.state().asterisk.up:
            raise RamalError("Asterisk does not answer now. Nobody was called; try again in a moment.")
        at_ms = means.clock_ms()

        def job() -> Answer:
            shown = means.read(lambda db: _asked_number(db, number))
            if shown is None:
                raise RamalError("This number is not on the list of missed calls (any more). Nobody was called.")
            if means.write(lambda db: returns.begin(db, at_ms, who, number, phone, agent, attempt)).result() is None:
                return {"attempt": attempt, "again": True}
            variables = (("RAMAL_RETURN_AGENT", agent), ("RAMAL_RETURN_SHOWN", shown), ("RAMAL_PHONE", phone))
            channel = f"PJSIP/{phone}"
            ring = Originate(attempt, channel, "ramal-return", number[1:], f"<{number}>", RING_MS, variables)
            asterisk.tell(means, ring)
            return {"attempt": attempt, "again": False}

        return means.work(job)

    def _agent_at(self, phone: str) -> str:
        for agent, seats in self.means.state().members.items():
            if any(seat == phone for _, seat in seats):
                return agent
        raise RamalError(f"Nobody is logged in at phone {phone[:12]}. Log in with *45 first. Nobody was called.")

    def _may_call(self, number: str) -> None:
        match never_called(number, self.means.office()):
            case "ours":
                raise RamalError(f"{number} is a number of this office. Nobody was called.")
            case "premium":
                raise RamalError(f"{number} costs more than a call back may. Nobody was called.")
            case "abroad":
                raise RamalError(f"{number} is abroad, and this office does not call abroad. Nobody was called.")


def _of(records: Mapping[str, list[str]], callback: Callback) -> tuple[str, list[str]]:
    """The digits of a callback's number, and the record Asterisk has for them."""
    digits = callback.number.removeprefix("+")
    return digits, records.get(digits, [])


def _over(db: Any, records: Mapping[str, list[str]], now_ms: int) -> list[Callback]:
    """Callbacks that are over although Asterisk has their record: cancelled, or it crashed before it had forgotten."""
    found = (callbacks.get(db, record[1]) for record in records.values() if len(record) > 4)
    return [
        callback
        for callback in found
        if callback is not None
        and callback.ended_ms is not None
        and (callback.state == "cancelled" or callback.ended_ms < now_ms - OVER_MS)
    ]


def _asked_number(db: Any, number: str) -> str | None:
    """The number of ours that this caller had called last, to be shown now; None when nobody misses this caller."""
    row = returns.of_number(db, number)
    if row is None or row.state != "open":
        return None
    asked = db.execute("SELECT number FROM call WHERE key = ?", (call_key(row.last_call),)).fetchone()
    return "" if asked is None else str(asked[0])


def _who(request: Request) -> str:
    who = request.text("who", "").strip()[:40]
    if not who:
        raise RamalError("It must be said who asks. Nothing was done.")
    return who


def _number(request: Request) -> str:
    number = request.text("number")
    if not _NUMBER.match(number):
        raise RamalError("This is no number with + and country code. Nothing was done.")
    return number
