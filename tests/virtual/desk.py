"""Phones on a desk without any box: they call each other over the loopback, and all they tell is kept."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from ramal.core import sound
from ramal.virtual import events
from ramal.virtual.phone import Account, Phone, PhoneEvent
from tests.until import until

A_HZ, B_HZ = 440, 620
E = TypeVar("E")


class Told:
    """The events of one phone, in order."""

    def __init__(self) -> None:
        self.events: list[PhoneEvent] = []

    def __call__(self, event: PhoneEvent) -> None:
        self.events.append(event)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def wait(self, kind: type[E], count: int = 1, timeout_s: float = 8.0) -> E:
        """The ``count``-th event of that kind, waited for."""
        until(lambda: len(self.all(kind)) >= count, timeout_s, f"{count} x {kind.__name__} among {self.events}")
        return self.all(kind)[count - 1]


@contextlib.contextmanager
def phone(folder: Path, name: str, **how: object) -> Iterator[tuple[Phone, Told]]:
    """A running phone and what it tells; it says 440 Hz, or ``voice_hz``."""
    told = Told()
    hz = how.pop("voice_hz", A_HZ)
    voice = folder / f"{name}.wav"
    voice.write_bytes(sound.wav_bytes(sound.tone([float(str(hz))], 1000)))
    account = how.pop("account", None) or Account(name)
    device = Phone(folder / name, name, account, voice=voice, on_event=told, **how)  # type: ignore[arg-type]
    with device:
        yield device, told


def tones_heard(closed: events.Closed) -> tuple[int, int]:
    """In how many tenths of a second the caller's (440 Hz) and the agent's (620 Hz) tone sound in what was heard."""
    assert closed.heard is not None
    wave = sound.read_wave(closed.heard.read_bytes())
    assert not wave.torn
    windows = sound.tones_present(wave.mono, wave.rate_hz, [A_HZ, B_HZ])
    return sum(window[0] for window in windows), sum(window[1] for window in windows)
