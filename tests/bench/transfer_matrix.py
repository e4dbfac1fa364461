"""The recording follows the customer: (blind, attended, to a queue, outside) x (mono, stereo), each measured.

By hand: ``python -m tests.bench.transfer_matrix``. The customer's voice is a tone in noise that never repeats, so that
each piece of it tells when it was said. Per talk:

- its recordings hold every phone's voice in order, from their first ``ENDS_MS`` on and into the last ones, also that of
  who is outside, and the customer's all along (in stereo: on the left, and alone there);
- of what the customer said and the phones heard, no more than ``ENDS_MS`` is missing at the start, nor at the end; nor
  at both together of the time from the first bridge to the last one's end. (What a phone hears lasts to a buffer of its
  own before the end: there the recording is the longer one.)
- what a new MixMonitor at each transfer costs, and all else that is missing, is less than ``LATE_MS``.

In stereo each is done once more with a customer who says at once what is heard (``tests.system.echo``): before and
after the transfer both sides are apart by at most ``LAG_MS``.
"""

import contextlib
import math
import random
import shutil
import sys
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from pathlib import Path

from ramal.core import sound
from ramal.core.sound import Wave
from ramal.virtual.phone import Account, Phone
from tests.system import agents, desks, heard, sipp
from tests.system.desks import HZ, Desks, hears, states, talks
from tests.system.echo import Echo
from tests.until import until

WAYS = ("blind", "attended", "queue", "outside")
SIDES = tuple(sys.argv[1:]) or ("mono", "stereo")
LATE_MS = 150
"""What a new MixMonitor at each transfer may cost altogether. Seen: at most 40."""
ENDS_MS = 100
"""How much may be missing at the start or the end. Seen: 20 to 60 at the start, nothing at the end."""
LAG_MS = 40
"""How far apart both sides may be, the echo's own way (up to 20) included. Seen: 0 to 20; attended 20 to 40."""
NOWHERE_MS = 200.0
NOISE = 1600
VOICE_MS = 150_000
"""Longer than any of these calls."""
_PIECE = 800
"""Samples by which a moment of the voice is known: a tenth of a second."""
_STEP = 160


def said(hz: float, length_ms: int = VOICE_MS) -> "array[int]":
    """A voice that can be told from itself at another time."""
    chance = random.Random(hz)
    tone = sound.tone([hz], 1000)
    return array("h", (tone[at % len(tone)] + chance.randint(-NOISE, NOISE) for at in range(8 * length_ms)))


def bare(samples: Sequence[int], hz: Sequence[float]) -> list[float]:
    """Without these tones: what is left is the noise (higher pitched)."""
    left = [float(sample) for sample in samples]
    for each in hz:
        twice = 2 * math.cos(2 * math.pi * each / 8000)
        left = [0.0, 0.0, *(c - twice * b + a for a, b, c in zip(left, left[1:], left[2:], strict=False))]
    return left


@dataclass(frozen=True, slots=True)
class Voice:
    """The customer's voice without its tone, to find a piece of a recording in it."""

    noise: list[float]
    tones: tuple[float, ...]

    def at(self, samples: Sequence[int], from_ms: float, until_ms: float) -> float | None:
        """Which moment of the voice (ms) these ``_PIECE`` samples begin with, if it is one between these two."""
        piece = bare(samples, self.tones)[_STEP // 2 :]
        best, where = 0.0, 0
        for lag in range(max(0, int(from_ms * 8)), min(int(until_ms * 8), len(self.noise) - _PIECE)):
            score = sum(map(mul, piece, self.noise[lag : lag + len(piece)]))
            if score > best:
                best, where = score, lag
        there = self.noise[where : where + len(piece)]
        most = math.sqrt(sum(map(mul, piece, piece)) * sum(map(mul, there, there)))
        return (where - _STEP // 2) / 8 if most and best / most > 0.6 else None

    def first(self, samples: Sequence[int], from_ms: float, until_ms: float) -> float:
        """The first moment of the voice that is in it, said between these two."""
        for begin in range(0, min(len(samples) - _PIECE, 16_000), _STEP):
            if (moment := self.at(samples[begin : begin + _PIECE], from_ms, until_ms)) is not None:
                return moment
        return math.nan

    def last(self, samples: Sequence[int], from_ms: float, until_ms: float) -> float:
        """The end of the last piece of the voice that is in it."""
        for end in range(len(samples), max(_PIECE, len(samples) - 16_000), -_STEP):
            if (moment := self.at(samples[end - _PIECE : end], from_ms, until_ms)) is not None:
                return moment + _PIECE / 8
        return math.nan


def ends(voice: Voice, left: Sequence[int], span_ms: float, first: Path, last: Path | None) -> tuple[float, ...]:
    """What is missing (ms) at the start, and at the end, of what the phones heard; and at both of the time of talk."""
    begin = voice.first(left, 0, 15_000)
    near = begin + span_ms
    end = voice.last(left, near - 1500, near + 1500)
    wave = sound.read_wave(first.read_bytes())
    head = begin - voice.first(wave.mono, begin - 1000, begin + 1000)
    tail = 0.0
    if last is not None:
        wave = sound.read_wave(last.read_bytes())
        tail = voice.last(wave.mono, end - 1000, end + 1000) - end
    return head, tail, span_ms - (end - begin)


def silent_ends(samples: Sequence[int], first: float, last: float) -> tuple[int, int]:
    """How long (ms) it takes until the first phone's tone sounds, and how long the last one's is over at the end."""
    rows = sound.tones_present(samples, 8000, [first, last], heard.WINDOW_MS, 0.08)
    begin = next((at for at, (there, _) in enumerate(rows) if there), len(rows))
    end = next((at for at, (_, there) in enumerate(reversed(rows)) if there), len(rows))
    return begin * heard.WINDOW_MS, end * heard.WINDOW_MS


def hand_on(how: str, first: Phone, second: Phone) -> None:
    """The first phone's customer, to the second or outside."""
    if how == "attended":
        first.dial("202")
        talks(second)
        hears(second, "201")
        first.connect()
    elif how == "queue":
        first.policy = agents.IGNORE
        first.transfer("600")
        # 201 rings first, and again, until it counts as away
        until(lambda: "answered" in states(second), 40, "202 talks")
    else:
        first.transfer("202" if how == "blind" else "011987654321")


def lags_ms(wave: Wave, hz: Sequence[float]) -> list[float]:
    """How much later than the right the left side is, the most of five pieces of each voice on the right; its echo.
    One that fits nowhere is let go: it is where the distance changes."""
    found = []
    for each in hz:
        rows = sound.tones_present(wave.samples[1], 8000, [each], heard.WINDOW_MS, 0.3)
        there = [_STEP * at for at, (sounds,) in enumerate(rows) if sounds and at > 15]
        whole = [at for at in there if at + _PIECE < len(wave.samples[1])]
        pieces = [whole[len(whole) * part // 6] for part in range(1, 6)] if len(whole) > 6 else []
        lags = sorted((_lag_ms(wave, at, each) for at in pieces), key=abs)
        if len(lags) > 1 and lags[-1] == NOWHERE_MS:
            lags.pop()
        found.append(lags[-1] if lags else math.nan)
    return found


def _lag_ms(wave: Wave, begin: int, hz: float) -> float:
    """Of the left piece that begins there; NOWHERE_MS when there is no such piece on the right within 200 ms."""
    piece = bare(wave.samples[0][begin : begin + _PIECE], [hz])[_STEP // 2 :]
    around = bare(wave.samples[1][begin - 1600 : begin + 1600 + _PIECE], [hz])[_STEP // 2 :]
    places = range(len(around) - len(piece))
    scores = [sum(map(mul, piece, around[at : at + len(piece)])) for at in places]
    where = max(places, key=scores.__getitem__)
    there = around[where : where + len(piece)]
    most = math.sqrt(sum(map(mul, piece, piece)) * sum(map(mul, there, there)))
    return (1600 - where) / 8 if scores[where] > 0.6 * most else NOWHERE_MS


def aligned(office: Desks, how: str, user: str) -> tuple[bool, str]:
    """Whether both sides are, and how far they are apart before and after the transfer."""
    box = office.box
    with (
        office.phone("201", agents.ANSWER, login=True) as first,
        office.phone("202", agents.ANSWER, login=how == "queue") as second,
        contextlib.closing(Echo()) as echo,
    ):
        caller = sipp.Caller("+551133330001", user, stay_ms=60_000)
        folder = box.home.root / "callers"
        folder.mkdir(exist_ok=True)
        port = box.settings.sip_port
        box.callers.append((caller, sipp.start_with_voice(caller, box.programs, folder, port, echo.port)))
        talks(first)
        hears(first, "201")
        hand_on(how, first, second)
        if how == "outside":
            until(lambda: not first.calls, 20, "201 is out of it")
            answered = until(lambda: list(office.provider.talking), 10, "they talk outside")
            until(lambda: time.monotonic() > answered[-1] + 2, 5, "for two seconds")
        else:
            talks(second)
            hears(second, "202")
        box.end_calls()
        first.hangup()
        box.wait_for_callers()
        office.over()
    waves = [wave for _, wave in heard.recordings(office, office.call(user))]
    far = office.provider.hz if how == "outside" else HZ["202"]
    lags = [
        lag for wave, hz in zip((waves[0], waves[-1]), (HZ["201"], far), strict=True) for lag in lags_ms(wave, [hz])
    ]
    good = all(0 <= lag <= LAG_MS for lag in lags)
    return good, f"left later than right by {lags[0]:.0f} ms, then {lags[1]:.0f} ms"


def transferred(office: Desks, voice: Voice, how: str, user: str) -> tuple[bool, str]:
    """Whether the talk was recorded as it should be, and what was measured."""
    last: Path | None = None
    account = Account(user, port=office.box.settings.sip_port)
    with (
        office.phone("201", agents.ANSWER, login=True) as first,
        office.phone("202", agents.ANSWER, login=how == "queue") as second,
    ):
        mouth = office.folder / "caller.wav"
        with Phone(office.folder / user, "caller", account, voice=mouth, voice_ms=VOICE_MS) as caller:
            caller.dial(f"sip:+551133330001@127.0.0.1:{office.box.settings.sip_port}")
            talks(first)
            begun = next(iter(first.calls.values())).heard
            hears(caller, "201")
            hand_on(how, first, second)
            hears(caller, str(office.provider.hz) if how == "outside" else "202")
            if how != "outside":
                hears(second, "caller")
                last = next(iter(second.calls.values())).heard
            caller.hangup()
            until(lambda: not caller.calls, 10, "the caller has hung up")
        first.hangup()
        office.over()
    call = office.call(user)
    waves = [wave for _, wave in heard.recordings(office, call)]
    legs = office.box.detail(call["id"]).legs
    span_ms = float((legs[-1].to_ms or 0) - legs[0].from_ms)
    figures = judged(voice, how, waves, span_ms, (begun, last), office.provider.hz)
    lack_ms = call["talk_ms"] - figures.length_ms
    return figures.good and abs(lack_ms) < LATE_MS, f"{figures}, lacks {lack_ms:.0f} ms"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of a talk's recordings."""

    phones: tuple[str, ...]
    expected: tuple[str, ...]
    customer: float
    alone: bool
    missing_ms: tuple[float, ...]
    office_ms: tuple[int, int]
    length_ms: float
    files: int

    @property
    def good(self) -> bool:
        """All but how much of the talk there is."""
        head, tail, both = self.missing_ms
        whole = all(missing < ENDS_MS for missing in (head, tail, abs(both), *self.office_ms))
        return self.phones == self.expected and self.customer > 0.85 and self.alone and whole

    def __str__(self) -> str:
        head, tail, both = self.missing_ms
        told = f"{'+'.join(self.phones)}, customer {self.customer:.0%}, {self.files} files"
        told += f", of the customer missing at the start {head:.0f} ms, at the end {tail:.0f} ms, at both {both:.0f} ms"
        return f"{told}, of the office {self.office_ms[0]} and {self.office_ms[1]} ms"


def in_order(words: Sequence[str]) -> tuple[str, ...]:
    """The phones that sound for a fifth of a second at least: also the music of a hold has their pitches in passing."""
    run, found = dict.fromkeys(HZ, 0), dict[str, None]()
    for word in words:
        there = word.split("+")
        run = {name: before + 1 if name in there else 0 for name, before in run.items()}
        found |= dict.fromkeys(name for name, now in run.items() if now == 10 and name != "caller")
    return tuple(found)


def judged(
    voice: Voice, how: str, waves: Sequence[Wave], span_ms: float, files: tuple[Path, Path | None], outside_hz: float
) -> Figures:
    """``span_ms``: from the first bridge to the last one's end; ``files``: what the first and the last phone heard."""
    left = [sample for wave in waves for sample in wave.samples[0]]
    right = [sample for wave in waves for sample in wave.samples[-1]]
    lefts, rights = heard.track(left, tuple(HZ)), heard.track(right, tuple(HZ))
    phones = in_order(rights)
    return Figures(
        phones=phones,
        expected=("201",) if how == "outside" else ("201", "202"),
        customer=sum("caller" in word for word in lefts) / len(lefts),
        alone=waves[0].channels == 1 or not any("caller" in word for word in rights),
        missing_ms=ends(voice, left, span_ms, *files),
        office_ms=silent_ends(right, HZ["201"], outside_hz if how == "outside" else HZ["202"]),
        length_ms=sum(wave.duration_s for wave in waves) * 1000,
        files=len(waves),
    )


def main() -> int:
    """Run all; 0 when all are good."""
    bad = 0
    samples = said(HZ["caller"])
    for sides in SIDES:
        folder = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
        settings = f'\n[recordings]\nnotice = false\nsides = "{sides}"\n'
        try:
            with desks.running(folder, daemon=True, office=settings) as office:
                tones = (HZ["caller"], HZ["201"], HZ["202"], office.provider.hz)
                voice = Voice(bare(samples, tones), tones)
                (folder / "caller.wav").write_bytes(sound.wav_bytes(samples))
                for number, how in enumerate(WAYS):
                    good, figures = transferred(office, voice, how, f"+55119000005{number:02}")
                    bad += not good
                    print(f"{sides:7} {how:9} {'ok ' if good else 'BAD'} {figures}", flush=True)
                for number, how in enumerate(WAYS if sides == "stereo" else ()):
                    office.provider.noise = NOISE
                    for name in ("201", "202"):
                        (folder / f"{name}.wav").write_bytes(sound.wav_bytes(said(HZ[name], 20_000)))
                    good, figures = aligned(office, how, f"+55119000006{number:02}")
                    bad += not good
                    print(f"{sides:7} {how:9} {'ok ' if good else 'BAD'} {figures}", flush=True)
                until(lambda office=office: office.box.channels() == 0, 20, "all is over")  # type: ignore[misc]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
