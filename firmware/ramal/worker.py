"""Work that may take long (speaking prompts, reloading Asterisk), one job after the other, away from the engine.

``submit`` and ``stop`` are free to all threads. Law: the thread is a daemon thread, so that a job that hangs cannot
keep the process from ending; jobs are therefore safe to be cut off at any moment.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """A thread called ``name`` that does one job at a time; starts with the first."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._lock = threading.Lock()
        self._stopped = False

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """Have ``job`` done after those before it; cancelled when the worker has ended."""
        future: Future[T] = Future()
        with self._lock:
            if self._stopped:
                future.cancel()
                return future
            if self._thread.ident is None:
                self._thread.start()
            self._jobs.put((future, job))
        return future

    def stop(self, timeout_s: float) -> None:
        """Cancel what has not begun, and wait at most ``timeout_s`` seconds for what has."""
        with self._lock:
            self._stopped = True
            while True:
                try:
                    waiting = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if waiting is not None:
                    waiting[0].cancel()
            self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)
