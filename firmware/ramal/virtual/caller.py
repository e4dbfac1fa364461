"""The virtual caller: one call to the box, from a free port of the loopback, with any number and name.

Law: ``place_call`` runs on the caller's thread until the call is over; it waits for events, never for time alone.
The box sees a call that comes in over a SIP line by address (127.0.0.1), as from a carrier.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ramal.core import sound
from ramal.provide.peer import Peers
from ramal.virtual import events
from ramal.virtual.phone import Account, DtmfMode, Phone, PhoneError, PhoneEvent

CALLER_HZ = 530.0
_LISTEN_S = 0.2
_BYE_MS = 8000
_HEARD_SHARE = 0.5
_HEARD_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Key:
    """Digits to press ``after_s`` seconds after the call was answered, or the last key was due."""

    digits: str
    after_s: float = 1.0
    mode: DtmfMode | None = None


What = Literal[
    "dialing",
    "ringing",
    "early-sound",
    "answered",
    "sound-arrives",
    "pressed",
    "agent-heard",
    "held",
    "taken-back",
    "hanging-up",
    "hung-up",
    "ended",
    "end-not-confirmed",
    "phone-refused",
]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened, ``at_ms`` milliseconds after dialing; ``detail`` is the number, the key or the reason."""

    at_ms: int
    what: What
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and how: ``number`` is what the box shows; the voice is a WAV (8 kHz mono) or a pilot tone."""

    number: str = "+5511999990000"
    name: str = ""
    keys: tuple[Key, ...] = ()
    dtmf: DtmfMode = "rtp_event"
    voice: Path | None = None
    voice_hz: float = CALLER_HZ


@dataclass(frozen=True, slots=True)
class CallTrace:
    """A call as its caller lived it. ``agent_at_ms``: when the agent's voice was first heard.

    ``code`` is the SIP status when the call was refused; ``by_us``: we hung up. ``began_ms`` is Unix time.
    """

    began_ms: int
    steps: tuple[Step, ...]
    answered_at_ms: int | None
    agent_at_ms: int | None
    by_us: bool
    reason: str
    code: int | None
    heard: Path | None


def place_call(
    home: Path,
    number: str,
    *,
    host: str = "127.0.0.1",
    port: int = 5060,
    caller: Caller = Caller(),
    agent_hz: float | None = None,
    talk_s: float = 5.0,
    limit_s: float = 120.0,
    stop: threading.Event | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
    use: Peers | None = None,
) -> CallTrace:
    """Call ``number`` at the box and stay until the other side hangs up, or one of these, whichever comes first:

    ``talk_s`` after the agent's pilot tone ``agent_hz`` was heard (without ``agent_hz``: after the call was answered),
    ``stop`` is set, ``limit_s`` after dialing. PhoneError when the phone does not start; a refused call is a trace.
    """
    told: queue.SimpleQueue[PhoneEvent] = queue.SimpleQueue()
    home.mkdir(parents=True, exist_ok=True)
    voice = caller.voice
    if voice is None:
        voice = home / "pilot.wav"
        voice.write_bytes(sound.wav_bytes(sound.pilot(caller.voice_hz)))
    account = Account(caller.number, host=host, port=port, display_name=caller.name)
    phone = Phone(home, f"caller {caller.number}", account, voice=voice, on_event=told.put, dtmf=caller.dtmf, use=use)
    with phone:
        return _Course(phone, caller, agent_hz, talk_s, limit_s, stop or threading.Event(), on_step, told).run(number)


@dataclass(slots=True)
class _Course:
    """The course of one call."""

    phone: Phone
    caller: Caller
    agent_hz: float | None
    talk_s: float
    limit_s: float
    stop: threading.Event
    on_step: Callable[[Step], None]
    told: "queue.SimpleQueue[PhoneEvent]"
    began_s: float = 0.0
    steps: list[Step] = field(default_factory=list)
    answered_at_ms: int | None = None
    agent_at_ms: int | None = None
    by_us: bool = False
    hung_up_at_ms: int = 0
    heard_until: int = 0
    due: list[tuple[int, Key]] = field(default_factory=list)

    def run(self, number: str) -> CallTrace:
        self.began_s = time.time()
        self._step("dialing", number)
        self.phone.dial(number)
        while True:
            try:
                event = self.told.get(timeout=_LISTEN_S)
            except queue.Empty:
                event = None
            match event:
                case events.Closed(reason=reason, code=code, heard=heard):
                    self._step("hung-up" if self.by_us else "ended", reason)
                    return self._trace(reason, code, heard)
                case events.Ended(last_words=words):
                    raise PhoneError(f"The caller's phone died in the middle of the call. Its last words: {words}")
                case None:
                    pass
                case _:
                    self._note(event)
            self._press_due()
            self._listen()
            if not self.by_us and self._enough():
                self.by_us = True
                self.hung_up_at_ms = self._step("hanging-up")
                self.phone.hangup()
            elif self.by_us and self._now_ms() > self.hung_up_at_ms + _BYE_MS:
                self._step("end-not-confirmed")
                return self._trace("the other side did not confirm the end", None, None)

    def _trace(self, reason: str, code: int | None, heard: Path | None) -> CallTrace:
        ends = (self.answered_at_ms, self.agent_at_ms, self.by_us, reason, code, heard)
        return CallTrace(round(self.began_s * 1000), tuple(self.steps), *ends)

    def _note(self, event: PhoneEvent) -> None:
        match event:
            case events.Ringing():
                self._step("ringing")
            case events.Early():
                self._step("early-sound")
            case events.Answered():
                self.answered_at_ms = self._step("answered")
                at_ms = float(self.answered_at_ms)
                for key in self.caller.keys:
                    at_ms += key.after_s * 1000
                    self.due.append((round(at_ms), key))
            case events.SoundFlows():
                self._step("sound-arrives")
            case events.PeerHeld(held=held):
                self._step("held" if held else "taken-back")
            case events.CommandRefused(command=command, reason=reason):
                self._step("phone-refused", f"{command}: {reason}")
            case _:
                pass

    def _press_due(self) -> None:
        while self.due and self.due[0][0] <= self._now_ms():
            key = self.due.pop(0)[1]
            self.phone.dtmf(key.digits, key.mode)
            self._step("pressed", key.digits)

    def _listen(self) -> None:
        """Look for the agent's pilot tone in what has been heard since the last look."""
        if self.agent_hz is None or self.agent_at_ms is not None or self.answered_at_ms is None:
            return
        file = next((call.heard for call in self.phone.calls.values()), None)
        if file is None:
            return
        samples = sound.read_wave(file.read_bytes()).mono[self.heard_until :]
        window = sound.RATE_HZ // 10
        if agent_speaks(samples, self.agent_hz):
            self.agent_at_ms = self._step("agent-heard")
        whole = len(samples) - len(samples) % window
        self.heard_until += max(0, whole - _HEARD_WINDOWS * window)

    def _enough(self) -> bool:
        since_ms = self.agent_at_ms if self.agent_hz is not None else self.answered_at_ms
        if since_ms is not None and self._now_ms() - since_ms >= self.talk_s * 1000:
            return True
        return self.stop.is_set() or self._now_ms() >= self.limit_s * 1000

    def _now_ms(self) -> int:
        return round((time.time() - self.began_s) * 1000)

    def _step(self, what: What, detail: str = "") -> int:
        step = Step(self._now_ms(), what, detail)
        self.steps.append(step)
        self.on_step(step)
        return step.at_ms


def agent_speaks(samples: Sequence[int], agent_hz: float, rate_hz: int = sound.RATE_HZ) -> bool:
    """Whether the pilot tone ``agent_hz`` sounds for 0.3 s somewhere in ``samples``, louder than all else."""
    run = 0
    for (there,) in sound.tones_present(samples, rate_hz, [agent_hz], share=_HEARD_SHARE):
        run = run + 1 if there else 0
        if run == _HEARD_WINDOWS:
            return True
    return False
