"""Generated days of one queue in virtual time, where the true wait of every caller is known, also of who gave up.

First come, first served by n agents; arrivals are Poisson, handling log-normal, patience exponential; arrivals,
handling and agents change in steps. Forecasts are made as the daemon makes them: once a minute, from what had happened.
"""

import heapq
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ramal.core.forecast import Band, Stay, bands, learn

DAY_S = 36_000.0
"""Ten hours open."""


@dataclass(frozen=True, slots=True)
class Hour:
    """How it goes from ``from_s`` of a day on."""

    from_s: float
    gap_s: float
    handling_s: float
    agents: int


@dataclass(frozen=True, slots=True)
class Came:
    """One caller. ``true_s``: the wait until an agent was free for it, had it stayed."""

    at_s: float
    true_s: float
    ahead: int
    agents: int
    stay: Stay


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller was told, and what came: the band (None = silence) and Asterisk's own estimate, in seconds."""

    true_s: float
    ahead: int
    band: Band | None
    asterisk_s: float


def days(plan: Callable[[int], tuple[Hour, ...]], count: int, seed: int) -> tuple[list[Came], list[tuple[float, int]]]:
    """The callers of ``count`` days, and how many agents there were since when."""
    dice = random.Random(seed)
    came: list[Came] = []
    agents: list[tuple[float, int]] = []
    for day in range(count):
        hours, start_s = plan(day), day * 86_400.0
        changes = [(start_s + hour.from_s, hour.agents) for hour in hours]
        agents += [*changes, (start_s + DAY_S, 0)]
        came += _day(dice, hours, start_s, changes)
    return came, agents


def _day(dice: random.Random, hours: tuple[Hour, ...], start_s: float, changes: list[tuple[float, int]]) -> list[Came]:
    free: list[float] = []
    to_leave, next_change = 0, 0
    came: list[Came] = []
    at_s = start_s
    while True:
        hour = [hour for hour in hours if start_s + hour.from_s <= at_s][-1]
        at_s += dice.expovariate(1 / hour.gap_s)
        if at_s > start_s + DAY_S:
            return came
        while True:  # who is free first, with all who came or left until then
            first_s = max(at_s, free[0]) if free else math.inf
            if next_change < len(changes) and changes[next_change][0] <= first_s:
                when_s, agents = changes[next_change]
                more = agents - (len(free) - to_leave)
                next_change += 1
                if more >= 0:
                    stays = min(more, to_leave)
                    to_leave -= stays
                    for _ in range(more - stays):
                        heapq.heappush(free, when_s)
                else:
                    to_leave -= more
                continue
            if to_leave and free:
                heapq.heappop(free)
                to_leave -= 1
                continue
            break
        if not free:
            return came
        start = max(at_s, free[0])
        true_s = start - at_s
        patience_s = dice.expovariate(1 / 900)
        handling_s = dice.lognormvariate(math.log(hour.handling_s) - 0.32, 0.8) + 8
        if patience_s < true_s:
            stay = Stay(at_s, at_s + patience_s, False)
        else:
            heapq.heappop(free)
            heapq.heappush(free, start + handling_s)
            stay = Stay(at_s, start, True, start + handling_s)
        ahead = sum(1 for other in came[-60:] if other.stay.left_s > at_s)
        came.append(Came(at_s, true_s, ahead, len(free) - to_leave, stay))


def told(came: list[Came], agents: list[tuple[float, int]], from_s: float, every_s: float = 60) -> Iterator[Told]:
    """What every caller since ``from_s`` who found nobody free was told."""
    known: tuple[Band, ...] = ()
    made_s, ewma = -math.inf, _Ewma(came)
    for caller in came:
        if caller.at_s < from_s or caller.true_s <= 0:
            continue
        if caller.at_s >= made_s + every_s:
            made_s = caller.at_s - caller.at_s % every_s
            there = next((count for since_s, count in reversed(agents) if since_s <= made_s), 0)
            known = bands(learn(_until(came, made_s), [one for one in agents if one[0] <= made_s]), there)
        band = known[caller.ahead] if caller.ahead < len(known) else None
        yield Told(caller.true_s, caller.ahead, band, ewma.at(caller.at_s))


def _until(came: list[Came], at_s: float) -> list[Stay]:
    """What the history holds at ``at_s``: the newest stays that are over."""
    return [caller.stay for caller in came if caller.stay.left_s <= at_s][-900:]


class _Ewma:
    """app_queue's own: ``holdtime`` = (3 * holdtime + this wait) / 4 in whole seconds at every answer; what it
    announces is that, rounded to minutes, whatever the caller's place."""

    def __init__(self, came: list[Came]) -> None:
        answered = sorted((one.stay for one in came if one.stay.answered), key=lambda stay: stay.left_s)
        self._left = [(stay.left_s, int(stay.left_s - stay.joined_s)) for stay in answered]
        self._next, self._hold_s = 0, 0

    def at(self, at_s: float) -> float:
        while self._next < len(self._left) and self._left[self._next][0] <= at_s:
            waited_s = self._left[self._next][1]
            self._hold_s = (3 * self._hold_s + waited_s) // 4 if self._next else waited_s
            self._next += 1
        return float(self._hold_s)


def pinball(true_s: float, said_s: float, quantile: float) -> float:
    """The loss that the true quantile makes least."""
    return (true_s - said_s) * quantile if true_s >= said_s else (said_s - true_s) * (1 - quantile)


STEADY = (Hour(0, 55, 240, 5),)
BUSY = (Hour(0, 52, 240, 5),)
SCENARIOS: dict[str, Callable[[int], tuple[Hour, ...]]] = {
    "steady": lambda day: STEADY,
    "agents come and go": lambda day: (
        Hour(0, 80, 240, 3),
        Hour(7_200, 42, 240, 7),
        Hour(14_400, 62, 240, 4),
        Hour(21_600, 42, 240, 6),
        Hour(28_800, 85, 240, 3),
    ),
    "arrivals in waves": lambda day: (
        Hour(0, 60, 240, 5),
        Hour(7_200, 44, 240, 5),
        Hour(14_400, 70, 240, 5),
        Hour(21_600, 46, 240, 5),
        Hour(28_800, 65, 240, 5),
    ),
    "handling changes": lambda day: (
        (Hour(0, 55, 240, 5), Hour(18_000, 75, 330, 5)) if day % 3 else (Hour(0, 40, 170, 5), Hour(18_000, 72, 330, 5))
    ),
    "everything": lambda day: (
        Hour(0, 70, 220, 3 + day % 3),
        Hour(9_000, 48, 300, 6),
        Hour(18_000, 60, 240, 4),
        Hour(27_000, 50, 200, 5 - day % 2),
    ),
}
