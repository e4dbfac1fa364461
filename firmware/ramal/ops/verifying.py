"""Verifying the recordings inside the daemon: when somebody asks on the page, and by itself once a week.

Its thread, named ``verifying``, lives as long as one verification; it reads at low priority and waits while the box is
busy. Requests run on the control thread and return at once.
"""

import json
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import warnings
from ramal.core.events import ConditionSeen
from ramal.core.flaws import Flaw
from ramal.errors import RamalError
from ramal.ops.means import Means
from ramal.store import seals
from ramal.store.seals import Check
from ramal.vault.verify import Progress, Verification

log = logging.getLogger(__name__)

EVERY_MS = 7 * 24 * 3_600_000
AGAIN_MS = 3_600_000
"""So long after one that did not come to its end the next is not begun by itself."""
FOUND_MAX = 50
NICE = 19


class Verifier:
    """``wait`` returns when the box is calm, or raises to end."""

    def __init__(self, means: Means, wait: Callable[[], None]) -> None:
        self._means, self._wait = means, wait
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._progress = Progress()
        self._told_amiss: int | None = None
        self._began_ms = 0

    def begin(self) -> Answer:
        """Start one, unless one runs."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._progress, self._began_ms = Progress(), self._means.clock_ms()
                self._thread = threading.Thread(target=self._run, name="verifying", daemon=True)
                self._thread.start()
        return self.told()

    def told(self) -> Answer:
        """``{"running", "files", "done", "bytes", "seals"}``."""
        thread, progress = self._thread, self._progress
        running = thread is not None and thread.is_alive()
        figures = {name: getattr(progress, name) for name in ("files", "done", "bytes", "seals")}
        return {"running": running, **figures}

    def checked(self, request: Request) -> "Future[Answer]":
        """The command line verified: keep it (``check`` is JSON)."""
        check = check_from(request.text("check"))

        def job(db: Any) -> Answer:
            seals.keep_check(db, check)
            return {}

        self._tell(check.amiss)
        return self._means.write(job)

    def now_and_then(self) -> None:
        """On the keeper's thread: begin one when the last is long ago, and say what the last one found."""
        last: Check | None
        last, head = self._means.read(lambda db: (seals.last_check(db), seals.head(db)))
        if last is not None and self._told_amiss is None:
            self._tell(last.amiss)
        now_ms = self._means.clock_ms()
        since = head.at_ms if last is None and head is not None else last.at_ms if last is not None else now_ms
        long_ago = not 0 <= now_ms - since < EVERY_MS
        if head is not None and long_ago and not 0 <= now_ms - self._began_ms < AGAIN_MS:
            self.begin()

    def stop(self) -> None:
        """Wait for its end; whoever ends the daemon makes ``wait`` raise first."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            self._means.read(lambda db: self._verify(Verification(self._means.home, db, seen=self._seen)))
        except RamalError as error:
            log.info("the recordings were not verified to the end: %s", error)
        except Exception:
            log.exception("verifying the recordings stumbled")

    def _verify(self, verification: Verification) -> None:
        began_ms = self._means.clock_ms()
        found: list[Flaw] = []
        amiss = 0
        for flaw in verification.flaws():
            amiss += 1
            if amiss <= FOUND_MAX:
                found.append(flaw)
                log.error("verifying the recordings: %s: %s", flaw.where, flaw.what)
        check = check_of(verification.progress, began_ms, self._means.clock_ms(), amiss, found)
        self._means.write(lambda db: seals.keep_check(db, check)).result()
        self._tell(amiss)
        log.info("the recordings were verified: %d files, %d rows, %d amiss", check.files, check.seals, amiss)

    def _seen(self, progress: Progress) -> None:
        self._progress = progress
        self._wait()

    def _tell(self, amiss: int) -> None:
        self._told_amiss = amiss
        args = (("count", amiss),) if amiss else ()
        self._means.tell(ConditionSeen(warnings.SEALS_BROKEN, amiss > 0, args))


def check_of(progress: Progress, began_ms: int, ended_ms: int, amiss: int, found: list[Flaw]) -> Check:
    """A verification as it is written down."""
    return Check(
        began_ms,
        max(0, ended_ms - began_ms),
        progress.seals,
        progress.done,
        progress.bytes,
        amiss,
        json.dumps([flaw.plain() for flaw in found[:FOUND_MAX]], ensure_ascii=False),
        progress.head.text if progress.head else "",
    )


def check_from(text: str) -> Check:
    """A verification from the command line's JSON; RamalError when it is none."""
    try:
        return Check(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise RamalError("This is no verification. Nothing was kept.") from error
