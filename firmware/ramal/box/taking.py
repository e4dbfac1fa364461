"""Root's hands in a folder that is another user's: a request is taken away, a file is written or removed.

Law: of a path only the last folder's owner is distrusted (what is above it is root's): that folder is opened once,
without following a link, and everything is done by its descriptor, so that it cannot be exchanged meanwhile. Whatever
lies where a request is looked for is taken away, of whatever kind: process 1 starts root's service as long as it is
there. Nothing here waits: neither for a FIFO nor for a device. Without a thread of its own.
"""

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

_TAKEN = "request"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of ``folder``, for ``dir_fd``; OSError when it is a link or no folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def take(path: Path, most_bytes: int) -> str | None:
    """The text of the file at ``path``, which is taken away; None when nothing is there. What is no file of at most
    ``most_bytes`` is taken away too and has the text ""."""
    try:
        with opened(path.parent) as theirs, _ours_in(theirs) as ours:
            try:
                os.rename(path.name, _TAKEN, src_dir_fd=theirs, dst_dir_fd=ours)
            except FileNotFoundError:
                return None
            try:
                return _text(ours, most_bytes)
            finally:
                _remove(ours)
    except OSError:
        return None


def write(path: Path, text: str, mode: int) -> None:
    """Replace the file ``path`` by ``text``: whole or not at all; not lasting. OSError."""
    temporary = f".{path.name}.new"
    with opened(path.parent) as folder:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, mode)
        os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)


def remove(path: Path) -> None:
    """Remove the file ``path`` when it is there. OSError."""
    with opened(path.parent) as folder, contextlib.suppress(FileNotFoundError):
        os.unlink(path.name, dir_fd=folder)


@contextlib.contextmanager
def _ours_in(theirs: int) -> Iterator[int]:
    """A folder nobody else may enter, in theirs: a rename goes no further than that mount."""
    name = f".taken-{secrets.token_hex(8)}"
    os.mkdir(name, 0o700, dir_fd=theirs)
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=theirs)
        try:
            found = os.fstat(descriptor)
            if found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise PermissionError("the folder for what is taken was exchanged")
            yield descriptor
        finally:
            os.close(descriptor)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=theirs)


def _text(ours: int, most_bytes: int) -> str:
    try:
        descriptor = os.open(_TAKEN, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=ours)
    except OSError:
        return ""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        return ""
    with open(descriptor, "rb") as file:
        data = file.read(most_bytes + 1)
    return data.decode("utf-8", "replace") if len(data) <= most_bytes else ""


def _remove(ours: int) -> None:
    try:
        os.unlink(_TAKEN, dir_fd=ours)
    except OSError:  # a folder; what cannot be removed stays in ours, out of the way
        with contextlib.suppress(OSError, RecursionError):
            shutil.rmtree(_TAKEN, ignore_errors=True, dir_fd=ours)
