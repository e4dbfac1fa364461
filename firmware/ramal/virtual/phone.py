"""A virtual phone: a real SIP phone (a baresip process) that code can pick up, dial and listen to.

Law: any thread may call a phone; what happens comes as frozen events to ``on_event``, which runs on the phone's own
thread and must only enqueue (it may call the phone's methods, but never ``start``, ``dial`` and ``stop``: they wait).
A phone has one call at a time; to a second caller it is busy (486), as a phone on a desk would be.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from ramal.core import sound
from ramal.provide.peer import Peers, peers
from ramal.virtual import events, ports, setup
from ramal.virtual.baresip import Baresip, PhoneError, PortTaken
from ramal.virtual.calls import Call, CallState, DtmfMode, Manual, Policy
from ramal.virtual.dialogs import Dialogs
from ramal.virtual.ear import Ear
from ramal.virtual.events import PhoneEvent
from ramal.virtual.hearing import FIRST_BRIDGE, Hearing
from ramal.virtual.mouth import VOICE_MS, Mouth
from ramal.virtual.setup import Account

__all__ = ["Account", "Call", "DtmfMode", "Manual", "Phone", "PhoneError", "PhoneEvent", "Policy"]

RTP_PORTS = (20000, 29998)
_REINVITE_S = 3.0
_SETTLE_S = 2.0
_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 15.0)


class Phone:
    """One phone in ``home`` (made when missing; holds its settings, its voice and ``heard-<n>.wav`` for each call).

    ``voice``: an 8 kHz mono 16 bit WAV that it says over and over in a call; None is silence.
    ``sip_port`` 0 takes a free one. ``heard_kept``: how many sounds of calls are kept; ``heard_limit_s``: the longest.
    ``voice_ms``: how much voice baresip is given at once; it is given more in time.
    ``attends``: it can hold two calls and connect them (``connect``), at the price of a log of all its messages.
    """

    def __init__(
        self,
        home: Path,
        name: str,
        account: Account,
        *,
        sip_port: int = 0,
        voice: Path | None = None,
        on_event: Callable[[PhoneEvent], None] = lambda event: None,
        policy: Policy = Manual,
        dtmf: DtmfMode = "rtp_event",
        max_calls: int = 1,
        rtp_ports: tuple[int, int] = RTP_PORTS,
        heard_kept: int = 20,
        heard_limit_s: int = 600,
        voice_ms: int = VOICE_MS,
        attends: bool = False,
        use: Peers | None = None,
    ) -> None:
        self.home, self.name, self.account = home.absolute(), name, account
        self.sip_port = sip_port
        self.pid = 0
        self.registered = False
        self.running = False
        self.calls: Mapping[str, Call] = {}
        self._voice_from, self._dtmf, self._on_event, self._policy = voice, dtmf, on_event, policy
        self._rtp_ports, self._max_calls = rtp_ports, max(max_calls, 2 if attends else 1)
        self._dialogs = Dialogs() if attends else None
        self._fixed_port, self._heard_kept, self._heard_limit_s = sip_port, heard_kept, heard_limit_s
        self._peers = use
        self._line = setup.account_line(account, FIRST_BRIDGE, dtmf == "info")
        self._registered = threading.Condition()
        self._heard_number = 0
        self._failures = 0
        self._told_answered: set[str] = set()
        self._reinvites: deque[str] = deque()
        self._reinviting = self._turn = 0
        self._account_made = threading.Event()
        self._mouth = Mouth(self.home, self._say, self._after, self._sounds, voice_ms)
        self._baresip: Baresip | None = None
        self._hearing: Hearing | None = None
        self._away = False

    # Any thread.

    def start(self, timeout_s: float = 15.0) -> None:
        """Start the process and wait until it takes commands. PhoneError when it does not."""
        if self.running:
            raise PhoneError(f"Phone {self.name} runs already.")
        self.home.mkdir(parents=True, exist_ok=True)
        self._mouth.prepare(self._voice_from)
        for tries_left in (4, 3, 2, 1, 0):
            try:
                self._start_once(timeout_s)
                break
            except PortTaken:
                if self._fixed_port or not tries_left:
                    raise

    def stop(self) -> None:
        """Hang up, unregister, end the process; back when nothing of it is left. Idempotent."""
        if self._baresip is not None:
            self._baresip.stop()

    def __enter__(self) -> "Phone":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def wait_registered(self, timeout_s: float) -> None:
        """Back when the registrar has accepted the phone. PhoneError after ``timeout_s`` seconds."""
        with self._registered:
            if (
                not self._registered.wait_for(lambda: self.registered or not self.running, timeout_s)
                or not self.running
            ):
                where = f"{self.account.host}:{self.account.port}"
                raise PhoneError(f"Phone {self.name} could not register at {where} within {timeout_s} s.")

    @property
    def uri(self) -> str:
        """Where it can be called without any box between: ``sip:201@127.0.0.1:<its port>``."""
        return f"sip:{self.account.user}@127.0.0.1:{self.sip_port}"

    @property
    def policy(self) -> Policy:
        """What it does with the next call; may be set at any time, and holds when that is done."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        away, self._policy = policy.kind == "unavailable", policy
        if away != self._away:
            self._away, done = away, threading.Event()
            told = self._say("dnd", "true" if away else "false", lambda ok, text: done.set())
            if told and self._baresip is not None and not self._baresip.on_its_thread():
                done.wait(_SETTLE_S)

    def dial(self, uri: str, timeout_s: float = 5.0) -> str:
        """Call ``sip:<user>@<host>:<port>``, or a number at the account's box; the id of the call.

        PhoneError when the phone does not try at all. What becomes of the call comes as events.
        """
        target = uri if uri.startswith("sip:") else f"sip:{_escaped(uri)}@{self.account.host}:{self.account.port}"
        if any(character.isspace() for character in target):
            raise PhoneError(f"{uri!r} cannot be dialed: it holds a space.")
        future: Future[str] = Future()
        if not self._post(lambda: self._dial(target, future)):
            raise PhoneError(f"Phone {self.name} is not running, so it cannot call {uri}.")
        try:
            return future.result(timeout_s)
        except TimeoutError as problem:
            raise PhoneError(f"Phone {self.name} did not react to dialing {uri} within {timeout_s} s.") from problem

    def answer(self) -> None:
        """Pick up the call that rings."""
        self._say("accept")

    def hangup(self, call_id: str | None = None) -> None:
        """End that call, or all: hang up, cancel what we dial, refuse (486) what rings here."""
        self._post(lambda: self._hangup(call_id))

    def reject(self) -> None:
        """Refuse the call that rings: 486. (For 480, before it rings, see ``Policy``; baresip 1.1.0 knows no other.)"""
        self.hangup()

    def dtmf(self, digits: str, mode: DtmfMode | None = None) -> None:
        """Press keys, one after the other, in the phone's own mode, or ``inband``.

        rtp_event and info are settled when the phone is made. PhoneError for what is no key.
        """
        mode = mode or self._dtmf
        if mode not in (self._dtmf, "inband"):
            raise PhoneError(f"Phone {self.name} was set up to send digits as {self._dtmf}, not as {mode}.")
        tones = sound.digit_tones(digits)
        if mode == "inband":
            self._post(lambda: self._mouth.sing(tones))
        else:
            self._post(lambda: self._mouth.press(digits))

    def hold(self) -> None:
        """Put the call on hold."""
        self._post(lambda: self._reinvite("hold"))

    def resume(self) -> None:
        """Take the held call back."""
        self._post(lambda: self._reinvite("resume"))

    def transfer(self, uri: str) -> None:
        """Hand the call on, blind (REFER)."""
        self._say("transfer", uri if uri.startswith("sip:") else f"sip:{uri}@{self.account.host}:{self.account.port}")

    def connect(self) -> None:
        """Connect the other sides of its two calls (attended transfer). PhoneError when it has not two that stand."""
        calls = [call for call in self.calls.values() if call.state in ("answered", "held")]
        if len(calls) != 2 or self._dialogs is None:
            raise PhoneError(f"Phone {self.name} has {len(calls)} calls that stand; connecting takes two, and attends.")
        # baresip sends REFER within the call that began first; it names the other one.
        other = calls[1]
        replaces = self._dialogs.replaces(other.call_id, other.outgoing)
        number = re.match(r"<?sips?:([^@;>]*)@", other.peer_uri)
        where = f"{number[1] if number else ''}@{self.account.host}:{self.account.port}"
        self._say("transfer", f"<sip:{where}?{replaces}>")

    # The phone's thread (``start`` too, before that thread is there).

    def told(self, message: dict[str, Any]) -> None:
        """An event of baresip (``Listener``)."""
        now_ms = _now_ms()
        if message.get("type") == "REFUSED":
            # 1.1.0 resumes a call and says "Invalid argument"
            if message["command"] != "resume":
                self._on_event(events.CommandRefused(now_ms, str(message["command"]), str(message["param"])))
            return
        if message.get("type") == "CALL_ANSWERED" and self._reinviting:
            self._next_reinvite()
        event = events.translate(message, now_ms)
        match event:
            case None:
                return
            case events.Registered() | events.RegisterFailed():
                self._registration(event)
            case events.Incoming():
                self._incoming(event)
            case events.Ringing(call_id=call_id):
                self._change(call_id, "ringing")
            case events.Early(call_id=call_id):
                self._change(call_id, "early")
                self._mouth.began()
            case events.Answered(call_id=call_id):
                if call_id in self._told_answered:
                    return
                self._told_answered.add(call_id)
                self._change(call_id, "answered")
                self._mouth.began()
            case events.PeerHeld(call_id=call_id, held=held):
                before = self.calls.get(call_id)
                if before is None or before.state not in ("answered", "held") or (before.state == "held") == held:
                    return
                self._change(call_id, "held" if held else "answered")
            case events.Closed():
                # The player writes its last sound while the call is taken down; the next answer comes after that.
                self._say("about", reply=lambda ok, text: self._closed(event))
                return
            case _:
                pass
        self._on_event(event)

    def said(self, words: str) -> None:
        """A line of baresip's log (``Listener``)."""
        if self._dialogs is not None:
            self._dialogs.read(words)
        if self._hearing is not None:
            self._hearing.said(words)

    def ready(self, pid: int) -> None:
        """The process takes commands (``Listener``)."""
        self.pid, self.running = pid, True
        made = self._account_made
        self._say("uanew", self._line, lambda ok, text: made.set())
        self._on_event(events.Started(_now_ms(), pid, self.sip_port))
        self._away = self._policy.kind == "unavailable"
        if self._away:
            self._say("dnd", "true")

    def ended(self, wanted: bool, exit_code: int, last_words: str) -> None:
        """The process is gone (``Listener``)."""
        with self._registered:
            was_running, self.running, self.registered = self.running, False, False
            self._registered.notify_all()
        calls, self.calls = self.calls, {}
        for call in calls.values():
            self._on_event(events.Closed(_now_ms(), call.call_id, "the phone has ended", None, call.heard))
        if was_running:
            self._on_event(events.Ended(_now_ms(), wanted, exit_code, last_words))

    def _start_once(self, timeout_s: float) -> None:
        self.sip_port = self._fixed_port or ports.free(neighbours=1)
        control_port = ports.free()

        def configure(loop_source: str) -> None:
            text = setup.config(
                sip_port=self.sip_port,
                control_port=control_port,
                loop_source=loop_source,
                rtp_ports=self._rtp_ports,
                max_calls=self._max_calls,
            )
            (self.home / "config").write_text(text)

        configure(FIRST_BRIDGE)
        (self.home / "accounts").write_text("# told by the control socket: this file takes 512 bytes a line\n")
        ear = Ear(self.home / setup.EAR, self._heard_limit_s)
        self._hearing = Hearing(ear, configure, self._say, self._after)
        options = ("-s",) if self._dialogs is not None else ()
        self._baresip = Baresip(self._peers or peers(), self.name, self.home, control_port, ear, self, options)
        self._account_made = threading.Event()
        self._baresip.start(timeout_s)
        self._account_made.wait(timeout_s)

    def _post(self, action: Callable[[], None]) -> bool:
        return self._baresip is not None and self.running and self._baresip.post(action)

    def _say(self, command: str, params: str = "", reply: Callable[[bool, str], object] | None = None) -> bool:
        baresip = self._baresip
        return baresip is not None and self._post(lambda: baresip.say(command, params, reply))

    def _after(self, delay_s: float, action: Callable[[], object]) -> None:
        if self._baresip is not None:
            self._baresip.after(delay_s, action)

    def _talks(self) -> bool:
        return any(call.state in ("answered", "held") for call in self.calls.values())

    def _sounds(self) -> bool:
        return self._talks() or any(call.state == "early" for call in self.calls.values())

    def _change(self, call_id: str, state: CallState) -> None:
        if call_id in self.calls:
            self.calls = {**self.calls, call_id: replace(self.calls[call_id], state=state)}

    def _listen(self) -> Path:
        """The file for a call that begins; calls at the same time share it."""
        assert self._hearing is not None
        if self.calls and self._hearing.file:
            return self._hearing.file
        kept = sorted(self.home.glob("heard-*.wav"))
        self._heard_number = max(self._heard_number, *(int(path.stem[6:]) for path in kept), 0) + 1
        for old in kept[: max(0, len(kept) - self._heard_kept + 1)]:
            old.unlink(missing_ok=True)
        file = self.home / f"heard-{self._heard_number:06}.wav"
        self._hearing.begin(file)
        return file

    def _dial(self, target: str, future: "Future[str]") -> None:
        def reply(ok: bool, text: str) -> None:
            call_id = text.removeprefix("call id: ").split()[0] if ok and text.startswith("call id: ") else ""
            if call_id:
                self.calls = {**self.calls, call_id: Call(call_id, True, target, "", "dialing", heard)}
                future.set_result(call_id)
            else:
                future.set_exception(
                    PhoneError(f"Phone {self.name} could not call {target}: {text or 'no reason given'}.")
                )

        heard = self._listen()
        self._say("dial", target, reply)

    def _hangup(self, call_id: str | None) -> None:
        for one in [call_id] if call_id else list(self.calls):
            self._say("hangup", one, lambda ok, text: None)

    def _incoming(self, event: events.Incoming) -> None:
        call = Call(event.call_id, False, event.peer_uri, event.peer_name, "incoming", self._listen())
        self.calls = {**self.calls, call.call_id: call}
        policy = self._policy

        def act() -> None:
            now = self.calls.get(event.call_id)
            if now is not None and now.state == "incoming":
                self._say(*(("accept", "") if policy.kind == "answer" else ("hangup", event.call_id)))

        if policy.kind in ("answer", "reject"):
            self._after(policy.after_s, act)

    def _closed(self, event: events.Closed) -> None:
        call = self.calls.get(event.call_id)
        self.calls = {key: other for key, other in self.calls.items() if key != event.call_id}
        self._told_answered.discard(event.call_id)
        told = replace(event, heard=call.heard if call else None)
        if self.calls or self._hearing is None:
            self._on_event(told)
            return
        self._mouth.finished()
        self._reinvites.clear()
        self._hearing.end(lambda: self._on_event(told))

    def _reinvite(self, command: str) -> None:
        """Hold or resume, one after the other: a second one before the first is agreed on would be lost."""
        self._reinvites.append(command)
        if not self._reinviting:
            self._next_reinvite()

    def _next_reinvite(self) -> None:
        if not self._reinvites or not self._talks():
            self._reinvites.clear()
            self._reinviting = 0
            return
        self._turn += 1
        turn = self._reinviting = self._turn
        self._say(self._reinvites.popleft())
        self._after(_REINVITE_S, lambda: self._next_reinvite() if turn == self._reinviting else None)

    def _registration(self, event: events.Registered | events.RegisterFailed) -> None:
        with self._registered:
            self.registered = isinstance(event, events.Registered)
            self._registered.notify_all()
        if self.registered:
            self._failures = 0
        else:
            self._after(_AGAIN_S[min(self._failures, len(_AGAIN_S) - 1)], self._register_again)
            self._failures += 1

    def _register_again(self) -> None:
        """baresip itself waits half a minute and more after a failure; a new account registers at once."""
        if self.registered:
            return
        if self.calls:  # taking the account away would end them
            self._after(_AGAIN_S[1], self._register_again)
            return
        self._say("uadel", setup.address_of_record(self.account))
        self._say("uanew", self._line)


def _escaped(number: str) -> str:
    return number.replace("%", "%25").replace("#", "%23")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
