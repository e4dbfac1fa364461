"""What an agent asks for on the own page: a pause, what a call was, a note, a call by a press.

Law: who is who stands in the database, never in the request, so an agent acts on no one else. Acts go through the very
dialplan the phone codes go through (``[ramal-mine]``); a note and an attempt to dial are on the disk before anything
else happens, and an attempt is made once. Handlers run on the control thread and only check; a worker waits.
"""

import re
import secrets
from concurrent.futures import Future
from dataclasses import dataclass

from ramal.asterisk.render_outside import never_called
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core.commands import Originate
from ramal.core.numbering import normalise, office_area
from ramal.core.office import Office
from ramal.core.places import logical
from ramal.core.state import NOTHING
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.ops.supervise import NotDone
from ramal.store import attempts, notes, read

ACTS = {"pause": "*47", "resume": "*48", "wrap-up-end": "*49", "wrap-up-more": "*50"}
"""What is asked for → the code that would be dialed for it."""
RING_MS = 30_000
FREE = ("NOT_INUSE", "UNKNOWN", "INVALID", "")
"""States of a phone that can be rung, as far as is known."""
_CALL_ID = re.compile(r"[0-9]{1,12}\.[0-9]{1,12}\Z")
_ATTEMPT = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


def subject(means: Means) -> Subject:
    """``mine.act``, ``mine.said``, ``call.note``, ``dial.start``."""
    desk = _Desk(means)
    handlers = {"mine.act": desk.act, "mine.said": desk.said, "call.note": desk.note, "dial.start": desk.dial}
    return Subject("mine", handlers)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call an agent may speak of: its queue, and the caller's digits ("" when hidden)."""

    queue: str
    digits: str


@dataclass(frozen=True, slots=True)
class _Desk:
    means: Means

    def act(self, request: Request) -> "Future[Answer]":
        """``who`` does ``act`` (a key of ``ACTS``) on the own phone; ``reason``: a pause code of the office, or ""."""
        who, act, reason = request.text("who"), request.text("act"), request.text("reason", "")
        code = ACTS.get(act)
        if code is None:
            raise NotDone("no-act", f"There is no act “{act[:20]}”. Nothing was done.")
        if act == "pause" and reason:
            key = next((pause.key for pause in self.means.office().pauses if pause.code == reason), None)
            if key is None:
                raise NotDone("no-reason", f"“{reason[:40]}” is no reason of this office. Nobody was paused.")
            code += key
        self._up()

        def job() -> Answer:
            agent = self._agent(who)
            self._tell("act", agent, (("RAMAL_CODE", code),))
            return {"agent": agent}

        return self.means.work(job)

    def said(self, request: Request) -> "Future[Answer]":
        """``who`` says that ``call``, their own, was ``code``: a disposition of its queue."""
        who, call_id, code = request.text("who"), request.text("call"), request.text("code")
        if not _CALL_ID.match(call_id):
            raise NotDone("not-your-call", "This is not a call of yours. Nothing was written down.")
        self._up()

        def job() -> Answer:
            agent = self._agent(who)
            call = self._own(agent, call_id)
            key = _key(self.means.office(), call.queue, code)
            about = (("RAMAL_ABOUT", call_id), ("RAMAL_OF", call.queue), ("RAMAL_DIGITS", call.digits))
            self._tell("said", agent, (*about, ("RAMAL_WHAT", code), ("RAMAL_KEY", key)))
            return {"agent": agent}

        return self.means.work(job)

    def note(self, request: Request) -> "Future[Answer]":
        """Keep ``text`` (at most 1,000 characters; "" takes it away) as the note of ``who`` on ``call``; agents only on
        their own calls. The answer comes when it is on the disk: ``{"at_ms"}``."""
        who, call_id, text = request.text("who"), request.text("call"), request.text("text")
        at_ms = self.means.clock_ms()
        if not _CALL_ID.match(call_id):
            raise notes.NoNote("There is no such call. Nothing was written down.")

        def job() -> Answer:
            user = self._user(who)
            if user.role == "agent":
                self._own(user.agent, call_id)
            elif self.means.read(lambda db: read.call(db, call_id)) is None:
                raise notes.NoNote("There is no such call. Nothing was written down.")
            self.means.write(lambda db: notes.put(db, at_ms, user.name, call_id, text)).result()
            return {"at_ms": at_ms}

        return self.means.work(job)

    def dial(self, request: Request) -> "Future[Answer]":
        """Ring ``phone``, then call ``number`` as if it had been dialed there; for a ``campaign`` (its name), unless it
        is "". ``attempt``: a word of the asker's own (8 to 64 letters and digits); the same one twice calls once.
        ``{"attempt", "again", "number"}``."""
        who, phone, attempt = request.text("who"), request.text("phone"), request.text("attempt")
        if not _ATTEMPT.match(attempt):
            raise NotDone("no-attempt", "This is no name of an attempt. Nobody was called.")
        if phone not in {one.extension for one in self.means.office().phones}:
            raise NotDone("no-phone", f"This office has no phone “{phone[:20]}”. Nobody was called.")
        number = to_dial(self.means.office(), request.text("number"))
        code = _code(self.means.office(), request.text("campaign", ""))
        self._up()
        at_ms = self.means.clock_ms()

        def job() -> Answer:
            user = self._user(who)
            if user.role == "agent" and user.agent and phone != self._seat(user.agent):
                raise NotDone("not-your-phone", "That is not the phone you are signed in at. Nobody was called.")
            told = {"attempt": attempt, "number": number}
            if self.means.read(lambda db: attempts.known(db, attempt)):
                return {**told, "again": True}
            if self._state_of(phone) not in FREE:
                raise NotDone("phone-busy", f"Phone {phone} is in use. Nobody was called.")
            began = attempts.Attempt(attempt, at_ms, user.name, phone, number)
            if not self.means.write(lambda db: attempts.begin(db, began)).result():
                return {**told, "again": True}
            variables = (("RAMAL_PHONE", phone), *((("RAMAL_FOR", code),) if code else ()))
            self._originate(f"PJSIP/{phone}", "ramal-click", number, f"<{number}>", variables, attempt)
            return {**told, "again": False}

        return self.means.work(job)

    # -- who is who ----------------------------------------------------------------------------------------------------

    def _user(self, who: str) -> read.User:
        user: read.User | None = self.means.read(lambda db: read.user(db, who))
        if user is None:
            raise NotDone("nobody", "It must be said who asks. Nothing was done.")
        return user

    def _agent(self, who: str) -> str:
        """The agent this user is; NotDone for a user who is none."""
        code = self._user(who).agent
        if not code or code not in {agent.code for agent in self.means.office().agents}:
            raise NotDone("no-agent-you", "Your sign-in belongs to no agent of this office. Nothing was done.")
        return code

    def _seat(self, agent: str) -> str:
        """The phone this agent is logged in at; NotDone when at none."""
        for _, phone in self.means.state().members.get(agent, NOTHING):
            return str(phone)
        raise NotDone("you-not-here", "You are not signed in at any phone. Nothing was done.")

    def _own(self, agent: str, call_id: str) -> _Call:
        """The agent's call, ringing, going on, or kept in the history; NotDone for any other."""
        state, office = self.means.state(), self.means.office()
        now = state.talks.get(agent) or state.rings.get(agent)
        if agent and now is not None and now.call == call_id:
            return _Call(logical(now.queue), _digits(now.caller, office))
        known = self.means.read(lambda db: read.call(db, call_id))
        stays = (known.call.agent, *(leg.agent for leg in known.legs)) if known else ()
        if known is None or not agent or agent not in stays:
            raise NotDone("not-your-call", "This is not a call of yours. Nothing was written down.")
        return _Call(known.call.queue, _digits(known.call.caller, office))

    # -- Asterisk ------------------------------------------------------------------------------------------------------

    def _up(self) -> None:
        if not self.means.state().asterisk.up:
            raise NotDone("asterisk-down", "Asterisk does not answer now. Nothing was done; try again in a moment.")

    def _state_of(self, phone: str) -> str:
        try:
            return asterisk.device_state(self.means, f"PJSIP/{phone}")
        except RamalError:
            return ""

    def _tell(self, what: str, agent: str, variables: tuple[tuple[str, str], ...]) -> None:
        """Have it done at the phone where the agent sits."""
        seat = (("RAMAL_PHONE", self._seat(agent)), ("RAMAL_AGENT", agent))
        attempt = f"mine-{secrets.token_hex(8)}"
        self._originate(f"Local/{what}@ramal-mine/n", "ramal-mine", "hear", "", (*seat, *variables), attempt)

    def _originate(
        self, channel: str, context: str, exten: str, shown: str, variables: tuple[tuple[str, str], ...], attempt: str
    ) -> None:
        asterisk.tell(self.means, Originate(attempt, channel, context, exten, shown, RING_MS, variables))


def to_dial(office: Office, typed: str) -> str:
    """What a phone dials to call ``typed``: E.164, when phones of this office may call there; NotDone when not."""
    number = normalise(typed, office.country, office_area(office))
    why = never_called(number, office) if number else "ours"
    if why == "ours":
        raise NotDone("no-number", "This is no number that can be called. Nobody was called.")
    if office.dial_out == "no":
        raise NotDone("dial-out-no", "Phones of this office do not call outside (dial_out). Nobody was called.")
    if why == "premium":
        raise NotDone("dial-out-premium", f"{number} is a costly number, which is never called. Nobody was called.")
    if why == "abroad":
        raise NotDone("dial-out-abroad", f"{number} is abroad, and phones here do not call abroad. Nobody was called.")
    return number


def _code(office: Office, campaign: str) -> str:
    """What phones dial for a campaign; "" for none; NotDone when the office has no such campaign."""
    known = {each.name: each.code for each in office.campaigns} | {"": ""}
    if campaign not in known:
        raise NotDone("no-campaign", f"This office has no campaign “{campaign[:31]}”. Nobody was called.")
    return known[campaign]


def _digits(number: str, office: Office) -> str:
    return normalise(number, office.country, office_area(office)).removeprefix("+")


def _key(office: Office, queue: str, code: str) -> str:
    """The key of a queue's disposition; NotDone when the queue has none of this code."""
    for one in office.queues:
        for disposition in one.dispositions if one.name == queue else ():
            if disposition.code == code:
                return disposition.key
    raise NotDone("no-disposition", "The queue of this call has no such answer. Nothing was written down.")
