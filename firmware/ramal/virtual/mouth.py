"""What a phone says: its voice over and over, and digits, as keys or as tones in the voice.

Law: used on the phone's thread only (but ``prepare``). baresip's file source ends the call when its file ends, so the
voice is a minute long and is begun again a few seconds before that; digits in the voice band are a file that begins
with them.
"""

import time
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ramal.core import sound
from ramal.virtual.baresip import PhoneError
from ramal.virtual.setup import VOICE

VOICE_MS = 60_000
_REFRESH_BEFORE_S = 5.0
_KEY_S = 0.3

Reply = Callable[[bool, str], object]
Say = Callable[[str, str, Reply | None], object]
After = Callable[[float, Callable[[], object]], None]


class Mouth:
    """The voice of the phone in ``home``. ``sounds`` tells whether a call stands in which it is heard."""

    def __init__(
        self, home: Path, say: Say, after: After, sounds: Callable[[], bool], voice_ms: int = VOICE_MS
    ) -> None:
        self._home, self._say, self._after, self._sounds = home, say, after, sounds
        self._voice_ms = voice_ms
        self._said = sound.silence(1000)
        self._turn = 0
        self._speaking = False
        self._keys_free_at = 0.0

    @property
    def file(self) -> Path:
        """What baresip begins every call with."""
        return self._home / VOICE

    def prepare(self, voice: Path | None) -> None:
        """Make the file from an 8 kHz mono 16 bit WAV, or from silence. PhoneError for another format."""
        if voice is not None:
            wave = sound.read_wave(voice.read_bytes())
            if (wave.rate_hz, wave.channels) != (sound.RATE_HZ, 1):
                raise PhoneError(f"{voice} is no voice for a phone: it must be 8 kHz, mono, 16 bit.")
            self._said = wave.mono
        self._write(self._voice())

    def began(self) -> None:
        """baresip has begun the file: at the answer, or at the sound before it (then the answer is no beginning)."""
        if not self._speaking:
            self._speaking = True
            self._again_in(0)

    def finished(self) -> None:
        """The last call is over."""
        self._turn += 1
        self._speaking = False
        self._keys_free_at = 0.0

    def press(self, digits: str) -> None:
        """Keys, as RFC 4733 events or INFO, whichever the account was set up for; one every 0.3 s."""
        start_s = self._keys_free_in(len(digits) * _KEY_S)
        for number, digit in enumerate(digits):
            self._after(start_s + number * _KEY_S, partial(self._say, "sndcode", digit, None))

    def sing(self, tones: "array[int]") -> None:
        """Tones in the voice band."""
        self._after(self._keys_free_in(len(tones) / sound.RATE_HZ), lambda: self._speak(tones))

    def _keys_free_in(self, taking_s: float) -> float:
        now = time.monotonic()
        start = max(now, self._keys_free_at)
        self._keys_free_at = start + taking_s
        return start - now

    def _speak(self, first: "array[int]") -> None:
        if not self._sounds():
            return
        # One name for all: the next call begins with whatever file was named last. baresip reads it whole, at once.
        if first:
            self._write(first + self._voice())
        restore = None if not first else lambda ok, text: self._write(self._voice())
        self._say("ausrc", f"aufile,{VOICE}", restore)
        self._again_in(len(first))

    def _write(self, samples: "array[int]") -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_bytes(sound.wav_bytes(samples))
        fresh.rename(self.file)

    def _voice(self) -> "array[int]":
        """Made anew when it is needed: an office of 30 phones would hold 30 MB of it."""
        return sound.looped(self._said, self._voice_ms)

    def _again_in(self, first_samples: int) -> None:
        self._turn += 1
        turn = self._turn
        length_s = self._voice_ms / 1000 + first_samples / sound.RATE_HZ
        self._after(length_s - _REFRESH_BEFORE_S, lambda: self._speak(array("h")) if turn == self._turn else None)
