"""Copies of a backup at another place: a stick that is mounted here, or the machine that recordings are copied to.

Blocks; on the backups' thread. Law: a copy counts when its bytes were read back there and are those of the file; what
is removed at a place is only what has a backup's name.
"""

import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ramal.core import backups as rules
from ramal.core.backups import Lying
from ramal.core.office import Copy
from ramal.errors import RamalError
from ramal.ops.far import Far

BLOCK = 1 << 20
FAR_FOLDER = "backups"


class PlaceFailed(RamalError):
    """A backup could not be copied to a place; ``code`` is one of core.backups'."""

    def __init__(self, code: rules.Code, said: str = "") -> None:
        super().__init__(f"{rules.SENTENCES[code]} {said}".strip())
        self.code: rules.Code = code


def lying_in(folder: Path) -> list[Lying]:
    """The backups in a folder; none where there is no folder."""
    found = []
    try:
        for entry in os.scandir(folder):
            if rules.made_ms(entry.name) is not None and entry.is_file(follow_symlinks=False):
                found.append(Lying(entry.name, entry.stat(follow_symlinks=False).st_size))
    except OSError:
        return []  # whoever wants to write there is told
    return found


def remove_from(folder: Path, names: tuple[str, ...]) -> None:
    """Remove backups from a folder. OSError."""
    for name in names:
        with suppress(FileNotFoundError):
            (folder / name).unlink()


def other_disk(stick: Path, home: Path) -> bool:
    """Whether ``stick`` is, or will be, on a disk of its own: not the system's and not the home's. Its folder may be
    missing, the mounted disk may not."""
    present = stick
    while not present.exists() and present != present.parent:
        present = present.parent
    return present.stat().st_dev not in (os.stat("/").st_dev, home.stat().st_dev)


def onto(stick: Path, home: Path, file: Path, sha256: bytes, pace: Callable[[], None]) -> int:
    """Copy a backup into a stick's folder; bytes. PlaceFailed."""
    part = stick / f".{file.name}.part"
    try:
        if not other_disk(stick, home):
            raise PlaceFailed("no-stick")
        stick.mkdir(parents=True, exist_ok=True)
        for half in stick.glob(f".ramal-*{rules.SUFFIX}.part"):
            half.unlink()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(file, "rb") as source, os.fdopen(os.open(part, flags, 0o640), "wb+") as target:
            while block := source.read(BLOCK):
                pace()
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
            with suppress(OSError):  # or the kernel would show us what it remembers, not what the stick holds
                os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            target.seek(0)
            if hashlib.file_digest(target, "sha256").digest() != sha256:
                raise PlaceFailed("damaged", "(on the stick)")
        os.rename(part, stick / file.name)
        descriptor = os.open(stick, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise PlaceFailed("no-room" if full else "no-write", f"({error.strerror})") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return (stick / file.name).stat().st_size


class FarPlace:
    """The off-box place; FarFailed when it is not there. ``folder`` is for what rclone is given."""

    def __init__(self, copy: Copy, folder: Path, pace: Callable[[], None]) -> None:
        self._far = Far(replace(copy, folder=f"{copy.folder.rstrip('/')}/{FAR_FOLDER}"), folder, pace)

    def send(self, file: Path, sha256: bytes) -> None:
        """Copy a backup there and read it back. PlaceFailed, FarFailed."""
        self._far.send(file.parent, [file.name])
        if self._far.digest(file.name) != (file.stat().st_size, sha256):
            raise PlaceFailed("damaged", "(off the box)")

    def remove(self, names: tuple[str, ...]) -> None:
        """Remove backups there. FarFailed."""
        self._far.remove([name for name in names if rules.made_ms(name) is not None])
