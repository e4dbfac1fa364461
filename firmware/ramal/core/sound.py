"""Sound as numbers: read a WAV (also a torn one), find tones and DTMF in it, and make test sound.

Law: pure; the caller opens files. Samples are signed 16 bit in ``array('h')``, one per channel; levels are dBFS, where
a full-scale sine is about -3 and digital silence is ``SILENT_DBFS``. Any thread. Python only: a minute of 8 kHz sound
takes about 0.1 s a frequency.
"""

import math
import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from ramal.errors import RamalError

RATE_HZ = 8000
HEADER_BYTES = 44
SILENT_DBFS = -120.0
_FULL = 32768.0
_PCM = 1
_EXTENSIBLE = 0xFFFE
DTMF_ROWS_HZ = (697, 770, 852, 941)
DTMF_COLUMNS_HZ = (1209, 1336, 1477, 1633)
_BREAK_WINDOWS = 4
_KEYS = ("123A", "456B", "789C", "*0#D")

Samples = Sequence[int]


class SoundError(RamalError):
    """Bytes that are no sound Ramal can read."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Sound of one WAV file. ``torn``: its header did not tell the real length (the writer was cut off)."""

    rate_hz: int
    channels: int
    samples: tuple["array[int]", ...]
    torn: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples[0]) / self.rate_hz

    @property
    def mono(self) -> "array[int]":
        """The first channel (Ramal's recordings have one)."""
        return self.samples[0]


def read_wave(data: bytes) -> Wave:
    """The sound of a 16 bit PCM WAV. Where the header's sizes are zero or wrong, the real length counts.

    SoundError when it is no WAV, or not 16 bit PCM.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SoundError(f"This is no WAV file: {len(data)} bytes that begin with {data[:12]!r}.")
    rate_hz = channels = bits = 0
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = at + 8
        if name == b"fmt " and size >= 16 and body + 16 <= len(data):
            code, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", data, body)
            if code not in (_PCM, _EXTENSIBLE) or bits != 16 or not channels or not rate_hz:
                raise SoundError(f"Only 16 bit PCM can be read; this WAV has format {code} with {bits} bit.")
        elif name == b"data":
            if not rate_hz:
                break
            there = len(data) - body
            torn = not _size_holds(data, body, size)
            return _wave(data[body : body + (there if torn else size)], rate_hz, channels, torn)
        at = body + size + (size & 1)
    raise SoundError("This WAV has no sound in it: the format or the data is missing.")


def _size_holds(data: bytes, body: int, size: int) -> bool:
    """Whether a data chunk of ``size`` bytes at ``body`` agrees with what the file really holds."""
    rest = len(data) - body - size
    if rest < 0:
        return False
    if rest < 8:
        return rest <= 1
    after = body + size + (size & 1)
    name, length = data[after : after + 4], int.from_bytes(data[after + 4 : after + 8], "little")
    return all(32 <= byte < 127 for byte in name) and after + 8 + length <= len(data) + 1


def _wave(body: bytes, rate_hz: int, channels: int, torn: bool) -> Wave:
    whole = array("h")
    whole.frombytes(body[: len(body) - len(body) % (2 * channels)])
    if sys.byteorder == "big":
        whole.byteswap()
    return Wave(rate_hz, channels, tuple(whole[first::channels] for first in range(channels)), torn)


def header(data_bytes: int, rate_hz: int = RATE_HZ, channels: int = 1) -> bytes:
    """The 44 bytes in front of ``data_bytes`` bytes of 16 bit PCM."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", 16, _PCM, channels, rate_hz),
        *(rate_hz * channels * 2, channels * 2, 16, b"data", data_bytes),
    )


def goertzel(samples: Samples, rate_hz: int, freq_hz: float) -> float:
    """Power of one frequency: its squared amplitude, 1.0 for a full-scale sine. 0.0 for no samples."""
    if not samples:
        return 0.0
    turn = 2 * math.pi * freq_hz / rate_hz
    twice = 2 * math.cos(turn)
    last = before = 0.0
    for sample in samples:
        last, before = sample + twice * last - before, last
    power = last * last + before * before - twice * last * before
    return 4 * power / (len(samples) * _FULL) ** 2


def mean_square(samples: Samples) -> float:
    """Mean of the squared samples, 0.5 for a full-scale sine."""
    return sum(map(mul, samples, samples)) / (len(samples) * _FULL * _FULL) if samples else 0.0


def rms_dbfs(samples: Samples) -> float:
    """Loudness in dBFS; ``SILENT_DBFS`` for digital silence or nothing."""
    square = mean_square(samples)
    return max(SILENT_DBFS, 10 * math.log10(square)) if square else SILENT_DBFS


def tone_share(samples: Samples, rate_hz: int, freq_hz: float) -> float:
    """How much of the sound's energy lies in one frequency: 1.0 for that pure tone, about 0 without it."""
    square = mean_square(samples)
    return min(1.0, goertzel(samples, rate_hz, freq_hz) / (2 * square)) if square else 0.0


def tones_present(
    samples: Samples,
    rate_hz: int,
    freqs_hz: Sequence[float],
    window_ms: int = 100,
    share: float = 0.1,
    floor_dbfs: float = -45.0,
) -> list[tuple[bool, ...]]:
    """Per window of ``window_ms`` (a last, shorter one is left out): whether each frequency sounds in it.

    A frequency sounds where the window is louder than ``floor_dbfs`` and the frequency has ``share`` of its energy.
    """
    step = rate_hz * window_ms // 1000
    told = []
    for start in range(0, len(samples) - step + 1, step):
        window = samples[start : start + step]
        loud = rms_dbfs(window) > floor_dbfs
        told.append(tuple(loud and tone_share(window, rate_hz, freq) >= share for freq in freqs_hz))
    return told


def heard_digits(samples: Samples, rate_hz: int = RATE_HZ) -> str:
    """The DTMF digits that sound in the samples, in order.

    A digit counts from about 50 ms on; a break of less than about 40 ms in it (lost packets) does not make it two.
    """
    length = max(2, rate_hz * 205 // 8000)  # the classic window: 25.6 ms tell the rows, 73 Hz apart, from each other
    digits, before, windows, held, absent = "", "", 0, "", 0
    for start in range(0, len(samples) - length + 1, length // 2):
        digit = _digit(samples[start : start + length], rate_hz)
        windows = windows + 1 if digit == before else 1
        absent = 0 if digit == held else absent + 1
        before = digit
        if absent >= _BREAK_WINDOWS:
            held = ""
        if digit and digit != held and windows >= 3:
            digits, held, absent = digits + digit, digit, 0
    return digits


def _digit(window: Samples, rate_hz: int) -> str:
    square = mean_square(window)
    if square < 1e-5:
        return ""
    rows = [goertzel(window, rate_hz, freq) / (2 * square) for freq in DTMF_ROWS_HZ]
    columns = [goertzel(window, rate_hz, freq) / (2 * square) for freq in DTMF_COLUMNS_HZ]
    row, column = max(rows), max(columns)
    if min(row, column) < 0.15 or row + column < 0.7:
        return ""
    return _KEYS[rows.index(row)][columns.index(column)]


def tone(freqs_hz: Sequence[float], length_ms: int, level_dbfs: float = -12.0, rate_hz: int = RATE_HZ) -> "array[int]":
    """The sum of pure tones, each as loud as ``level_dbfs`` (rms)."""
    amplitude = _FULL * math.sqrt(2) * 10 ** (level_dbfs / 20)
    turns = [2 * math.pi * freq / rate_hz for freq in freqs_hz]
    values = (amplitude * sum(math.sin(turn * at) for turn in turns) for at in range(rate_hz * length_ms // 1000))
    return array("h", (max(-32768, min(32767, round(value))) for value in values))


def silence(length_ms: int, rate_hz: int = RATE_HZ) -> "array[int]":
    """Digital silence."""
    return array("h", bytes(2 * (rate_hz * length_ms // 1000)))


def digit_tones(
    digits: str, tone_ms: int = 120, gap_ms: int = 80, level_dbfs: float = -12.0, rate_hz: int = RATE_HZ
) -> "array[int]":
    """DTMF in the voice band, each digit followed by a gap. SoundError for a character that is no key."""
    sound = array("h")
    for digit in digits:
        row = next((number for number, keys in enumerate(_KEYS) if digit in keys), None)
        if row is None:
            raise SoundError(f"{digit!r} is no key of a phone; the keys are {''.join(_KEYS)}.")
        pair = (DTMF_ROWS_HZ[row], DTMF_COLUMNS_HZ[_KEYS[row].index(digit)])
        sound += tone(pair, tone_ms, level_dbfs, rate_hz) + silence(gap_ms, rate_hz)
    return sound


def pilot(freq_hz: float, level_dbfs: float = -18.0, rate_hz: int = RATE_HZ) -> "array[int]":
    """One second of a voice that a machine knows by its pitch and an ear can bear: 0.8 s tone, 0.2 s nothing."""
    return tone([freq_hz], 800, level_dbfs, rate_hz) + silence(200, rate_hz)


def mixed(first: "array[int]", second: "array[int]") -> "array[int]":
    """Both at once, as long as ``first``; ``second`` is repeated or cut."""
    if not second:
        return first[:]
    times = -(-len(first) // len(second))
    return array("h", (max(-32768, min(32767, one + two)) for one, two in zip(first, second * times, strict=False)))


def looped(samples: "array[int]", at_least_ms: int, rate_hz: int = RATE_HZ) -> "array[int]":
    """The sound repeated whole until it lasts ``at_least_ms``. SoundError for no sound at all."""
    if not samples:
        raise SoundError("There is no sound to repeat: the file is empty.")
    return samples * max(1, math.ceil(rate_hz * at_least_ms / 1000 / len(samples)))


def wav_bytes(samples: "array[int]", rate_hz: int = RATE_HZ) -> bytes:
    """A mono WAV file."""
    little = samples
    if sys.byteorder == "big":
        little = array("h", samples)
        little.byteswap()
    body = little.tobytes()
    return header(len(body), rate_hz) + body
