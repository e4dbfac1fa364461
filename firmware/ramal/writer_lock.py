"""One writer per home: the daemon for its whole life, or a command for a moment while no daemon runs.

Any thread. Law: the lock is the kernel's (flock), so it ends with its process however that ends; the file's text only
says who holds it and is never believed. Root takes it in a folder that is another's: only a file of its own kind is
opened and written, never what a link names.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator

from ramal.box.home import Home
from ramal.errors import RamalError


class HomeTaken(RamalError):
    """Somebody else writes to this home now."""


@contextlib.contextmanager
def only_writer(home: Home) -> Iterator[None]:
    """Be the home's only writer inside the block; HomeTaken when somebody is, RamalError when it cannot be written."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(home.writer_lock, flags, 0o660)
    except OSError as error:
        raise RamalError(
            f"The home {home.root} cannot be written ({error.strerror or error}). Nothing was started or changed. "
            "Repair its permissions or its disk, or choose another folder with RAMAL_HOME=/path."
        ) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise RamalError(
                f"{home.writer_lock} is no file of its own. Nothing was started or changed. Remove it; it is made anew."
            )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise HomeTaken(
                f"Another Ramal process writes to {home.root} now (process {holder}). Nothing was started or changed. "
                "Use the one that runs, end it first, or choose another home with RAMAL_HOME=/path."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
