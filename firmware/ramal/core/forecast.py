"""How long a caller who comes now will wait: a band from P50 to P80 out of this queue's own recent history.

Pure. Two things are learned from what happened, oldest first:

- the *work* of handing out one caller, in agent-seconds: the time between two starts while somebody waited, times
  the agents who were there. It holds talks, wrap-up, ringing, what the agents do in other queues. A moving average;
- how far real waits were from (callers ahead + 1) * work / agents, as a ratio. Callers who gave up count as "longer
  than that" (Kaplan-Meier), neighbours in the number of callers ahead count most, and older waits ever less.

So the band widens or moves by itself where the simple formula is wrong, and "about 4 to 7 minutes" is exceeded by about
one caller in five. Too little evidence gives None: then nothing is said. Seconds since 1970 are floats here.
"""

import bisect
import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EVIDENCE = 20.0
"""Waits (effective number, weights counted) below which nothing is said."""
WORKS_MIN = 10
"""Hand-outs below which nothing is said."""
WORK_SHARE = 1 / 12
"""The newest hand-out's share in the moving average."""
HALF_LIFE = 120
"""After so many waits one counts half."""
NEAR = 0.6
"""Width of the neighbourhood, in the logarithm of callers ahead + 1."""
LOW, HIGH = 0.5, 0.8
AHEAD_MAX = 40
NOBODY_FREE_S = 15.0
"""Who waited that long found nobody free, whatever we know of the agents."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One caller's stay in the queue. ``busy_until_s``: when the agent was free again, if it was answered."""

    joined_s: float
    left_s: float
    answered: bool
    busy_until_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Band:
    """Half of the callers wait at most ``low_s``, four fifths at most ``high_s``."""

    low_s: float
    high_s: float

    @property
    def minutes(self) -> tuple[int, int]:
        """As it is said: whole minutes, the upper one never less than one."""
        high = max(1, math.ceil(self.high_s / 60 - 0.35))
        return min(high, round(self.low_s / 60)), high


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of a queue. ``ratios``: (callers ahead, real wait / formula, answered), oldest first."""

    work_s: float
    works: int
    ratios: tuple[tuple[int, float, bool], ...]


def learn(stays: Iterable[Stay], agents: Sequence[tuple[float, int]]) -> Learned:
    """Everything a queue's past says. ``agents``: (since when, how many could take calls), oldest first."""
    events: list[tuple[float, int, int]] = []
    past = sorted(stays, key=lambda stay: stay.joined_s)
    for n, stay in enumerate(past):
        events.append((stay.joined_s, 1, n))
        events.append((max(stay.left_s, stay.joined_s + 0.001), 0, n))
    heapq.heapify(events)
    since = [at_s for at_s, _ in agents]
    work_s, works, last_start_s, waiting = 0.0, 0, -math.inf, 0
    busy: list[float] = []
    expected: dict[int, tuple[int, float]] = {}
    ratios: list[tuple[int, float, bool]] = []
    while events:
        at_s, joins, n = heapq.heappop(events)
        stay = past[n]
        at = bisect.bisect_right(since, at_s) - 1
        there = agents[at][1] if at >= 0 else 0
        if joins:
            while busy and busy[0] <= at_s:
                heapq.heappop(busy)
            none_free = waiting > 0 or len(busy) >= there or stay.left_s - at_s > NOBODY_FREE_S
            if works >= WORKS_MIN and there and none_free:
                expected[n] = waiting, (waiting + 1) * work_s / there
            waiting += 1
            continue
        waiting -= 1
        if n in expected:
            ahead, formula_s = expected.pop(n)
            ratios.append((ahead, (at_s - stay.joined_s) / formula_s, stay.answered))
        if stay.answered:
            if there and stay.joined_s <= last_start_s and at_s > last_start_s:
                works += 1
                share = max(WORK_SHARE, 1 / works)
                work_s += share * ((at_s - last_start_s) * there - work_s)
            last_start_s = at_s
            heapq.heappush(busy, max(at_s, stay.busy_until_s))
    return Learned(work_s, works, tuple(ratios[-6 * HALF_LIFE :]))


def bands(learned: Learned, agents: int) -> tuple[Band, ...]:
    """The band by callers ahead, 0 first; ends where the evidence does. Never shorter with more callers ahead."""
    found: list[Band] = []
    if agents < 1 or learned.works < WORKS_MIN or learned.work_s <= 0:
        return ()
    for ahead in range(AHEAD_MAX + 1):
        quantiles = _quantiles(learned.ratios, ahead)
        if quantiles is None:
            break
        low_s, high_s = (ratio * (ahead + 1) * learned.work_s / agents for ratio in quantiles)
        before = found[-1] if found else Band(0, 0)
        found.append(Band(max(low_s, before.low_s), max(high_s, before.high_s)))
    return tuple(found)


def band(learned: Learned, agents: int, ahead: int) -> Band | None:
    """The band for a caller with ``ahead`` before it; None = say nothing."""
    known = bands(learned, agents)
    return known[ahead] if ahead < len(known) else None


def _quantiles(ratios: Sequence[tuple[int, float, bool]], ahead: int) -> tuple[float, float] | None:
    """LOW and HIGH of the weighted Kaplan-Meier distribution of the ratio; None when the evidence is thin."""
    weighted: list[tuple[float, bool, float]] = []
    total = squares = 0.0
    for age, (other, ratio, answered) in enumerate(reversed(ratios)):
        far = (math.log(other + 1) - math.log(ahead + 1)) / NEAR
        weight = 0.5 ** (age / HALF_LIFE) * math.exp(-0.5 * far * far)
        weighted.append((ratio, answered, weight))
        total += weight
        squares += weight * weight
    if not squares or total * total / squares < EVIDENCE or total < EVIDENCE / 4:
        return None
    weighted.sort()
    staying, left, low = 1.0, total, None
    for ratio, answered, weight in weighted:
        if answered and left > 0:
            staying *= max(0.0, 1 - weight / left)
        left -= weight
        if low is None and staying <= 1 - LOW:
            low = ratio
        if low is not None and staying <= 1 - HIGH:
            return low, ratio
    return None


def written(known: Sequence[Band], valid_until_s: int) -> str:
    """The switch ``ramal-wait/<queue>``: ``valid until|low-high-typical,...``, minutes and seconds; "" = silence."""
    if not known:
        return ""
    words = (f"{one.minutes[0]}-{one.minutes[1]}-{round(one.low_s)}" for one in known)
    return f"{valid_until_s}|{','.join(words)}"
