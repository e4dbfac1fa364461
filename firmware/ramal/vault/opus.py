"""A recording's wav turned into Opus by opusenc, and the Opus decoded again and compared, both through pipes.

Law: what may not be heard (gaps) is silenced sample by sample before the encoder sees it; nothing is believed that was
not decoded again. Runs on the keeper's thread with two more while a program runs; programs have the lowest priority
there is (nice 19, idle IO) and die with the thread. Memory does not grow with the sound's length.
"""

import contextlib
import json
import math
import subprocess
import sys
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import BinaryIO, Protocol

from ramal.core.sound import SILENT_DBFS
from ramal.errors import RamalError
from ramal.store.recordings import WaveFacts, wave_facts

MONO_KBITS, STEREO_KBITS = 20, 32
COMPLEXITY = 5
"""Of 10. For a phone's narrow band 10 costs a fifth more time, and no measured difference is heard (tests/bench)."""
_NARROW = ("--set-ctl-int", "4004=1101")  # OPUS_SET_MAX_BANDWIDTH, narrow band: a phone's 8 kHz hold no more
GAPS = "RAMAL_GAPS"
"""The file's own word about its gaps, a comment of the Ogg: JSON of [from_ms, to_ms]; it goes with every copy."""
BLOCK = 64 * 1024
WINDOW_MS = 500
QUIET_DBFS = -50.0
"""A window louder than this holds sound."""
LOST_DB = 12.0
"""A window of the wav that holds sound may be so much quieter in the Opus; speech is about 1 dB quieter."""
LEVEL_DB = 4.0
"""The whole may differ so much in loudness."""
LENGTH_MS = 60
_FULL = 32768.0
_LOW = ("nice", "-n", "19", "ionice", "-c", "3")

Gaps = Sequence[tuple[int, int]]
Pace = Callable[[], None]


class Argv(Protocol):
    """The command line that runs a program of the peers' prefix (``Peers.argv``)."""

    def __call__(self, program: str, *args: str, die_with_parent: bool = False) -> list[str]: ...


class NotSound(RamalError):
    """The wav cannot be turned into anything: it is none, or of a kind Asterisk does not write here."""


class EncoderFailed(RamalError):
    """opusenc or opusdec could not be run, or gave up."""


class NotTheSame(RamalError):
    """What was decoded again is not what was encoded."""


def provided(program: str, *args: str, die_with_parent: bool = False) -> list[str]:
    """The command line of this machine's opusenc or opusdec. EncoderFailed when they are not provided."""
    from ramal.provide import peers

    try:
        return peers().argv(program, *args, die_with_parent=die_with_parent)
    except RamalError as error:
        raise EncoderFailed(str(error)) from error


@dataclass(slots=True)
class Levels:
    """Loudness of sound as it passes, per channel and ``WINDOW_MS``: mean squares (1.0 full scale)."""

    rate_hz: int
    channels: int
    samples: int = 0
    peak: int = 0
    windows: "list[array[float]]" = field(default_factory=list)
    _rest: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.windows = [array("f") for _ in range(self.channels)]

    def add(self, pcm: bytes | bytearray | memoryview) -> None:
        """More sound: interleaved 16 bit little-endian samples, in any pieces."""
        self._rest += pcm
        step = self.rate_hz * WINDOW_MS // 1000 * self.channels * 2
        whole = len(self._rest) - len(self._rest) % step
        for begin in range(0, whole, step):
            self._window(self._rest[begin : begin + step])
        del self._rest[:whole]

    def end(self) -> None:
        """There is no more."""
        frame = 2 * self.channels
        if left := len(self._rest) - len(self._rest) % frame:
            self._window(self._rest[:left])
        self._rest.clear()

    @property
    def duration_ms(self) -> int:
        """How much sound there was."""
        return self.samples * 1000 // self.rate_hz

    @property
    def peak_db(self) -> float:
        """dBFS of the loudest sample."""
        return round(max(SILENT_DBFS, 20 * math.log10(self.peak / _FULL)), 1) if self.peak else SILENT_DBFS

    def rms_db(self, loud: Sequence["array[float]"] | None = None) -> float:
        """dBFS of the windows (of any channel) that hold sound; ``loud`` chooses the windows by another's levels."""
        limit = _square(QUIET_DBFS)
        total, count = 0.0, 0
        for own, by in zip(self.windows, loud or self.windows, strict=True):
            for mine, chosen in zip(own, by, strict=False):
                if chosen > limit:
                    total, count = total + mine, count + 1
        return round(_db(total / count), 1) if count else SILENT_DBFS

    def _window(self, pcm: bytearray) -> None:
        values = array("h", bytes(pcm))
        if sys.byteorder == "big":
            values.byteswap()
        self.samples += len(values) // self.channels
        self.peak = max(self.peak, max(values), -min(values))
        for number in range(self.channels):
            own = values[number :: self.channels] if self.channels > 1 else values
            self.windows[number].append(sum(map(mul, own, own)) / (len(own) * _FULL * _FULL))


def facts_of(file: BinaryIO, size: int) -> WaveFacts:
    """What a wav of ``size`` bytes holds. NotSound for anything but 16 bit PCM of one or two channels with sound."""
    try:
        file.seek(0)
        start = file.read(4096)
    except OSError as error:
        raise NotSound(f"The recording cannot be read ({error.strerror}).") from error
    facts = wave_facts(start, size)
    if facts is None or facts.code not in (1, 0xFFFE) or facts.bits != 16 or facts.channels not in (1, 2):
        raise NotSound("This file is no recording as Asterisk writes them (16 bit PCM, one or two channels).")
    if not 6000 <= facts.rate_hz <= 48000 or facts.data_bytes < 2 * facts.channels:
        raise NotSound("This recording holds no sound.")
    return facts


def facts_of_ogg(start: bytes) -> WaveFacts:
    """The same of an Ogg Opus file, from its first bytes: what it was made from. NotSound when it is none."""
    at = start.find(b"OpusHead")
    if start[:4] != b"OggS" or at < 0 or len(start) < at + 19 or start[at + 9] not in (1, 2):
        raise NotSound("This file is no recording as Ramal keeps them.")
    rate_hz, channels = int.from_bytes(start[at + 12 : at + 16], "little"), start[at + 9]
    if not 6000 <= rate_hz <= 48000:
        raise NotSound("This file is no recording as Ramal keeps them.")
    return WaveFacts(0, 0, rate_hz * channels * 2, False, 1, channels, rate_hz, 16)


def encode(
    wav: BinaryIO,
    facts: WaveFacts,
    gaps: Gaps,
    out: Callable[[bytes], object],
    argv: Argv,
    pace: Pace,
    careful: bool = False,
) -> Levels:
    """Encode; ``out`` gets the Ogg file's bytes, which name the gaps (``GAPS``). The levels are of what the encoder
    got: the gaps are silent in it.
    ``careful``: for sound that speech settings do not keep (music, a fax), three times the size.

    ``pace`` is called for every 64 KiB of sound: it may wait while the box is busy, or raise. EncoderFailed.
    """
    rate, channels = facts.rate_hz, facts.channels
    kbits = MONO_KBITS if channels == 1 else STEREO_KBITS
    words = ["--quiet", "--raw", "--raw-rate", str(rate), "--raw-chan", str(channels), "--raw-bits", "16"]
    if careful:
        words += ["--music", "--bitrate", str(3 * kbits), "--comp", "10"]
    else:
        words += ["--speech", "--bitrate", str(kbits), "--comp", str(COMPLEXITY), *(_NARROW if rate == 8000 else ())]
    if gaps:
        words += ["--comment", f"{GAPS}={json.dumps([list(gap) for gap in gaps], separators=(',', ':'))}"]
    levels = Levels(rate, channels)

    def feed(into: BinaryIO) -> None:
        for pcm in silenced(wav, facts, gaps):
            pace()
            levels.add(pcm)
            into.write(pcm)
        levels.end()

    _through(argv("opusenc", *words, "-", "-", die_with_parent=True), feed, out)
    return levels


def decode(ogg: Callable[[], bytes], facts: WaveFacts, argv: Argv, pace: Pace) -> Levels:
    """The levels of an Ogg Opus file, whose bytes ``ogg`` gives piece by piece until b"". EncoderFailed."""
    levels = Levels(facts.rate_hz, facts.channels)

    def feed(into: BinaryIO) -> None:
        while piece := ogg():
            pace()
            into.write(piece)

    words = ("--quiet", "--no-dither", "--rate", str(facts.rate_hz), "-", "-")
    _through(argv("opusdec", *words, die_with_parent=True), feed, levels.add)
    levels.end()
    return levels


def compare(was: Levels, now: Levels) -> None:
    """NotTheSame unless it lasts as long, is as loud, and is silent just where the wav is."""
    if abs(was.duration_ms - now.duration_ms) > LENGTH_MS:
        raise NotTheSame(f"the Opus lasts {now.duration_ms} ms, the recording {was.duration_ms} ms")
    loud, less = _square(QUIET_DBFS), 10 ** (-LOST_DB / 10)
    for channel, (before, after) in enumerate(zip(was.windows, now.windows, strict=True)):
        for window, (one, two) in enumerate(zip(before, after, strict=False)):
            # A short last window, or one in which a word just begins, may come out in the neighbour.
            near = max(after[max(0, window - 1) : window + 2])
            if one > loud and near < one * less:
                raise NotTheSame(_at("is silent", channel, window))
            if two > loud and max(before[max(0, window - 1) : window + 2]) < two * less:
                raise NotTheSame(_at("has sound of its own", channel, window))
    difference = was.rms_db() - now.rms_db(was.windows)
    if abs(difference) > LEVEL_DB:
        raise NotTheSame(f"the Opus is {difference:.1f} dB quieter than the recording")


def silenced(wav: BinaryIO, facts: WaveFacts, gaps: Gaps) -> Iterator[bytes]:
    """The sound's bytes in blocks, with digital silence in the gaps (whole samples, rounded outwards)."""
    frame = 2 * facts.channels
    spans = [
        (max(0, begin) * facts.rate_hz // 1000 * frame, -(-end * facts.rate_hz // 1000) * frame)
        for begin, end in gaps
        if end > begin and end > 0
    ]
    at = 0
    wav.seek(facts.data_at)
    while at < facts.data_bytes:
        try:
            block = wav.read(min(BLOCK, facts.data_bytes - at))
        except OSError as error:  # a bad place on the disk: of this recording only
            raise NotSound(f"The recording cannot be read ({error.strerror}).") from error
        if not block:
            raise NotSound("The recording became shorter while it was read.")
        for begin, end in spans:
            first, last = max(begin - at, 0), min(end - at, len(block))
            if first < last:
                block = block[:first] + bytes(last - first) + block[last:]
        yield block
        at += len(block)


def _through(command: list[str], feed: Callable[[BinaryIO], None], out: Callable[[bytes], object]) -> None:
    """Run a program; a thread feeds it, this one takes what it gives. Whatever fails, the program ends."""
    name = next((word.rsplit("/", 1)[-1] for word in command if word.rsplit("/", 1)[-1].startswith("opus")), "opusenc")
    try:
        process = subprocess.Popen(
            [*_LOW, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise EncoderFailed(f"{name} could not be started: {error}") from error
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    errors = process.stderr
    failed: list[BaseException] = []
    said: list[bytes] = []
    threads = (
        threading.Thread(target=_fed, args=(feed, process.stdin, failed, process), name="opus in", daemon=True),
        threading.Thread(target=lambda: said.append(errors.read()[-400:]), name="opus says", daemon=True),
    )
    try:
        for thread in threads:
            thread.start()
        while piece := process.stdout.read1(BLOCK):  # type: ignore[attr-defined]
            out(piece)
    except BaseException:
        process.kill()
        raise
    finally:
        code = process.wait()
        for thread in threads:
            thread.join()
        process.stdout.close()
        process.stderr.close()
    broken = [error for error in failed if not isinstance(error, BrokenPipeError)]
    if broken:
        raise broken[0]
    if code != 0 or failed:
        raise EncoderFailed(f"{name} gave up (exit code {code}): {b''.join(said).decode('utf-8', 'replace').strip()}")


def _fed(
    feed: Callable[[BinaryIO], None], into: BinaryIO, failed: list[BaseException], process: "subprocess.Popen[bytes]"
) -> None:
    try:
        feed(into)
    except BaseException as error:
        failed.append(error)
        if not isinstance(error, BrokenPipeError):
            process.kill()  # an end of its input would look like the end of the sound
    finally:
        with contextlib.suppress(OSError):
            into.close()


def _at(what: str, channel: int, window: int) -> str:
    side = ("left", "right")[channel] if channel < 2 else str(channel)
    return f"the Opus {what} at {window * WINDOW_MS / 1000:.1f} s ({side})"


def _square(db: float) -> float:
    return float(10 ** (db / 10))


def _db(square: float) -> float:
    return max(SILENT_DBFS, 10 * math.log10(square)) if square > 0 else SILENT_DBFS
