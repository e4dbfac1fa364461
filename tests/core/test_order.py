"""The one order of callers is total, and waiting wins in the end: nobody starves."""

import heapq
import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ramal.core import order

LEVELS = st.integers(-3, 15)
WAITS = st.integers(0, 4000)
NOW_S = order.EPOCH + 5_000_000


@dataclass(frozen=True, slots=True)
class Caller:
    joined_s: int
    base: int
    answer_within_s: int
    handling_s: int

    def key(self, now_s: int, age_every_s: int) -> tuple[int, int]:
        """What app_queue sorts by: the number, then who came first."""
        level = order.level_at(self.base, self.joined_s, now_s, age_every_s)
        return -order.prio(level, order.deadline_s(self.joined_s, self.answer_within_s)), self.joined_s


@given(LEVELS, LEVELS, WAITS, WAITS)
def test_the_number_orders_by_level_then_by_deadline(one: int, two: int, soon: int, late: int) -> None:
    a, b = order.prio(one, NOW_S + soon), order.prio(two, NOW_S + late)
    expected = (order.capped(one), -soon) > (order.capped(two), -late)
    assert (a > b) == expected
    assert (a == b) == (order.capped(one) == order.capped(two) and soon == late)  # antisymmetric and total
    assert order.level_of(a) == order.capped(one)


@given(LEVELS, st.integers(0, 2**32))
def test_the_number_fits_app_queues_int(level: int, deadline_s: int) -> None:
    assert 0 <= order.prio(level, deadline_s) < 2**31


@given(st.integers(0, 9), WAITS, WAITS, st.integers(0, 300))
def test_waiting_never_lowers_and_lifts_to_the_top(base: int, waited: int, more: int, every_s: int) -> None:
    before = order.level_at(base, NOW_S, NOW_S + waited, every_s)
    assert base <= before <= order.level_at(base, NOW_S, NOW_S + waited + more, every_s) <= order.LEVEL_MAX
    assert order.level_at(base, NOW_S + waited, NOW_S, every_s) == base  # a clock that was set back
    if every_s:
        assert order.level_at(base, NOW_S, NOW_S + order.lift_s(base, every_s), every_s) == order.LEVEL_MAX


@given(st.lists(st.tuples(LEVELS, WAITS), unique=True, max_size=12), st.randoms(use_true_random=False))
def test_shuffled_events_give_the_same_service(callers: list[tuple[int, int]], shuffle: object) -> None:
    numbers = [(order.prio(level, NOW_S + wait), NOW_S + wait, level) for level, wait in callers]
    mixed = list(numbers)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    assert sorted(mixed, reverse=True) == sorted(numbers, reverse=True)


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Caller], int, int]:
    """Callers of any levels who keep coming, more than can be served; agents; age_every_s."""
    gaps = draw(st.lists(st.integers(0, 40), min_size=1, max_size=80))
    times = itertools.accumulate(gaps, initial=NOW_S)
    callers = [
        Caller(joined_s, draw(st.integers(0, 9)), draw(st.sampled_from([5, 20, 120, 900])), draw(st.integers(1, 90)))
        for joined_s in times
    ]
    return callers, draw(st.integers(1, 4)), draw(st.integers(5, 120))


def serve(callers: list[Caller], agents: int, age_every_s: int) -> dict[Caller, int]:
    """When each caller is taken, by ``agents`` who always take the first in the order at that moment."""
    free = [NOW_S] * agents
    left, taken = list(callers), {}
    while left:
        now_s = max(heapq.heappop(free), min(caller.joined_s for caller in left))
        here = [caller for caller in left if caller.joined_s <= now_s]
        first = min(here, key=lambda caller: caller.key(now_s, age_every_s))
        left.remove(first)
        taken[first] = now_s
        heapq.heappush(free, now_s + first.handling_s)
    return taken


@given(days())
def test_nobody_starves_however_many_come_with_higher_levels(day: tuple[list[Caller], int, int]) -> None:
    callers, agents, age_every_s = day
    taken = serve(callers, agents, age_every_s)
    longest_s = max(caller.handling_s for caller in callers)
    for caller in callers:
        fence_s = caller.joined_s + order.fence_s(caller.base, age_every_s, caller.answer_within_s)
        before = [other for other in callers if other.joined_s <= fence_s < taken[other] and other != caller]
        bound_s = fence_s + longest_s * (len(before) // agents + 1)
        assert taken[caller] <= bound_s


def test_without_ageing_somebody_does_starve() -> None:
    """The bound above is ageing's: the same server, the same callers, and no lift."""
    low = Caller(NOW_S, 0, 20, 10)
    stream = [Caller(NOW_S + 10 * n, 5, 20, 10) for n in range(200)]
    assert serve([low, *stream], 1, 0)[low] > NOW_S + 1900
    assert serve([low, *stream], 1, 60)[low] < NOW_S + 400
