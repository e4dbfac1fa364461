"""One at a time: two set-ups that share a folder wait for each other. The kernel ends a turn with its process."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ramal.provide.say import say


@contextmanager
def turn(lock: Path, what: str, tell: Callable[[str], None] = say) -> Iterator[None]:
    """Hold the file ``lock`` (created with its folders); when another process holds it, say that and wait.

    ``what`` completes "another set-up ...", for example "is making .venv".
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    # No O_TRUNC and never unlinked: a lock file that is replaced while someone waits for it locks nothing.
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"another set-up {what}; waiting for it to finish")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
