"""Following a journal file: which bytes come next, exactly once.

Law: the cursor is all there is to know; it is saved in the same transaction as the rows, and nothing is kept between
two reads. A file is known by its first line (Asterisk's lines begin with a time, so no two files share it); device and
inode only help to find it. So a home copied to another disk, a rotated file and a reused inode are told apart.

What is handled: rotation by renaming, also several times while nobody read (``name.1``, ``name-20261122``; the files
are read in the order of their first lines), a half-written last line (waits for its LF), lines without end (skipped),
and a file cut short by a power failure (read again from its beginning; what is known already is then recognised,
because ``recheck`` says up to where). Runs on the writer's thread.
"""

import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

log = logging.getLogger(__name__)

FIRST_MAX = 256
TAIL = 32
LINE_BYTES_MAX = 65536
"""Bytes without an LF after which they are skipped as garbage."""
_TIME = re.compile(rb"([0-9]{1,11})(?:\.([0-9]{6}),|\|)")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where reading stands in one journal. ``tail`` are the last bytes before ``offset``: they prove that the file is
    still the one that was read, and not ending in LF they say that an endless line is being skipped. While
    ``offset < recheck`` the lines may be known already. ``lines`` and ``refused`` count since the beginning."""

    name: str
    device: int = 0
    inode: int = 0
    offset: int = 0
    first: bytes = b""
    tail: bytes = b""
    recheck: int = 0
    lines: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines (LF included) and the cursor after them; ``more`` when there is something left to read now."""

    data: bytes
    cursor: Cursor
    more: bool


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    device: int
    inode: int
    size: int
    head: bytes
    """The first line, at most FIRST_MAX bytes; empty while it is not whole."""
    began: tuple[int, int]
    """When its first line was written (microseconds) and when its last (nanoseconds): the order of rotated files."""


def read(path: Path, cursor: Cursor, max_bytes: int) -> Chunk:
    """The next lines of the journal at ``path`` after ``cursor``, at most ``max_bytes`` (but always one whole line).

    OSError when the folder or a file cannot be read; a missing file is simply empty.
    """
    while True:
        file, cursor, last = _locate(path, cursor)
        if file is None:
            return Chunk(b"", cursor, False)
        data = _read_at(file.path, cursor.offset, max_bytes)
        if len(data) == max_bytes < LINE_BYTES_MAX and b"\n" not in data:
            data = _read_at(file.path, cursor.offset, LINE_BYTES_MAX)
        chunk = _cut(data, cursor, file)
        if chunk is not None:
            more = chunk.cursor.offset < file.size or not last
            return replace(chunk, more=more)
        if last:
            return Chunk(b"", cursor, False)
        following = _following(path, cursor)
        if following is None:
            return Chunk(b"", cursor, False)
        if data:
            log.warning("%s ends in the middle of a line; %d bytes were skipped", file.path, len(data))
        cursor = _begin(cursor, following)


def rest_unread(chunk: Chunk, before: Cursor, kept_bytes: int) -> Chunk:
    """The chunk cut after its first ``kept_bytes``: the rest is to be read again later."""
    if kept_bytes == len(chunk.data):
        return chunk
    begin = chunk.cursor.offset - len(chunk.data)
    data = chunk.data[:kept_bytes]
    tail = data[-TAIL:] if data else (before.tail if begin == before.offset else b"\n" if begin else b"")
    return Chunk(data, replace(chunk.cursor, offset=begin + kept_bytes, tail=tail), True)


def _locate(path: Path, cursor: Cursor) -> tuple[_File | None, Cursor, bool]:
    """The file to read now, the cursor in it, and whether it is the last one."""
    current = _look(path)
    if cursor.first and current is not None and _is_same(current, cursor):
        return current, _fit(current, cursor), True
    files = _files(path)
    if not cursor.first:
        if not files:
            return None, cursor, True
        return files[0], _begin(cursor, files[0]), len(files) == 1
    same = [file for file in files if _is_same(file, cursor)]
    if same:
        mine = next((f for f in same if (f.device, f.inode) == (cursor.device, cursor.inode)), same[0])
        return mine, _fit(mine, cursor), _following(path, cursor) is None
    following = _following(path, cursor)
    if following is None:
        return None, cursor, True
    log.warning("%s: the file that was being read is gone; reading on in %s", path.name, following.path)
    cursor = _begin(cursor, following)
    return following, cursor, _following(path, cursor) is None


def _is_same(file: _File, cursor: Cursor) -> bool:
    return bool(file.head) and file.head == cursor.first


def _fit(file: _File, cursor: Cursor) -> Cursor:
    """The cursor for this file; back to the beginning when the file lost what was already read."""
    cursor = replace(cursor, device=file.device, inode=file.inode)
    if cursor.offset <= file.size:
        begin = cursor.offset - len(cursor.tail)
        if _read_at(file.path, begin, len(cursor.tail)) == cursor.tail:
            return cursor
    log.warning("%s was cut short or changed below what was read; reading it again", file.path)
    return replace(cursor, offset=0, tail=b"", recheck=max(cursor.offset, cursor.recheck))


def _begin(cursor: Cursor, file: _File) -> Cursor:
    return replace(cursor, device=file.device, inode=file.inode, offset=0, first=file.head, tail=b"", recheck=0)


def _following(path: Path, cursor: Cursor) -> _File | None:
    """The file after the one the cursor is in. The journal's own name is always the last, whatever the clock said."""
    files = _files(path)
    mine = next((file for file in files if _is_same(file, cursor)), None)
    began = mine.began if mine is not None else (_time_us(cursor.first), 0)
    later = (file for file in files if file is not mine and (file.path == path or file.began > began))
    return next(later, None)


def _time_us(line: bytes) -> int:
    """The time a journal's line begins with; -1 when it begins with none."""
    match = _TIME.match(line)
    return int(match[1]) * 1_000_000 + int(match[2] or 0) if match else -1


def _files(path: Path) -> list[_File]:
    """The journal and its rotated siblings that hold at least one line, oldest first, each content once."""
    found: dict[bytes, _File] = {}
    own = _look(path)
    try:
        names = sorted(os.listdir(path.parent))
    except FileNotFoundError:
        return []
    for name in names:
        if name.startswith(path.name) and name != path.name and not name.endswith((".gz", ".bz2", ".xz", ".zst")):
            file = _look(path.parent / name)
            if file is not None and file.head and (own is None or own.head != file.head):
                known = found.get(file.head)
                if known is None or known.size < file.size:
                    found[file.head] = file
    files = sorted(found.values(), key=lambda file: (file.began, str(file.path)))
    return [*files, own] if own is not None and own.head else files


def _look(path: Path) -> _File | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        start = os.pread(descriptor, FIRST_MAX, 0)
    except OSError:
        return None  # a folder of that name
    finally:
        os.close(descriptor)
    end = start.find(b"\n") + 1
    head = start[:end] if end else (start if len(start) == FIRST_MAX else b"")
    began_us = _time_us(head)
    began = (began_us if began_us >= 0 else status.st_mtime_ns // 1000, status.st_mtime_ns)
    return _File(path, status.st_dev, status.st_ino, status.st_size, head, began)


def _read_at(path: Path, offset: int, size: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def _cut(data: bytes, cursor: Cursor, file: _File) -> Chunk | None:
    """Whole lines of ``data``; None when there is not even one."""
    skipped = 0
    if cursor.offset and cursor.tail[-1:] != b"\n":  # in an endless line
        skipped = data.find(b"\n") + 1 or len(data)
    end = data.rfind(b"\n") + 1
    if end <= skipped and len(data) - skipped >= LINE_BYTES_MAX:
        log.warning("%s holds a line without end at byte %d; skipping it", file.path, cursor.offset + skipped)
        moved = replace(cursor, offset=cursor.offset + len(data), tail=data[-TAIL:], refused=cursor.refused + 1)
        return Chunk(b"", moved, True)
    end = max(end, skipped)
    if end == 0:
        return None
    return Chunk(
        data[skipped:end], replace(cursor, offset=cursor.offset + end, tail=data[max(0, end - TAIL) : end]), True
    )
