"""Finds a prompt that is missing, or that Asterisk cannot play, for any language, before a call does.

Pure: ``lint`` judges what it is shown of each file (``in_folder`` looks into a real one). Why it matters: Asterisk
plays ``.wav`` only at 8 kHz, one channel, 16 bit; anything else is silence for the caller and a line in a log.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ramal.asterisk.prompts import Prompt, needed
from ramal.core.office import Office

Amiss = Literal["missing", "no-wav", "wrong-rate", "stereo", "not-16-bit", "empty", "cut-short"]
Judgement = tuple[Amiss, int]
"""What is amiss, and the figure that is wrong, else 0."""
RATE_HZ = 8000
HEAD_BYTES = 4096
"""So much of a file is looked at; more stands before the sound only in files that no voice of ours made."""
_PCM = 1
_SAID: dict[Amiss, str] = {
    "missing": "is missing",
    "no-wav": "is no WAV file",
    "wrong-rate": "has a wrong rate ({figure} Hz)",
    "stereo": "has {figure} channels",
    "not-16-bit": "is not 16 bit PCM ({figure} bit)",
    "empty": "holds no sound",
    "cut-short": "is cut short",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a file: its first bytes, and how many it has in all."""

    head: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One prompt that cannot be heard as it should. ``figure``: the rate in Hz, the channels or the bits that are
    wrong, else 0."""

    prompt: Prompt
    amiss: Amiss
    figure: int = 0

    def __str__(self) -> str:
        said = _SAID[self.amiss].format(figure=self.figure)
        return f"{self.prompt.path}.wav {said} ({self.prompt.language}: “{self.prompt.text[:60]}”)"


def lint(prompts: Iterable[Prompt], look: Callable[[str], Seen | None]) -> tuple[Fault, ...]:
    """The faults of ``prompts``, in their order; ``look`` shows the file of a path, None when there is none."""
    found = []
    for prompt in prompts:
        seen = look(prompt.path)
        judgement: Judgement | None = ("missing", 0) if seen is None else judged(seen)
        if judgement is not None:
            found.append(Fault(prompt, *judgement))
    return tuple(found)


def in_folder(office: Office, folder: Path) -> tuple[Fault, ...]:
    """What is missing or wrong below ``folder`` of all that ``office`` can say. Reads files; some milliseconds."""

    def look(path: str) -> Seen | None:
        file = folder / f"{path}.wav"
        try:
            with file.open("rb") as opened:
                return Seen(opened.read(HEAD_BYTES), file.stat().st_size)
        except OSError:  # also a folder of that name, or a file that may not be read: Asterisk cannot either
            return None

    return lint(needed(office), look)


def judged(seen: Seen) -> Judgement | None:
    """What is amiss with a file, None for nothing."""
    head = seen.head
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return ("empty" if not head else "no-wav"), 0
    at, format_seen = 12, False
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 24 <= len(head):
            if (amiss := _format(head[at + 8 : at + 24])) is not None:
                return amiss
            format_seen = True
        elif name == b"data":
            if not format_seen:
                return "no-wav", 0
            there = seen.size - at - 8
            if min(size, there) < 2:
                return "empty", 0
            return ("cut-short", 0) if there < size else None
        at += 8 + size + (size & 1)
    return "no-wav", 0


def _format(chunk: bytes) -> Judgement | None:
    code, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", chunk)
    if rate_hz != RATE_HZ:
        return "wrong-rate", rate_hz
    if channels != 1:
        return "stereo", channels
    return None if code == _PCM and bits == 16 else ("not-16-bit", bits)


def text(faults: Sequence[Fault], office: Office, folder: Path) -> str:
    """The faults in lines for a person, languages first; one sentence when there are none."""
    prompts = list(needed(office))
    spoken = ", ".join(dict.fromkeys(prompt.language for prompt in prompts))
    if not faults:
        return f"All {len(prompts)} prompts of this office are there ({spoken}).\n"
    lines = [f"{len(faults)} of {len(prompts)} prompts in {folder} cannot be heard:", *map(str, faults)]
    return "\n".join([*lines, f"Meanwhile callers hear {FALLBACK}. “ramal prompts mend” speaks them anew."]) + "\n"


FALLBACK = "the same sentence in the office's own language where it has one, else nothing; calls go on"
