"""The figures of a queue, each by its exact definition: service level F1 to F6, answer and abandon rate, ASA.

Pure. One call counts once for a queue, whatever it did there, in the interval in which it ARRIVED: when it joined the
first queue of its way. Waiting runs from that first joining too, in milliseconds, compared with ``<=``. A ratio over
nothing is nothing (None, shown as "–"), never 0 % and never 100 %.

Letters of the definitions (FIELD 3.1): A answered, B abandoned, Bs abandoned before ``short_ms`` (``<``), O overflowed
or timed out, K blocked, C closed, W withdrawn for a callback, S cut by a failure. ``offered`` = A + B + O + W + S: all
that were received but K and C. The definitions in the books say A + B; a call that overflowed was offered as well, so
here ``offered`` stands for it. A call that still waits is in no rate yet, but for the service levels once it can no
longer be answered in time: then it counts as what it is, too late.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Fate = Literal[
    "waiting", "answered", "abandoned", "timed_out", "overflowed", "blocked", "closed", "withdrawn", "system"
]
Variant = Literal["F1", "F2", "F3", "F4", "F5", "F6"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
DEFAULT: Variant = "F6"
SHORT_MS = 5_000
"""An abandon before this is short: a wrong number, a change of mind; shown apart."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What became of one call in one queue. ``wait_ms``: from the first queue's joining to the agent, to leaving this
    queue, or to now. ``spoken_ms``: from the first joining until an agent spoke, also in another queue; None = never.
    """

    fate: Fate
    wait_ms: int
    spoken_ms: int | None = None
    call: int = 0
    """The call's key, for who wants to see the calls behind a figure."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """``part`` of ``whole`` calls."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        """0 to 1; None over nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def tenths(self) -> int | None:
        """Tenths of a percent, rounded half up, exact; None over nothing."""
        return (2000 * self.part + self.whole) // (2 * self.whole) if self.whole else None


Part = Literal["within", "late", "whole", "short", "answered", "lost", "received"]
"""The calls behind a figure: the numerator of the service level, the rest of its denominator, the denominator, short
abandons, calls an agent answered, calls nobody answered (without short abandons), everything."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Calls of a queue and an interval, counted. ``within`` and ``abandoned_within``: answered or abandoned within T.
    ``elsewhere``: overflowed and spoken with in another queue; ``elsewhere_within``: those within T from the first
    joining. ``late``: still waiting, and beyond T."""

    received: int = 0
    answered: int = 0
    within: int = 0
    abandoned: int = 0
    abandoned_within: int = 0
    short: int = 0
    overflowed: int = 0
    elsewhere: int = 0
    elsewhere_within: int = 0
    blocked: int = 0
    closed: int = 0
    withdrawn: int = 0
    system: int = 0
    waiting: int = 0
    late: int = 0
    answered_wait_ms: int = 0
    longest_ms: int = 0

    @property
    def offered(self) -> int:
        """Received without blocked, closed and still waiting calls."""
        return self.answered + self.abandoned + self.overflowed + self.withdrawn + self.system

    @property
    def judged(self) -> int:
        """What the service levels are of: offered, and those that wait beyond T already."""
        return self.offered + self.late

    @property
    def lost(self) -> int:
        """Left without an agent, here or elsewhere, and not to be called back; short abandons apart."""
        gone = self.abandoned - self.short + self.overflowed - self.elsewhere
        return gone + self.blocked + self.system


def tally(offers: Iterable[Offer], within_ms: int, short_ms: int = SHORT_MS) -> Tally:
    """Count calls. ``within_ms``: T, compared with ``<=``; ``short_ms``: s, compared with ``<``."""
    n = dict.fromkeys(Tally.__slots__, 0)
    for offer in offers:
        n["received"] += 1
        match offer.fate:
            case "answered":
                n["answered"] += 1
                n["answered_wait_ms"] += offer.wait_ms
                n["within"] += offer.wait_ms <= within_ms
            case "abandoned":
                n["abandoned"] += 1
                n["abandoned_within"] += offer.wait_ms <= within_ms
                n["short"] += offer.wait_ms < short_ms
            case "timed_out" | "overflowed":
                n["overflowed"] += 1
                n["elsewhere"] += offer.spoken_ms is not None
                n["elsewhere_within"] += offer.spoken_ms is not None and offer.spoken_ms <= within_ms
            case "waiting":
                n["waiting"] += 1
                n["late"] += _is_late(offer, within_ms, short_ms)
            case _:
                n[offer.fate] += 1
        if offer.fate in ("answered", "abandoned"):
            n["longest_ms"] = max(n["longest_ms"], offer.wait_ms)
    return Tally(**n)


def _is_late(offer: Offer, within_ms: int, short_ms: int) -> bool:
    return offer.wait_ms > within_ms and offer.wait_ms >= short_ms


def f1(t: Tally) -> Ratio:
    """(A≤T + B≤T) / offered: quick hang-ups are successes. Asterisk's ``sl2``."""
    return Ratio(t.within + t.elsewhere_within + t.abandoned_within, t.judged)


def f2(t: Tally) -> Ratio:
    """A≤T / A: ignores who gave up. Asterisk's ``sl``."""
    return Ratio(t.within, t.answered)


def f3(t: Tally) -> Ratio:
    """A≤T / offered: strict."""
    return Ratio(t.within + t.elsewhere_within, t.judged)


def f4(t: Tally) -> Ratio:
    """A≤T / (offered − B≤T): whoever gave up within T is left out."""
    return Ratio(t.within + t.elsewhere_within, t.judged - t.abandoned_within)


def f5(t: Tally) -> Ratio:
    """(A≤T + Bs) / offered: short abandons are successes."""
    return Ratio(t.within + t.elsewhere_within + t.short, t.judged)


def f6(t: Tally) -> Ratio:
    """A≤T / (offered − Bs): short abandons are left out. Ramal's own."""
    return Ratio(t.within + t.elsewhere_within, t.judged - t.short)


SERVICE_LEVEL: Mapping[Variant, Callable[[Tally], Ratio]] = {"F1": f1, "F2": f2, "F3": f3, "F4": f4, "F5": f5, "F6": f6}


def service_level(t: Tally, variant: Variant = DEFAULT) -> Ratio:
    """The service level by its definition's id, which is kept and shown beside the figure."""
    return SERVICE_LEVEL[variant](t)


def answer_rate(t: Tally) -> Ratio:
    """A / offered."""
    return Ratio(t.answered, t.offered)


def abandon_rate(t: Tally) -> Ratio:
    """(B − Bs) / (offered − Bs); Bs is shown apart."""
    return Ratio(t.abandoned - t.short, t.offered - t.short)


def asa_ms(t: Tally) -> int | None:
    """Average speed of answer: Σ wait of answered calls / A, rounded half up; None when none was answered."""
    return (2 * t.answered_wait_ms + t.answered) // (2 * t.answered) if t.answered else None


def longest_wait_ms(t: Tally) -> int | None:
    """Over answered and abandoned calls; None without one."""
    return t.longest_ms if t.answered + t.abandoned else None


def belongs(offer: Offer, part: Part, within_ms: int, short_ms: int = SHORT_MS) -> bool:
    """Whether a call is among those behind a figure; ``within``, ``late`` and ``whole`` are those of F6."""
    short = offer.fate == "abandoned" and offer.wait_ms < short_ms
    counted = offer.fate == "answered" or (offer.fate in ("timed_out", "overflowed") and offer.spoken_ms is not None)
    in_time = counted and (offer.wait_ms if offer.fate == "answered" else offer.spoken_ms or 0) <= within_ms
    out = offer.fate in ("blocked", "closed") or (offer.fate == "waiting" and not _is_late(offer, within_ms, short_ms))
    match part:
        case "within":
            return in_time
        case "whole":
            return not out and not short
        case "late":
            return not out and not short and not in_time
        case "short":
            return short
        case "answered":
            return offer.fate == "answered"
        case "lost":
            gone = ("abandoned", "timed_out", "overflowed", "blocked", "system")
            return offer.fate in gone and not short and not counted
        case "received":
            return True
