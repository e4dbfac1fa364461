"""One writer per home: the daemon for its whole life, or a command for a moment while no daemon runs.

Any thread. Law: the lock is the kernel's (flock), so it ends with its process however that ends; the file's text only
says who holds it and is never believed.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from ramal.box.home import Home
from ramal.errors import RamalError


class HomeTaken(RamalError):
    """Somebody else writes to this home now."""


@contextlib.contextmanager
def only_writer(home: Home) -> Iterator[None]:
    """Be the home's only writer inside the block; HomeTaken when somebody is, RamalError when it cannot be written."""
    try:
        descriptor = os.open(home.writer_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise RamalError(
            f"The home {home.root} cannot be written ({error.strerror or error}). Nothing was started or changed. "
            "Repair its permissions or its disk, or choose another folder with RAMAL_HOME=/path."
        ) from error
    try:
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
