"""Callers who hear: a real phone, and sentences that are pure tones, so that what was said can be measured.

Every prompt of the box is replaced by a tone of its own pitch; a sentence in the wrong language is another pitch.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ramal.core import sound
from ramal.virtual.phone import Account, Phone
from tests.system.box import TestBox
from tests.until import until

LENGTH_MS = 1100
_WINDOWS, _AMONG = 6, 12
"""So many tenths of a second must hold the tone, of so many: a busy machine loses some. More than half of a tone, or
its end would be heard as another one."""


def retune(box: TestBox, pitches: Mapping[str, float], length_ms: int = LENGTH_MS) -> None:
    """Make these prompts (paths below the prompts' folder, without suffix) tones of these pitches."""
    for path, hz in pitches.items():
        file = box.home.prompts / f"{path}.wav"
        assert file.exists(), f"{path} is no prompt of this office"
        file.write_bytes(sound.wav_bytes(sound.tone([hz], length_ms)))


def part(samples: sound.Samples, hz: float, share: float, rate_hz: int = sound.RATE_HZ) -> float:
    """In how much of a sound a tone has that ``share``: of windows of 100 ms, 0 to 1. Never look for it in all of a
    sound at once: where a busy machine lost a moment it goes on in another phase, and then there seems to be none."""
    rows = sound.tones_present(samples, rate_hz, [hz], share=share)
    return sum(there for (there,) in rows) / max(1, len(rows))


@dataclass(slots=True)
class Listener:
    """A caller in a call. ``mark`` is how many samples have been heard and judged."""

    phone: Phone
    box: TestBox
    mark: int = 0
    file: Path | None = None
    """What is heard, also once the box has hung up: a busy machine looks later than that."""

    def hears(self, hz: float, what: str, *, never: tuple[float, ...] = (), timeout_s: float = 15.0) -> None:
        """Wait for a tone, later than the last one waited for; none of ``never`` may come before it."""
        window = sound.RATE_HZ // 10
        pitches = range(1 + len(never))

        def heard() -> bool:
            samples = self._samples()[self.mark :]
            rows = sound.tones_present(samples, sound.RATE_HZ, [hz, *never], share=0.7)
            for place in range(len(rows)):
                held = [sum(row[tone] for row in rows[max(0, place - _AMONG + 1) : place + 1]) for tone in pitches]
                assert all(count < _WINDOWS for count in held[1:]), f"{what}: another tone came first"
                if held[0] == _WINDOWS:
                    self.mark += (place + 1) * window
                    return True
            return False

        until(heard, timeout_s, f"hears {what} ({hz:g} Hz)")

    def press(self, digits: str) -> None:
        """Press keys (RFC 4733), once the tone that was waited for has been heard."""
        self.phone.dtmf(digits)

    def wait_end(self, timeout_s: float = 20.0) -> None:
        """Until the box has hung up."""
        until(lambda: not self.phone.calls, timeout_s, "the box hangs up")

    def _samples(self) -> "list[int]":
        if self.file is None:
            self.file = next((call.heard for call in self.phone.calls.values()), None)
        if self.file is None or not self.file.exists():
            return []
        return list(sound.read_wave(self.file.read_bytes()).mono)


@contextlib.contextmanager
def calling(box: TestBox, folder: Path, number: str, caller: str) -> Iterator[Listener]:
    """A call from outside to ``number``, answered; hung up at the end when it is still there."""
    account = Account(caller, port=box.settings.sip_port)
    with Phone(folder / f"caller-{caller[-3:]}", caller, account) as phone:
        phone.dial(f"sip:{number}@127.0.0.1:{box.settings.sip_port}")
        until(lambda: any(call.state == "answered" for call in phone.calls.values()), 15, "the box answers")
        yield Listener(phone, box)
        if phone.calls:
            phone.hangup()
            until(lambda: not phone.calls, 10, "hung up")
