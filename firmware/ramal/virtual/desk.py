"""One desk of the virtual office: a phone, the agent's login, the answering, and the return after a death.

Law: on the office's thread only; the phone's events come through the office's inbox. ``state`` is for people.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ramal.core import sound
from ramal.provide.peer import Peers
from ramal.virtual import events
from ramal.virtual.baresip import PhoneError
from ramal.virtual.office_config import DeskConfig, OfficeConfig
from ramal.virtual.phone import Account, Phone, PhoneEvent, Policy

_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_LOGIN_LIMIT_S = 20.0
_PILOT_DBFS = -24.0

DeskState = Literal[
    "starting", "unregistered", "logging in", "free", "ringing", "talking", "on hold", "dead", "stopped"
]
Later = Callable[[float, Callable[[], None]], None]


class Desk:
    """A phone that comes back. ``later`` is the office's timers; ``changed`` is told of every new state."""

    def __init__(
        self,
        config: DeskConfig,
        office: OfficeConfig,
        inbox: Callable[["Desk", PhoneEvent], None],
        later: Later,
        changed: Callable[["Desk"], None],
        use: Peers | None = None,
    ) -> None:
        self.config, self._later, self._changed = config, later, changed
        self.state: DeskState = "starting"
        self.since_ms = time.time_ns() // 1_000_000
        self.problem = ""
        self.logged_in = not config.dial_after_register
        self.last_heard: Path | None = None
        self._codes = list(config.dial_after_register)
        self._login_call = ""
        self._deaths = 0
        self._turn = 0
        home = office.home / config.extension
        home.mkdir(parents=True, exist_ok=True)
        account = Account(config.extension, config.secret, office.sip_host, office.sip_port, register_every_s=30)
        self.phone = Phone(
            *(home, config.extension, account), voice=_voice(config, home), on_event=lambda e: inbox(self, e), use=use
        )

    def start(self) -> None:
        """Start the phone; when that fails, again later."""
        self._show("starting")
        try:
            self.phone.start()
        except PhoneError as problem:
            self._died(str(problem))

    def event(self, event: PhoneEvent) -> None:
        """Something happened at the phone."""
        match event:
            case events.Started():
                self._show("unregistered")
            case events.Registered():
                self.problem = ""
                if self.state in ("unregistered", "starting"):
                    self._login()
            case events.RegisterFailed(reason=reason):
                self._show(self.state if self.phone.calls else "unregistered", f"cannot register: {reason}")
            case events.Incoming():
                self._show("ringing")
            case events.Answered(call_id=call_id) if call_id != self._login_call:
                self._deaths = 0
                self._show("talking")
            case events.PeerHeld(held=held):
                self._show("on hold" if held else "talking")
            case events.Closed(call_id=call_id, heard=heard):
                self.last_heard = heard
                if call_id == self._login_call:
                    self._login_done(event)
                elif not self.phone.calls and self.state != "dead":
                    self._show("free" if self.phone.registered else "unregistered")
            case events.CommandRefused(command=command, reason=reason):
                self._show(self.state, f"refused {command}: {reason}")
            case events.Ended(wanted=wanted, last_words=words):
                if wanted:
                    self._show("stopped")
                else:
                    self._died(f"the phone died; its last words: {words}")
            case _:
                pass

    def told(self) -> dict[str, Any]:
        """The desk for the status file."""
        return {
            "extension": self.config.extension,
            "state": self.state,
            "since_ms": self.since_ms,
            "registered": self.phone.registered,
            "logged_in": self.logged_in,
            "problem": self.problem,
            "pid": self.phone.pid if self.phone.running else None,
            "sip_port": self.phone.sip_port,
            "voice_hz": self.config.voice_hz,
            "calls": [
                {"peer": call.peer_uri, "name": call.peer_name, "state": call.state}
                for call in self.phone.calls.values()
            ],
            "last_heard": str(self.last_heard) if self.last_heard else None,
        }

    def _login(self) -> None:
        """Dial the next code; an agent logs in once, for the box remembers it through restarts of either side."""
        if not self._codes:
            self._ready()
            return
        self._show("logging in")
        try:
            self._login_call = self.phone.dial(self._codes[0])
        except PhoneError as problem:
            self._login_failed(str(problem))
            return
        self._turn += 1
        turn, call_id = self._turn, self._login_call
        self._later(_LOGIN_LIMIT_S, lambda: self.phone.hangup(call_id) if turn == self._turn else None)

    def _login_done(self, event: events.Closed) -> None:
        self._turn += 1
        self._login_call = ""
        if event.code is not None or not self.phone.running:
            self._login_failed(f"{self._codes[0]} was refused: {event.reason}")
            return
        self._codes.pop(0)
        self._login()

    def _login_failed(self, problem: str) -> None:
        """The box may only just have begun; try again, and take calls meanwhile."""
        self._ready(f"the agent could not log in: {problem}")
        self._later(_BACK_OFF_S[3], self._login_again)

    def _login_again(self) -> None:
        if self._codes and self.state == "free" and self.phone.registered:
            self._login()
        elif self._codes and self.state not in ("logging in", "dead", "stopped"):
            self._later(_BACK_OFF_S[3], self._login_again)

    def _ready(self, problem: str = "") -> None:
        self.logged_in = not self._codes
        after_s = self.config.answer_after_s
        self.phone.policy = Policy("manual") if after_s is None else Policy("answer", after_s)
        self._show("talking" if self.phone.calls else "free", problem)

    def _died(self, problem: str) -> None:
        wait_s = _BACK_OFF_S[min(self._deaths, len(_BACK_OFF_S) - 1)]
        self._deaths += 1
        self._login_call = ""
        self._show("dead", f"{problem} (again in {wait_s:g} s)")
        self._later(wait_s, lambda: self.start() if self.state == "dead" else None)

    def _show(self, state: DeskState, problem: str = "") -> None:
        if (state, problem) == (self.state, self.problem):
            return
        if state != self.state:
            self.since_ms = time.time_ns() // 1_000_000
        self.state, self.problem = state, problem
        self._changed(self)


def _voice(config: DeskConfig, home: Path) -> Path:
    """The voice with its pilot, as a file in ``home``."""
    if config.voice is None:
        spoken = sound.pilot(config.voice_hz)
    else:
        wave = sound.read_wave(config.voice.read_bytes())
        if (wave.rate_hz, wave.channels) != (sound.RATE_HZ, 1):
            raise PhoneError(f"{config.voice} is no voice for a phone: it must be 8 kHz, mono, 16 bit.")
        spoken = sound.mixed(wave.mono + sound.silence(600), sound.pilot(config.voice_hz, _PILOT_DBFS))
    file = home / "spoken.wav"
    file.write_bytes(sound.wav_bytes(spoken))
    return file
