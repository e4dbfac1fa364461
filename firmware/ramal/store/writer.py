"""The thread that owns the database's only writing connection.

Law: whoever wants something written hands over a job and gets a Future; jobs run one after the other, in order. A job
that fails changes nothing. ``submit`` is for what was promised to a person or cannot be rebuilt: when its Future is
done, it is on the disk (synchronous=FULL). ``submit_rebuildable`` is for what comes from Asterisk's journals: a power
cut may undo its last moments whole, cursor and rows together, and the journals are read again.
"""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ramal.errors import RamalError
from ramal.store.db import open_writer, transaction
from ramal.store.migrations import migrate

log = logging.getLogger(__name__)

T = TypeVar("T")
DEPTH_MAX = 10_000
"""Jobs that may wait; beyond that something is wrong and the caller is told instead of memory being eaten."""


class WriterStopped(RamalError):
    """The writer takes no more jobs."""


class WriterOverrun(RamalError):
    """Too many jobs are waiting."""


@dataclass(frozen=True, slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    done: "Future[Any]"
    rebuildable: bool


class Writer:
    """Opens and migrates the database at ``path`` on its own thread; the constructor returns when it is ready.

    Raises DatabaseUnusable (from ``store.db`` and ``store.migrations``) when it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.Queue[_Job | None] = queue.Queue(DEPTH_MAX)
        self._lock = threading.Lock()
        self._stopped = False
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="store writer", daemon=True)
        self._thread.start()
        try:
            ready.result()
        except BaseException:
            self._thread.join()
            raise

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Run ``job`` in a transaction of its own; its result, or what it raised, comes in the Future. Any thread."""
        return self._put(job, rebuildable=False)

    def submit_rebuildable(self, job: Callable[[sqlite3.Connection], T]) -> "Future[T]":
        """Run ``job``, which makes its own transactions, without waiting for the disk. Any thread."""
        return self._put(job, rebuildable=True)

    @property
    def depth(self) -> int:
        """Jobs waiting, about."""
        return self._jobs.qsize()

    def stop(self) -> None:
        """Finish every job that was submitted, close the database, end the thread. May be called twice."""
        with self._lock:
            first = not self._stopped
            self._stopped = True
        if first:
            self._jobs.put(None)
        self._thread.join()

    def _put(self, job: Callable[[sqlite3.Connection], T], *, rebuildable: bool) -> "Future[T]":
        done: Future[T] = Future()
        with self._lock:
            if self._stopped:
                raise WriterStopped("The database is being closed; nothing was changed. Calls go on.")
            try:
                self._jobs.put_nowait(_Job(job, done, rebuildable))
            except queue.Full:
                raise WriterOverrun(
                    f"{DEPTH_MAX} changes are waiting for the disk; this one was not kept. Calls go on. "
                    "Check the disk, then try again."
                ) from None
        return done

    # ---- the writer's thread

    def _run(self, ready: "Future[None]") -> None:
        try:
            connection = open_writer(self._path)
            try:
                migrate(connection)
            except BaseException:
                connection.close()
                raise
        except BaseException as error:
            ready.set_exception(error)
            return
        ready.set_result(None)
        full = True
        while (job := self._jobs.get()) is not None:
            if job.done.set_running_or_notify_cancel():
                if full == job.rebuildable:  # only a change costs a statement
                    full = not job.rebuildable
                    connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
                _perform(connection, job)
        connection.close()


def _perform(connection: sqlite3.Connection, job: _Job) -> None:
    try:
        if job.rebuildable:
            result = job.run(connection)
        else:
            with transaction(connection):
                result = job.run(connection)
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if not isinstance(error, RamalError):
            log.warning("a change was not kept: %s: %s", type(error).__name__, error)
        job.done.set_exception(error)
    else:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
            job.done.set_exception(RuntimeError("the job left its transaction open; nothing was kept"))
        else:
            job.done.set_result(result)
