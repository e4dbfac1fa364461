"""Who is next: the one total order of waiting callers, across all queues.

Pure. The order is (level, promised deadline, joining), and nothing else:

1. the higher *level* (0 to 9): the queue's ``priority``, what the number, the menu's key and the contact add, and one
   more for each ``age_every_s`` of waiting;
2. the earlier *deadline*: when the caller joined its first queue plus the ``answer_within_s`` of this one;
3. who joined this queue of app_queue first.

The first two are one number, ``prio``, which the dialplan gives to app_queue as QUEUE_PRIO (``dialplan/queue.conf``
computes the same), and app_queue keeps with ``force_longest_waiting_caller = prio`` over all queues an agent serves.
So the order holds without the daemon; the daemon only lifts callers when a level is due (``core.ageing``).

Nobody starves. After ``lift_s`` a caller has level 9, and from then on only callers with an earlier deadline are
before it; who joins later than ``fence_s`` after it has none. So the set of callers who may still overtake is closed
at that moment, and with c agents, handling times of at most h seconds, and n callers before it then, it is served
within ``fence_s + h * (n // c + 1)`` seconds of joining (property-tested in tests/core/test_order.py). The daemon looks
every ``tick_s``, which adds at most that much.
"""

LEVEL_MAX = 9
SPAN = 200_000_000
"""Deadlines within a level are counted modulo six years, so that the greatest number fits app_queue's int."""
EPOCH = 1_767_225_600
"""2026-01-01, UTC."""


def capped(level: int) -> int:
    """A level as app_queue can hold it."""
    return max(0, min(LEVEL_MAX, level))


def deadline_s(joined_s: int, answer_within_s: int) -> int:
    """When the caller was promised to be answered; seconds since 1970."""
    return joined_s + answer_within_s


def prio(level: int, deadline_s: int) -> int:
    """The number app_queue orders by: higher is served first. 0 to 1,999,999,999."""
    return capped(level) * SPAN + SPAN - 1 - (deadline_s - EPOCH) % SPAN


def level_of(prio: int) -> int:
    """The level a number of ``prio`` was made with."""
    return capped(prio // SPAN)


def level_at(base: int, joined_s: int, now_s: int, age_every_s: int) -> int:
    """The level after waiting since ``joined_s``; ``age_every_s`` 0 = no ageing. A clock that was set back lifts
    nobody and lowers nobody below the base."""
    lifts = max(0, now_s - joined_s) // age_every_s if age_every_s > 0 else 0
    return capped(capped(base) + lifts)


def lift_s(base: int, age_every_s: int) -> int:
    """After so long a caller has the highest level."""
    return (LEVEL_MAX - capped(base)) * age_every_s


def fence_s(base: int, age_every_s: int, answer_within_s: int, least_answer_within_s: int = 0) -> int:
    """After so long nobody new can come before a caller, however high its level: ``least_answer_within_s`` is the
    shortest promise of any queue."""
    return max(lift_s(base, age_every_s), answer_within_s - least_answer_within_s) + 1
