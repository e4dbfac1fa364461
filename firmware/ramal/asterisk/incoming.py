"""A sound that somebody brought (a prompt, music on hold): made into one that Asterisk plays, or a sentence why not.

Law: the file is a stranger's. Its first bytes say what it is, never its name; what is not on the list is not opened.
Decoders run in ``provide.jail`` and give back bare samples, at most ten minutes of them; only those go on. Runs on a
thread that may wait some seconds.
"""

import contextlib
import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ramal.core import sound
from ramal.errors import RamalError
from ramal.provide import jail
from ramal.provide.sandbox import SandboxError

BYTES_MAX = 20 << 20
LONGEST_S = 600
TAKES_S = 60.0
"""All decoding of one file together; ten minutes of mp3 take a Pi 4 about ten seconds."""
WIDE_HZ = 16_000
SHORTEST_S = 0.2
SILENT_DBFS = -55.0
"""A sound whose loudest tenth of a second stays below this holds nothing."""
SPEECH_DBFS, MUSIC_DBFS = -20.0, -26.0
"""How loud a prompt, and music on hold, is made: the mean of its louder parts."""
PEAK_DBFS = -1.0
GAIN_MAX_DB = 30.0
LEAD_MS, TAIL_MS = 150, 50
"""Silence put before and after a prompt."""

Form = Literal["wav", "mp3", "vorbis", "opus", "flac", "m4a"]
Use = Literal["prompt", "music"]
Jail = Callable[[str, list[str], Path | None], list[str]]
"""``jail(program, words, file)``: the command line of an imprisoned program, which finds the file as ``jail.GIVEN``."""


class NotTaken(RamalError):
    """A file that cannot be used; nothing was changed. ``code`` names the reason for the page."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{sentence} Nothing was changed.")
        self.code = code


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it: WAV files (16 bit, mono) for Asterisk (8 kHz) and to keep (16 kHz), and what it was."""

    form: Form
    wav: bytes
    wide: bytes
    duration_ms: int
    gain_db: float


def form_of(head: bytes) -> Form:
    """What a file is, by its first 64 bytes; NotTaken for everything that is not on the list."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        # The first page of an Ogg stream holds the first packet alone, behind a header of 27 bytes and its segments.
        packet = head[27 + head[26] :] if len(head) > 27 else b""
        if packet.startswith(b"OpusHead"):
            return "opus"
        if packet.startswith(b"\x01vorbis"):
            return "vorbis"
        raise NotTaken("sound-form", "This Ogg file holds neither Vorbis nor Opus sound.")
    if head[4:8] == b"ftyp":
        return "m4a"
    if head[:3] == b"ID3" or (len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    raise NotTaken("sound-form", "This is no WAV, MP3, Ogg (Vorbis or Opus), M4A (AAC) or FLAC file.")


def take(file: Path, use: Use, prison: Jail) -> Taken:
    """Make ``file`` playable: decoded, trimmed (a prompt), levelled. NotTaken with a sentence, SandboxError when this
    machine cannot open strangers' files safely."""
    size = file.stat().st_size
    if size == 0:
        raise NotTaken("sound-empty", "The file is empty.")
    if size > BYTES_MAX:
        raise NotTaken("sound-large", f"The file has more than {BYTES_MAX >> 20} MB.")
    with file.open("rb") as opened:
        form = form_of(opened.read(600))
    until_s = time.monotonic() + TAKES_S
    most = (LONGEST_S * WIDE_HZ + WIDE_HZ) * 2
    samples = _run(_decoders(form, file, prison), b"", most, until_s)
    if len(samples) > LONGEST_S * WIDE_HZ * 2:
        raise NotTaken("sound-long", f"The sound is longer than {LONGEST_S // 60} minutes.")
    wide = _samples(samples)
    if len(wide) < SHORTEST_S * WIDE_HZ:
        raise NotTaken("sound-short", "There is no sound in this file, or it is damaged.")
    loudness = loud_dbfs(wide, WIDE_HZ)
    if loudness < SILENT_DBFS:
        raise NotTaken("sound-silent", "The sound is silent from beginning to end.")
    target = SPEECH_DBFS if use == "prompt" else MUSIC_DBFS
    peak = max(max(wide), -min(wide), 1) / 32768
    gain_db = min(target - loudness, GAIN_MAX_DB)
    # A short peak may go a little beyond its place: 6 dB of it are limited, the rest keeps the gain down.
    gain_db = min(gain_db, PEAK_DBFS - sound_db(peak) + 6.0)
    if use == "prompt":
        wide = trimmed(wide, WIDE_HZ, max(loudness - 25.0, -60.0))
    whole = len(wide)
    words = [*_RAW, *_OUT, "gain", "-l", f"{gain_db:.2f}"]
    wide = _samples(_run([prison("sox", words, None)], wide.tobytes(), most, until_s))
    narrow_words = [*_RAW, "-t", "raw", "-r", str(sound.RATE_HZ), "-e", "signed", "-b", "16", "-c", "1", "-"]
    narrow = _samples(_run([prison("sox", narrow_words, None)], wide.tobytes(), most, until_s))
    if len(wide) != whole or abs(2 * len(narrow) - whole) > WIDE_HZ // 100:
        raise NotTaken("sound-slow", "The sound could not be levelled whole; this machine may be short of memory.")
    return Taken(
        form,
        sound.wav_bytes(narrow, sound.RATE_HZ),
        sound.wav_bytes(wide, WIDE_HZ),
        len(narrow) * 1000 // sound.RATE_HZ,
        round(gain_db, 1),
    )


def trimmed(samples: "array[int]", rate_hz: int, silent_dbfs: float) -> "array[int]":
    """``samples`` without what is below ``silent_dbfs`` before and after, but for a moment of silence at each end: a
    phone loses the first moments while its speaker opens. 30 ms above it is sound, less is a click."""
    window = rate_hz // 100
    loud = [
        sound.rms_dbfs(samples[at : at + window]) > silent_dbfs for at in range(0, len(samples) - window + 1, window)
    ]
    places = [place for place in range(len(loud) - 2) if all(loud[place : place + 3])]
    if not places:
        return samples
    kept = samples[places[0] * window : (places[-1] + 3) * window]
    for place in range(min(window, len(kept))):  # neither end begins with a click
        kept[place] = kept[place] * place // window
        kept[-1 - place] = kept[-1 - place] * place // window
    return sound.silence(LEAD_MS, rate_hz) + kept + sound.silence(TAIL_MS, rate_hz)


def sound_db(share: float) -> float:
    """Decibels of a share of full scale."""
    return 20 * math.log10(max(share, 1e-6))


def loud_dbfs(samples: "array[int]", rate_hz: int) -> float:
    """How loud the louder parts are: the mean of the tenths of a second within 20 dB of the loudest. Pauses between
    words, and silence before and after, do not count."""
    window = rate_hz // 10
    powers = [sound.mean_square(samples[at : at + window]) for at in range(0, len(samples) - window // 2, window)]
    top = max(powers, default=0.0)
    loud = [power for power in powers if power >= top / 100]
    mean = sum(loud) / len(loud) if loud else 0.0
    return 10 * math.log10(mean) if mean > 0 else sound.SILENT_DBFS


_RAW = ["-V1", "-t", "raw", "-r", str(WIDE_HZ), "-e", "signed", "-b", "16", "-c", "1", "-"]
_OUT = ["-t", "raw", "-r", str(WIDE_HZ), "-e", "signed", "-b", "16", "-c", "1", "-"]


def _decoders(form: Form, file: Path, prison: Jail) -> list[list[str]]:
    """The programs, each reading what the one before writes; the last gives bare samples, 16 kHz mono.

    sox is told what the file is: by itself it would ask its name, or start other programs for it.
    """
    # Any number of channels becomes one; the cut ends a file that would go on for ever.
    effects = ["remix", "-", "trim", "0", str(LONGEST_S + 1)]
    if form == "opus":
        opus = ["--quiet", "--rate", str(WIDE_HZ), "--force-stereo", jail.GIVEN, "-"]
        raw = ["-V1", "-t", "raw", "-r", str(WIDE_HZ), "-e", "signed", "-b", "16", "-c", "2", "-"]
        return [prison("opusdec", opus, file), prison("sox", [*raw, *_OUT, *effects], None)]
    if form == "m4a":
        piped = ["-V1", "--ignore-length", "-t", "wav", "-", *_OUT, *effects]
        return [prison("faad", ["-q", "-d", "-w", jail.GIVEN], file), prison("sox", piped, None)]
    return [prison("sox", ["-V1", "-t", form, jail.GIVEN, *_OUT, *effects], file)]


def _samples(data: bytes) -> "array[int]":
    found = array("h")
    found.frombytes(data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _run(commands: Sequence[list[str]], given: bytes, most: int, until_s: float) -> bytes:
    """Run programs, one behind the other, and read at most ``most`` bytes of the last one's output. NotTaken when they
    give nothing, or take longer than ``until_s`` (monotonic)."""
    started: list[subprocess.Popen[bytes]] = []
    reads: IO[bytes] | int = subprocess.PIPE if given else subprocess.DEVNULL
    feeding: threading.Thread | None = None
    try:
        for command in commands:
            process = subprocess.Popen(
                command, stdin=reads, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
            )
            if not isinstance(reads, int):
                reads.close()  # or the first program would never learn that the second one has ended
            started.append(process)
            assert process.stdout is not None
            reads = process.stdout
        if given:
            feeding = threading.Thread(target=_feed, args=(started[0], given), daemon=True)
            feeding.start()
        data = _read(started[-1], most, until_s)
        if len(data) < most and any(_was_killed(process, until_s) for process in started):
            raise NotTaken("sound-slow", "The file takes too much work to read; it may be damaged, or made to do that.")
    except OSError as error:
        raise SandboxError(f"A sound program could not be started ({error.strerror or error}).") from error
    finally:
        for process in started:
            process.kill()  # ends bwrap and with it (--die-with-parent) everything inside
            process.wait(10)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if feeding is not None:
            feeding.join(10)
    return data


def _was_killed(process: "subprocess.Popen[bytes]", until_s: float) -> bool:
    """Whether the kernel ended it at one of its limits: what it gave is then a part only. Its own complaints do not
    count, for a damaged end of a file is no reason to refuse the rest."""
    try:
        code = process.wait(max(0.1, until_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return True
    return code < 0 or (code > 128 and code != 128 + signal.SIGPIPE)


def _feed(process: "subprocess.Popen[bytes]", given: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        process.stdin.write(given)
        process.stdin.close()


def _read(process: "subprocess.Popen[bytes]", most: int, until_s: float) -> bytes:
    """Everything, but never more than ``most`` bytes and never after ``until_s``."""
    assert process.stdout is not None
    pieces, size = [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while size < most:
            if not selector.select(max(0.0, until_s - time.monotonic())):
                raise NotTaken("sound-slow", "The file takes too long to read; it may be damaged, or made to do that.")
            piece = os.read(process.stdout.fileno(), 1 << 20)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)[:most]
