"""What Asterisk wrote of a talk, made whole: raw sound gets its header, and a gap (card-safe) its silence.

Asterisk writes ``<name>.wav``, or ``<name>.raw`` where the office has stereo (interleaved 16 bit samples, 8 kHz, no
header: MixMonitor's option D writes nothing else). During a gap it writes nothing, so that nothing is there to be
found; here the silence is put in, exactly as long as the gap was. A wav with silence says so in a chunk of its own
(``gaps``, JSON of [from_ms, to_ms] in it), which also tells that it is whole.

Law: crash-safe at every step. What is made lies beside, is flushed, then takes the wav's name at once; the raw file
goes after that. Run again it does what is left. On the thread that measures recordings.
"""

import contextlib
import json
import logging
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ramal.core.gap import Gap
from ramal.core.recording import heard

log = logging.getLogger(__name__)

RATE_HZ, BYTES = 8000, 2
CHUNK = 256 * 1024
GAPS = b"gaps"


def written_as(path: Path) -> Path:
    """The file that Asterisk writes, or wrote, for the wav at ``path``."""
    raw = path.with_suffix(".raw")
    return raw if raw.exists() and not path.exists() else path


def make_whole(path: Path, work: Path, gaps: Sequence[Gap], channels: int) -> None:
    """Bring the wav at ``path`` into being or up to date, when there is anything to make it of. ``work``: a folder on
    the same disk. ``channels`` of a raw file. OSError when the disk fails: then what was there is still there."""
    raw = path.with_suffix(".raw")
    if path.exists():
        if raw.exists():  # the crash was between the two last steps
            _remove(raw)
            return
        if gaps and not _is_whole(path):
            _rewrite(path, path, work, gaps)
        return
    if raw.exists():
        _rewrite(raw, path, work, gaps, channels)
        _remove(raw)


def silences(written: int, gaps: Sequence[Gap], frame: int) -> Iterator[tuple[int, int]]:
    """What the whole sound is made of: (bytes of what was written, bytes of silence after them), in order."""
    at = 0
    for gap in sorted(gaps, key=lambda gap: gap.at_ms):
        here = min(gap.at_ms * RATE_HZ // 1000 * frame, written)
        yield max(0, here - at), gap.length_ms * RATE_HZ // 1000 * frame
        at = max(at, here)
    yield written - at, 0


def _rewrite(source: Path, path: Path, work: Path, gaps: Sequence[Gap], channels: int = 1) -> None:
    work.mkdir(mode=0o750, exist_ok=True)
    part = work / f"{path.stem}.join"
    with open(os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        begin, size = 0, os.fstat(file.fileno()).st_size
        if source.suffix == ".wav":
            begin, channels = _sound_of(file)
            if not begin:
                return  # no wav that we know: it is measured as damaged
        frame = channels * BYTES
        written = (size - begin) // frame * frame
        pieces = list(silences(written, gaps, frame))
        file.seek(begin)
        with open(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640), "wb"
        ) as made:
            made.write(_header(sum(a + b for a, b in pieces), channels, gaps))
            for sound, silence in pieces:
                _copy(file, made, sound)
                for at in range(0, silence, CHUNK):
                    made.write(bytes(min(CHUNK, silence - at)))
            made.flush()
            os.fsync(made.fileno())
    os.replace(part, path)
    _flush_folder(path.parent)


def _header(data_bytes: int, channels: int, gaps: Sequence[Gap]) -> bytes:
    marks = b""
    if gaps:
        text = json.dumps(heard(gaps), separators=(",", ":")).encode()
        text += b" " * (len(text) % 2)
        marks = struct.pack("<4sI", GAPS, len(text)) + text
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, RATE_HZ, RATE_HZ * channels * BYTES, channels * BYTES, 16
    )
    size = 4 + len(form) + len(marks) + 8 + data_bytes
    return struct.pack("<4sI4s", b"RIFF", size, b"WAVE") + form + marks + struct.pack("<4sI", b"data", data_bytes)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """name, where its content begins, how long it says it is."""
    file.seek(0)
    if file.read(12)[:4] != b"RIFF":
        return
    at = 12
    while len(head := file.read(8)) == 8:
        name, length = head[:4], int.from_bytes(head[4:], "little")
        yield name, at + 8, length
        if name == b"data":
            return
        at += 8 + length + length % 2
        file.seek(at)


def _sound_of(file: BinaryIO) -> tuple[int, int]:
    """Where the sound of a wav begins, and its channels; 0 when it is none."""
    channels = 0
    for name, at, _ in list(_chunks(file)):
        if name == b"fmt ":
            file.seek(at + 2)
            channels = int.from_bytes(file.read(2), "little")
        elif name == b"data" and channels:
            return at, channels
    return 0, 0


def _is_whole(path: Path) -> bool:
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        return any(name == GAPS for name, _, _ in _chunks(file))


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0 and (piece := source.read(min(CHUNK, count))):
        target.write(piece)
        count -= len(piece)


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
