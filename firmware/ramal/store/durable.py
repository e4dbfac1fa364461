"""Bringing running recordings onto the disk while people talk.

Law: a power cut costs at most the last seconds of a running recording. Asterisk hands its sound to the kernel about
every two seconds of talk, and the kernel may keep it for half a minute; so every ``EVERY_S`` seconds the files of the
recordings that are being written are made to last. Runs on its own thread, because a memory card may take its time; it
only reads the database, and a failure is logged once and tried again.
"""

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ramal.errors import RamalError
from ramal.store.db import open_reader
from ramal.store.ledger import TAKES

log = logging.getLogger(__name__)

EVERY_S = 2.0
_RUNNING = (
    "SELECT r.path FROM recording r JOIN call c ON c.key = r.id / ? WHERE r.state = 'writing' AND c.ended_ms IS NULL"
)


def running(db: sqlite3.Connection) -> tuple[str, ...]:
    """The paths (relative to the home) of recordings whose call still goes on."""
    return tuple(path for (path,) in db.execute(_RUNNING, (TAKES,)))


def make_last(file: Path) -> None:
    """Have everything that was written to ``file`` by anybody on the disk. OSError when it cannot be."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


class Durable:
    """The thread; ``last`` is how a file is made to last."""

    def __init__(
        self, database: Path, home: Path, every_s: float = EVERY_S, last: Callable[[Path], None] = make_last
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
                        self._once(running(db))
                        self._failed = False
            except (OSError, sqlite3.Error, RamalError) as error:
                if not self._failed:
                    log.error("running recordings could not be made to last (%s); it is tried again", error)
                self._failed = True
                self._stopping.wait(self._every_s)

    def _once(self, paths: tuple[str, ...]) -> None:
        for path in paths:
            if self._stopping.is_set():
                return
            with contextlib.suppress(FileNotFoundError):
                self._last(self._home / path)
