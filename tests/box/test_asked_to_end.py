"""A signal that asks `ramal up` to end, wherever in Python it comes."""

import os
import signal
import time
import weakref
from collections.abc import Callable

from ramal.box.up import Ended, _Asked

LOCK_FORGOTTEN = """
def cb(reference):
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(10_000):  # a handler is called between two steps of this
        pass
"""


class Lock:
    """Something that can be forgotten."""


def call_back() -> Callable[[object], None]:
    """As the import system's own that forgets a module's lock, and a signal comes within it."""
    names: dict[str, Callable[[object], None]] = {"os": os, "signal": signal}  # type: ignore[dict-item]
    exec(compile(LOCK_FORGOTTEN, "<frozen importlib._bootstrap>", "exec"), names)
    return names["cb"]


def is_ended(work: Callable[[], None], asked: _Asked | None = None) -> bool:
    """Whether Ended is raised in ``work`` or soon after."""
    try:
        with (asked or _Asked()).by_signals():
            work()
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                time.sleep(0.01)
    except Ended:
        return True
    return False


def test_a_signal_raises_ended_where_it_comes() -> None:
    assert is_ended(lambda: os.kill(os.getpid(), signal.SIGTERM))


def test_a_signal_in_a_call_back_of_the_import_system_is_not_lost() -> None:
    """What is raised there is only printed ("Exception ignored in"), as for every weak reference."""
    locks = [Lock()]
    kept = weakref.ref(locks[0], call_back())
    assert is_ended(locks.clear)
    assert kept() is None


def test_after_its_block_no_timer_is_left_to_end_the_process() -> None:
    with _Asked().by_signals():
        call_back()(None)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_must_not_be_cut_short_is_not() -> None:
    asked, reached = _Asked(), []

    def work() -> None:
        with asked.later():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            reached.append(True)

    assert is_ended(work, asked)
    assert reached == [True]
