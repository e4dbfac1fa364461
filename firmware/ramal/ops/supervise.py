"""What supervisors ask for on the page: pause, log out, listen, move a caller on or to the front.

Law: who asked is saved before Asterisk is told (``audit``), and acts on agents go through the very dialplan the phone
codes go through (``[ramal-page]``), so AstDB, queue_log, history and lamps agree. Handlers run on the control thread
and only check; the waiting is done by a worker. Errors are sentences (RamalError): nothing was done then.
"""

import re
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import order
from ramal.core.commands import ChangePriority, Originate, ToAsterisk, WithdrawCaller
from ramal.core.events import CallerRanked, Waiting
from ramal.core.office import Agent, Office
from ramal.core.state import NOTHING
from ramal.errors import RamalError
from ramal.ops import asterisk
from ramal.ops.means import Means, Subject
from ramal.store import users

MODES = ("listen", "whisper", "barge")
FIRST_PRIO = (order.LEVEL_MAX + 1) * order.SPAN
"""Above every place that ``core.order`` gives."""
RING_MS = 30_000
REASON = "supervisor"
_USER = re.compile(r"[^A-Za-z0-9._@-]")


class NotDone(RamalError):
    """Why nothing was done; ``code`` says which of a few reasons it was."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def subject(means: Means) -> Subject:
    """The supervisor's requests."""
    desk = _Desk(means)
    return Subject(
        "supervise",
        {
            "agent.pause": lambda request: desk.act(request, "pause"),
            "agent.resume": lambda request: desk.act(request, "resume"),
            "agent.logout": lambda request: desk.act(request, "logout"),
            "spy.start": desk.spy,
            "caller.move": desk.move,
            "caller.first": desk.first,
        },
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    means: Means

    def act(self, request: Request, act: str) -> "Future[Answer]":
        """Pause, resume or log out ``agent`` for ``who``; ``reason`` is a pause code of the office, or left out."""
        who, office = _who(request), self.means.office()
        agent = _agent(office, request.text("agent"))
        self._phone(agent)
        reason = request.text("reason", "") or REASON
        if reason != REASON and reason not in {pause.code for pause in office.pauses}:
            raise NotDone("no-reason", f"“{reason[:40]}” is no reason of this office. Nobody was paused.")
        variables = (("RAMAL_ACT", act), ("RAMAL_AGENT", agent.code), ("RAMAL_WHO", who), ("RAMAL_REASON", reason))
        detail = f"{agent.code} {reason}" if act == "pause" else agent.code
        return self._do(who, f"agent.{act}", detail, [_originate("Local/act@ramal-page/n", "done", variables, RING_MS)])

    def spy(self, request: Request) -> "Future[Answer]":
        """Ring ``phone``; when it answers it hears ``agent`` in ``mode``."""
        who, office = _who(request), self.means.office()
        agent, mode, phone = _agent(office, request.text("agent")), request.text("mode"), request.text("phone")
        if mode not in MODES:
            raise NotDone("no-mode", f"There is no mode “{mode[:20]}”: it is {', '.join(MODES)}. Nothing was done.")
        if phone not in {one.extension for one in office.phones}:
            raise NotDone("no-phone", f"This office has no phone “{phone[:20]}”. Nothing was done.")
        if self._phone(agent) == phone:
            raise NotDone("own-phone", "That is the phone the agent talks on. Choose another one to listen with.")
        standing = self.means.state().standings.get(agent.code)
        if standing is None or standing.state not in ("talking", "busy"):
            raise NotDone("not-talking", f"{agent.name} is not on a call now, so there is nothing to hear.")
        variables = (("RAMAL_ACT", mode), ("RAMAL_AGENT", agent.code), ("RAMAL_WHO", who), ("RAMAL_PHONE", phone))
        ring = _originate(f"PJSIP/{phone}", "spy", variables, RING_MS, caller_id=f'"{mode}" <{agent.code}>')
        return self._do(who, f"spy.{mode}", f"{agent.code} {phone}", [ring])

    def move(self, request: Request) -> "Future[Answer]":
        """Send a waiting ``call`` to another ``queue``."""
        who, office = _who(request), self.means.office()
        waiting, queue = self._waiting(request.text("call")), request.text("queue")
        if queue not in {one.name for one in office.queues}:
            raise NotDone("no-queue", f"This office has no queue “{queue[:40]}”. The caller waits where they were.")
        if queue == waiting.office_queue:
            raise NotDone("same-queue", "The caller waits in that queue already.")
        withdraw = WithdrawCaller(waiting.queue, waiting.channel, f"move:{queue}")
        return self._do(who, "caller.move", f"{waiting.call} {queue}", [withdraw])

    def first(self, request: Request) -> "Future[Answer]":
        """Put a waiting ``call`` before all others of its queue; it stays there also when it goes to another stage."""
        who, waiting = _who(request), self._waiting(request.text("call"))
        change = ChangePriority(waiting.queue, waiting.channel, FIRST_PRIO)
        return self._do(who, "caller.first", waiting.call, [change], lambda: self._lift(waiting))

    def _lift(self, waiting: Waiting) -> None:
        """Have it hold for the later stages of this queue, and for the queues after it; ageing never moves it back."""
        for name, value in (("RAMAL_PRIO0", FIRST_PRIO), ("RAMAL_LEVEL", order.LEVEL_MAX)):
            self.means.ask("Setvar", (("Channel", waiting.channel), ("Variable", name), ("Value", str(value))))
        since_s = waiting.joined_ms // 1000
        rank = CallerRanked(
            *(waiting.queue, waiting.call, waiting.channel, waiting.office_queue),
            *(FIRST_PRIO, FIRST_PRIO, waiting.first_s or since_s, since_s),
        )
        self.means.tell(rank)

    def _phone(self, agent: Agent) -> str:
        """Where the agent is logged in; NotDone when nowhere."""
        members = self.means.state().members.get(agent.code, NOTHING)
        for _, phone in members:
            return str(phone)
        raise NotDone("not-here", f"{agent.name} is not logged in at any phone. Nothing was done.")

    def _waiting(self, call: str) -> Waiting:
        for line in self.means.state().waiting.values():
            for waiting in line:
                if waiting.call == call:
                    return waiting
        raise NotDone("not-waiting", "This caller does not wait any more: somebody answered, or they hung up.")

    def _do(
        self, who: str, what: str, detail: str, commands: list[ToAsterisk], prepare: Callable[[], Any] | None = None
    ) -> "Future[Answer]":
        """Save it, then tell Asterisk. The order matters: what was not saved is not done."""
        if not self.means.state().asterisk.up:
            raise NotDone("asterisk-down", "Asterisk does not answer now. Nothing was done; try again in a moment.")
        means, at_ms = self.means, self.means.clock_ms()

        def job() -> Answer:
            means.write(lambda db: users.audit(db, at_ms, who, what, detail)).result()
            if prepare is not None:
                prepare()
            for command in commands:
                asterisk.tell(means, command)
            return {}

        return means.work(job)


def _originate(
    channel: str, exten: str, variables: tuple[tuple[str, str], ...], timeout_ms: int, caller_id: str = ""
) -> Originate:
    attempt = f"supervise-{secrets.token_hex(8)}"
    return Originate(attempt, channel, "ramal-page", exten, caller_id, timeout_ms, variables)


def _who(request: Request) -> str:
    """The page's user, as a word the dialplan can carry."""
    who = _USER.sub("", request.text("who"))[:40]
    if not who:
        raise NotDone("nobody", "It must be said who asks. Nothing was done.")
    return who


def _agent(office: Office, code: str) -> Agent:
    for agent in office.agents:
        if agent.code == code:
            return agent
    raise NotDone("no-agent", f"There is no agent {code[:12]}. Nothing was done.")
