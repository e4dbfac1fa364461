"""Heads of the catalogue kept apart from the database: ``seals/days`` (a line a day, only ever added to) and
``seals/tip`` (the last seal of all). Whoever changes the database without them is found; whoever changes both is found
by a head that was printed or mailed.

On the keeper's thread (writing), any (reading). Written after the seal is on the disk, so a file may lag by what a
crash cut off, but never lead: a head without its seal means that seals were removed.
"""

import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ramal.box.home import Home
from ramal.core.chain import Head, head_from
from ramal.vault.keys import fsync_folder

SECTOR = 512
"""Bytes that a disk writes at once."""


def days(home: Home) -> Mapping[int, bytes]:
    """The hashes of sealed days by the number of their seal; a torn or strange line is left out."""
    return {head.n: head.hash for line in _lines(home, "days") if (head := head_from(line.split(" ")[0])) is not None}


def tip(home: Home) -> Head | None:
    """The last head that was noted."""
    lines = _lines(home, "tip")
    while lines != (again := _lines(home, "tip")):  # it may be written in its place at this moment
        lines = again
    return head_from(lines[0].split(" ")[0]) if lines else None


def add_day(home: Home, head: Head) -> None:
    """Add a day's line and have it on the disk. OSError."""
    home.seals.mkdir(mode=0o750, exist_ok=True)
    path = home.seals / "days"
    new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + _line(head))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        fsync_folder(home.seals)


def put_tip(home: Home, head: Head) -> None:
    """Note the last seal. OSError.

    In its place where the line is as long as the one before: within one sector, which a disk writes whole or not, and
    without a new file, whose name and place would be written as well, at every recording."""
    home.seals.mkdir(mode=0o750, exist_ok=True)
    path, line = home.seals / "tip", _line(head)
    if not _overwritten(path, line):
        part = home.seals / f".tip.{os.getpid()}"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(part, path)


def _overwritten(path: Path, line: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode) or known.st_nlink != 1 or known.st_size != len(line) or len(line) > SECTOR:
            return False
        os.pwrite(descriptor, line, 0)
        os.fdatasync(descriptor)
        return True
    finally:
        os.close(descriptor)


def _line(head: Head) -> bytes:
    when = datetime.fromtimestamp(head.at_ms // 1000, UTC).isoformat()
    return f"{head.text} {when}\n".encode("ascii")


def _lines(home: Home, name: str) -> list[str]:
    try:
        return (home.seals / name).read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []
