"""What the database knows of somebody who waits: the contact, and why the call still waits.

Law: looked up at most every ``KEPT_S`` for a call, whoever looks at the page, and bounded. Any thread.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import replace

from ramal.core.history import Step
from ramal_web.calls.words import Speaker
from ramal_web.history import history, office
from ramal_web.live.picture import Caller

KEPT_S = 2.0
ENTRIES_MAX = 200
LINES = 3
KINDS = ("decision", "need", "language")
"""Steps that say why."""

Known = tuple[str, bool, tuple[Step, ...]]
"""Name of the contact, VIP, and the steps that say why, oldest first."""


class Reasons:
    """One page process's memory of what it looked up."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[float, Known]] = OrderedDict()
        self._lock = threading.Lock()

    def about(self, callers: list[Caller]) -> list[Caller]:
        """The callers with what is known of them."""
        say = Speaker(office())
        return [_with(caller, self._of(caller), say) for caller in callers]

    def _of(self, caller: Caller) -> Known:
        key, now_s = (caller.call, caller.number), time.monotonic()
        with self._lock:
            found = self._known.get(key)
        if found is not None and now_s - found[0] < KEPT_S:
            return found[1]
        known = _look_up(caller)
        with self._lock:
            self._known[key] = (now_s, known)
            self._known.move_to_end(key)
            while len(self._known) > ENTRIES_MAX:
                self._known.popitem(last=False)
        return known


def _look_up(caller: Caller) -> Known:
    contact = history().contact(caller.number)
    detail = history().call(caller.call)
    steps = tuple(step for step in detail.steps if step.kind in KINDS)[-LINES:] if detail else ()
    return (contact.name if contact else "", bool(contact and contact.vip), steps)


def _with(caller: Caller, known: Known, say: Speaker) -> Caller:
    name, vip, steps = known
    return replace(caller, contact=name, vip=vip, lines=tuple(say.say(step) for step in steps))
