"""The virtual office: real SIP phones that register, log their agents in, answer and talk.

Law: one thread (``run``) owns the desks; phones, orders and signals only put into its inbox. The office knows nothing
of the box but its SIP port: it is to the box what people and phones are. ``status.json`` in its home is for others.
"""

import contextlib
import fcntl
import heapq
import itertools
import json
import os
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide.peer import Peers
from ramal.virtual.desk import Desk
from ramal.virtual.office_config import OfficeConfig
from ramal.virtual.phone import PhoneEvent, Policy
from ramal.virtual.wire import Answer, Listening, Order

STATUS = "status.json"


class OfficeRuns(RamalError):
    """A virtual office already lives in this home."""


class VirtualOffice:
    """The phones of ``config``. ``run`` works until ``stop`` is called; ``say`` gets one line a change."""

    def __init__(
        self, config: OfficeConfig, say: Callable[[str], None] = lambda line: None, use: Peers | None = None
    ) -> None:
        self._config, self._say = config, say
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._desks: dict[str, Desk] = {}
        config.home.mkdir(parents=True, exist_ok=True)
        for phone in config.phones:
            self._desks[phone.extension] = Desk(phone, config, self._event, self._later, self._changed, use)

    def stop(self) -> None:
        """Have ``run`` come to its end. Any thread, also a signal handler."""
        self._inbox.put(None)

    def run(self) -> None:
        """Start all phones and mind them until ``stop``; then nothing of them is left. OfficeRuns when one runs."""
        with _alone(self._config.home):
            orders = Listening(self._config.home, self._order)
            try:
                self._write()
                for desk in self._desks.values():
                    self._later(0.0, desk.start)
                self._work()
            finally:
                orders.close()
                with ThreadPoolExecutor(max(1, len(self._desks)), "virtual-stop") as hands:
                    list(hands.map(lambda desk: desk.phone.stop(), self._desks.values()))
                self._drain()
                self._write()

    def _work(self) -> None:
        while True:
            wait_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            with contextlib.suppress(queue.Empty):
                action = self._inbox.get(timeout=wait_s)
                if action is None:
                    return
                action()
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                action = self._inbox.get_nowait()
                if action is not None:
                    action()

    def _event(self, desk: Desk, event: PhoneEvent) -> None:
        self._inbox.put(lambda: self._happened(desk, event))

    def _happened(self, desk: Desk, event: PhoneEvent) -> None:
        desk.event(event)
        self._write()

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._numbers), action))

    def _changed(self, desk: Desk) -> None:
        self._say(f"phone {desk.config.extension}: {desk.state}" + (f" ({desk.problem})" if desk.problem else ""))
        self._write()

    def _write(self) -> None:
        """The status file, whole at every instant."""
        status = {
            "at_ms": time.time_ns() // 1_000_000,
            "pid": os.getpid(),
            "phones": [desk.told() for desk in self._desks.values()],
        }
        fresh = self._config.home / f"{STATUS}.new"
        fresh.write_text(json.dumps(status, ensure_ascii=False), encoding="utf-8")
        fresh.rename(self._config.home / STATUS)

    def _order(self, order: Order, reply: Callable[[Answer], None]) -> None:
        self._inbox.put(lambda: reply(self._obey(order)))

    def _obey(self, order: Order) -> Answer:
        desk = self._desks.get(order["phone"])
        if desk is None:
            return False, f"there is no phone {order['phone']}; there are {', '.join(self._desks)}"
        phone, value = desk.phone, order["value"]
        if not phone.running:
            return False, "it is not running"
        try:
            match order["do"]:
                case "answer" | "reject" | "hangup" | "hold" | "resume" as action:
                    getattr(phone, action)()
                case "dial":
                    return True, phone.dial(value)
                case "dtmf":
                    phone.dtmf(value)
                case "transfer":
                    phone.transfer(value)
                case "answer_after":
                    phone.policy = Policy("answer", float(value)) if value else Policy()
                case unknown:
                    return False, f"{unknown!r} is nothing a phone can do"
        except (RamalError, ValueError) as problem:
            return False, str(problem)
        return True, ""


def read_status(home: Path) -> dict[str, object] | None:
    """What the office in ``home`` last wrote; None when none ever ran there."""
    try:
        status = json.loads((home / STATUS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    assert isinstance(status, dict)
    return status


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise OfficeRuns(
                f"A virtual office already runs in {home}. It goes on; this one was not started."
            ) from problem
        yield
