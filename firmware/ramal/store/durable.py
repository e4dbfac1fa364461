"""Bringing running recordings onto the disk while people talk.

Law: a power cut costs at most the last seconds of a running recording. Asterisk hands its sound to the kernel about
every two seconds of talk, and the kernel may keep it for half a minute; so every ``EVERY_S`` seconds the files of the
recordings that are being written are made to last, all together: each commit of the file system's journal writes some
blocks of its own to the card. Runs on its own thread, because a memory card may take its time; it only reads the
database, and a failure is logged once and tried again.
"""

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from ramal.errors import RamalError
from ramal.store.db import open_reader
from ramal.store.ledger import TAKES

log = logging.getLogger(__name__)

EVERY_S = 5.0
"""As often as the file system commits by itself."""
_RUNNING = (
    "SELECT r.path FROM recording r JOIN call c ON c.key = r.id / ? WHERE r.state = 'writing' AND c.ended_ms IS NULL"
)


def running(db: sqlite3.Connection) -> tuple[str, ...]:
    """The paths (relative to the home) of recordings whose call still goes on."""
    return tuple(path for (path,) in db.execute(_RUNNING, (TAKES,)))


def make_last(files: Iterable[Path]) -> None:
    """Have everything that was written to ``files`` by anybody on the disk; those that are not there are left out.
    OSError when one of them cannot be."""
    with contextlib.ExitStack() as opened:
        descriptors = []
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                descriptors.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
                opened.callback(os.close, descriptors[-1])
        if len(descriptors) > 1:  # begin to write all of them; the last one's commit is then mostly that of all
            for descriptor in descriptors:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for descriptor in reversed(descriptors):
            os.fdatasync(descriptor)


class Durable:
    """The thread; ``last`` is how files are made to last."""

    def __init__(
        self,
        database: Path,
        home: Path,
        every_s: float = EVERY_S,
        last: Callable[[Iterable[Path]], None] = make_last,
    ) -> None:
        self._database, self._home, self._every_s, self._last = database, home, every_s, last
        self._stopping = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="durable", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the file in progress."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(open_reader(self._database)) as db:
                    while not self._stopping.wait(self._every_s):
                        self._last([self._home / path for path in running(db)])
                        self._failed = False
            except (OSError, sqlite3.Error, RamalError) as error:
                if not self._failed:
                    log.error("running recordings could not be made to last (%s); it is tried again", error)
                self._failed = True
                self._stopping.wait(self._every_s)
