"""The way of commands to Asterisk: one after the other, on a thread of its own, never sent twice.

Runs on the steering thread; ``send`` is free to all. Law: a command that cannot be delivered now is dropped, not kept:
the plan is made anew from what Asterisk holds when it is back (level-triggered), and a person is never dialed twice.
"""

import logging
import queue
import threading
from collections.abc import Callable

from ramal.ami.codec import Message
from ramal.ami.errors import AmiRefused
from ramal.ami.translate import Action, action
from ramal.core.commands import ToAsterisk
from ramal.core.events import CommandRefused, Event
from ramal.errors import RamalError

log = logging.getLogger(__name__)


class Steering:
    """Carries commands to Asterisk; ``put`` gets CommandRefused for what Asterisk did not do."""

    def __init__(self, deliver: Callable[[Action], Message], put: Callable[[Event], None]) -> None:
        self._deliver, self._put = deliver, put
        self._commands: queue.SimpleQueue[ToAsterisk | Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="steering", daemon=True)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self) -> None:
        """End after the commands that were sent before."""
        self._commands.put(None)
        if self._thread.is_alive():
            self._thread.join(10.0)

    def send(self, command: ToAsterisk) -> None:
        """Have ``command`` done; returns at once."""
        self._commands.put(command)

    def aside(self, job: Callable[[], object]) -> None:
        """Have ``job`` called between two commands, as it may wait for Asterisk; returns at once."""
        self._commands.put(job)

    def _run(self) -> None:
        while (command := self._commands.get()) is not None:
            try:
                if callable(command):
                    command()
                    continue
                answer = self._deliver(action(command))
                if not answer.ok:
                    self._put(CommandRefused(repr(command), answer.get("Message")))
            except AmiRefused as error:
                self._put(CommandRefused(repr(command), str(error)))
            except RamalError as error:
                log.info("a command was not delivered (%s): %r", error, command)
            except Exception:
                log.exception("a command was not delivered: %r", command)
