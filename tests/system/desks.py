"""A box for what desk phones do: three phones, an outside line, and callers that are heard."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ramal.core import sound
from ramal.virtual.phone import Account, Manual, Phone, PhoneEvent, Policy
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.provider import Provider
from tests.until import until

LINE = """
[[line]]
name = "out"
kind = "sip-peer"
host = "{host}"
port = {port}
addresses = ["{host}"]
channels = 4
caller_ids = ["+551133330000"]
"""
HZ = {"201": 440.0, "202": 700.0, "203": 950.0, "caller": 1250.0}


@dataclass(frozen=True, slots=True)
class Desks:
    """The box, the provider of its outside line, and a folder for voices."""

    box: TestBox
    provider: Provider
    folder: Path

    def voice(self, name: str) -> Path:
        """A voice that is a pilot tone."""
        path = self.folder / f"{name}.wav"
        if not path.exists():
            path.write_bytes(sound.wav_bytes(sound.tone([HZ[name]], 2000)))
        return path

    @contextlib.contextmanager
    def phone(
        self,
        extension: str,
        policy: Policy = Manual,
        login: bool = False,
        on_event: Callable[[PhoneEvent], None] = lambda event: None,
    ) -> Iterator[Phone]:
        """A phone of the office that can hold two calls."""
        user, secret = box.agents_phone(self.box, extension)
        account = Account(user, secret, port=self.box.settings.sip_port)
        home = self.box.home.virtual / extension
        voice = self.voice(extension)
        with Phone(home, extension, account, voice=voice, attends=True, on_event=on_event) as desk:
            desk.wait_registered(15)
            until(lambda: "Avail" in self.box.command(f"pjsip show aor {extension}"), 10, f"{extension} reachable")
            if login:
                agents.dial_code(self.box, desk, "*45")
            desk.policy = policy
            yield desk
            if login:
                desk.policy = Manual
                desk.hangup()
                until(lambda: not desk.calls, 10, f"{extension} is free")
                agents.dial_code(self.box, desk, "*46")

    @contextlib.contextmanager
    def caller(self, user: str, number: str = "+551133330001") -> Iterator[Phone]:
        """A caller from outside who has a voice; the call is dialed."""
        account = Account(user, port=self.box.settings.sip_port)
        with Phone(self.folder / user, "caller", account, voice=self.voice("caller")) as caller:
            caller.dial(f"sip:{number}@127.0.0.1:{self.box.settings.sip_port}")
            yield caller
            caller.hangup()
            until(lambda: not caller.calls, 10, "the caller has hung up")

    def over(self) -> None:
        until(lambda: self.box.channels() == 0, 20, "all is over")

    def call(self, caller: str) -> sqlite3.Row:
        """The one ended call of a caller."""
        query = "SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL"
        rows = until(lambda: self.box.rows(query, caller), 20, f"the call of {caller} in the history")
        assert len(rows) == 1
        return rows[0]

    def legs(self, call: sqlite3.Row) -> list[tuple[str, str, str, str, str]]:
        """agent, phone, number, began, ended of each leg."""
        detail = self.box.detail(call["id"])
        return [(leg.agent, leg.phone, leg.number, leg.began, leg.ended) for leg in detail.legs]

    def kinds(self, call: sqlite3.Row) -> list[str]:
        return [step.kind for step in self.box.detail(call["id"]).steps]

    def records(self, call: sqlite3.Row, *names: str) -> list[bool]:
        """Whether the call's first recording holds each voice."""
        wave = self._recording(call)
        return [_holds(wave, HZ[name]) for name in names]

    def recorded(self, call: sqlite3.Row) -> list[str]:
        """The phones in the call's first recording, in the order in which they talk there."""
        wave = self._recording(call)
        names = [name for name in HZ if name != "caller"]
        run = dict.fromkeys(names, 0)
        order: list[str] = []
        for row in sound.tones_present(wave.mono, wave.rate_hz, [HZ[name] for name in names]):
            for name, there in zip(names, row, strict=True):
                run[name] = run[name] + 1 if there else 0
                if run[name] == 3 and order[-1:] != [name]:
                    order.append(name)
        return order

    def _recording(self, call: sqlite3.Row) -> sound.Wave:
        def finished() -> bool:
            return all(row.state != "writing" for row in self.box.detail(call["id"]).recordings)

        until(finished, 20, "the recordings are registered")
        return sound.read_wave((self.box.home.root / self.box.detail(call["id"]).recordings[0].path).read_bytes())


def _holds(wave: sound.Wave, hz: float) -> bool:
    present = sound.tones_present(wave.mono, wave.rate_hz, [hz])
    return sum(there for (there,) in present) >= 3


def states(phone: Phone) -> list[str]:
    return [call.state for call in phone.calls.values()]


def talks(phone: Phone) -> None:
    until(lambda: "answered" in states(phone), 20, f"{phone.name} talks")


def hears(phone: Phone, name: str) -> None:
    """Until the last half second that the phone heard is that voice."""
    until(lambda: hears_now(phone, name), 15, f"{phone.name} hears {name}")


def hears_now(phone: Phone, name: str, share: float = 0.5) -> bool:
    """Whether more than ``share`` of the last half second that the phone heard is that voice."""
    hz = HZ[name] if name in HZ else float(name)
    files = [call.heard for call in phone.calls.values()]
    if not files or not files[-1].exists():
        return False
    wave = sound.read_wave(files[-1].read_bytes())
    return wave.duration_s > 1 and sound.tone_share(wave.mono[-4000:], wave.rate_hz, hz) > share


def talked(phone: Phone, ms: int) -> None:
    """Until the phone has heard so much more (ms)."""
    file = list(phone.calls.values())[-1].heard
    size = file.stat().st_size
    until(lambda: file.stat().st_size >= size + 16 * ms, 15, f"{ms} ms more")


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    daemon: bool,
    office: str = "",
    settings: str = "",
    changes: Mapping[str, str] = {},
) -> Iterator[Desks]:
    """``office``: more tables of the office file; ``settings``: more lines of its first one; ``changes``: what stands
    there, and what is to."""
    provider = Provider("127.0.0.2")
    head = f'language = "pt-BR"\ndial_out = "national"\n{settings}'
    text = box.office().replace('language = "pt-BR"', head, 1)
    text = text.replace('title = "Vendas"', 'title = "Vendas"\nextension = "600"\nwhisper = false')
    text = text.replace(
        'title = "Curta"', 'title = "Curta"\nextension = "601"\nwhisper = false\nrecord = false\nsticky_s = 5'
    )
    text = text.replace("penalty = 5 }]", 'penalty = 5 }, "short"]')
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    text += LINE.format(host=provider.host, port=provider.port) + office
    try:
        with box.running(folder, text, daemon=daemon, terse=True) as running:
            yield Desks(running, provider, folder)
    finally:
        provider.end()
