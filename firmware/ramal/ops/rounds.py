"""The rounds: from time to time, and when Asterisk came up, every subject does what it has to.

One thread, named ``rounds``. Law: one subject's failure is logged and stops nobody, and nothing here is waited for.
"""

import logging
import queue
import threading
from collections.abc import Sequence

from ramal.errors import RamalError
from ramal.ops.means import Subject

log = logging.getLogger(__name__)


class Rounds:
    """``up`` and ``stop`` are free to all threads."""

    def __init__(self, subjects: Sequence[Subject], every_s: float) -> None:
        self._subjects, self._every_s = tuple(subjects), every_s
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="rounds", daemon=True)

    def start(self) -> None:
        """Begin to go round."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round in progress."""
        self._asked.put(False)
        if self._thread.is_alive():
            self._thread.join(10.0)

    def up(self) -> None:
        """Asterisk came up or has a new office: have every subject's ``at_up`` done soon."""
        self._asked.put(True)

    def _run(self) -> None:
        while True:
            try:
                if not self._asked.get(timeout=self._every_s):
                    return
                came_up = True
            except queue.Empty:
                came_up = False
            for subject in self._subjects:
                try:
                    (subject.at_up if came_up else subject.now_and_then)()
                except RamalError as error:
                    log.info("%s: %s", subject.name, error)
                except Exception:
                    log.exception("%s failed in its round; it is tried again", subject.name)
