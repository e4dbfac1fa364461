"""The engine: one thread that owns all state. Edges put events into the inbox; commands go out to edges.

``run`` is the engine thread (the process's main thread). Law: a step that fails is logged with its event and changes
nothing; after several in a row the process ends, its supervisor starts it anew, and the next look at Asterisk rebuilds
everything. The watchdog hears of us only after a completed step. Nothing here waits for an edge.
"""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass

from ramal.core import narrate
from ramal.core.commands import Command
from ramal.core.events import Event, Ticked
from ramal.core.state import State
from ramal.notify import Notifier

log = logging.getLogger(__name__)

FAILURES_MAX = 5
"""Failing steps in a row after which the process is better started anew."""
TICK_S = 10.0

Step = Callable[[State, Event, int], tuple[State, tuple[Command, ...]]]
Narrate = Callable[[State, Event, State, int], tuple[str, ...]]


def clock_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Then:
    job: Callable[[], None]


class Engine:
    """``put``, ``then``, ``stop``: free to all threads and to signal handlers; ``state``: the last complete one."""

    def __init__(
        self,
        step: Step,
        dispatch: Callable[[Command], None],
        *,
        state: State | None = None,
        notifier: Notifier | None = None,
        clock: Callable[[], int] = clock_ms,
        tick_s: float = TICK_S,
        narrate: Narrate = narrate.lines,
    ) -> None:
        self.state = state or State()
        """Replaced whole by every step; any thread may read the one it finds."""
        self.steps = 0
        """Steps completed since the start."""
        self._step, self._dispatch, self._narrate, self._clock = step, dispatch, narrate, clock
        self._notifier = notifier or Notifier()
        self._tick_s = min(tick_s, self._notifier.watchdog_s / 3) if self._notifier.watchdog_s else tick_s
        # SimpleQueue.put is reentrant: a signal handler may use it in the middle of a get.
        self._inbox: queue.SimpleQueue[Event | _Then | None] = queue.SimpleQueue()
        self._failures = 0

    def put(self, event: Event) -> None:
        """Tell the engine what happened; returns at once."""
        self._inbox.put(event)

    def then(self, job: Callable[[], None]) -> None:
        """Have ``job``, which must not wait, called on the engine's thread when all that was put before is taken."""
        self._inbox.put(_Then(job))

    def stop(self) -> None:
        """Let ``run`` return after the events that came before."""
        self._inbox.put(None)

    @property
    def depth(self) -> int:
        """Events waiting in the inbox: how far the engine is behind."""
        return self._inbox.qsize()

    def run(self) -> int:
        """Work until ``stop``; the process's exit code: 0, or 1 after too many failing steps."""
        tick_due = time.monotonic() + self._tick_s
        ready = False
        while self._failures < FAILURES_MAX:
            try:
                event = self._inbox.get(timeout=max(0.0, tick_due - time.monotonic()))
            except queue.Empty:
                event = Ticked()
            if event is None:
                return 0
            if isinstance(event, _Then):
                try:
                    event.job()
                except Exception:
                    log.exception("what was to be done next failed: %r", event.job)
                continue
            self._take(event)
            now = time.monotonic()
            # Also under load, when the inbox is never empty: the tick is due by the clock.
            if isinstance(event, Ticked) or now >= tick_due:
                tick_due = now + self._tick_s
                if not isinstance(event, Ticked):
                    self._take(Ticked())
                if not self._failures:
                    self._notifier.tell("WATCHDOG=1")
            if not ready and not self._failures:
                ready = True
                self._notifier.tell("READY=1")
        log.critical("%d steps failed in a row; ending, to be started anew. Calls go on.", self._failures)
        return 1

    def _take(self, event: Event) -> None:
        now_ms = self._clock()
        before = self.state
        try:
            after, commands = self._step(before, event, now_ms)
            lines = self._narrate(before, event, after, now_ms) if after is not before else ()
        except Exception:
            self._failures += 1
            log.exception("a step failed and changed nothing; its event: %r", event)
            return
        self._failures = 0
        self.steps += 1
        self.state = after
        for line in lines:
            log.info("%s", line)
        for command in commands:
            try:
                self._dispatch(command)
            except Exception:
                log.exception("a command was not taken: %r", command)
