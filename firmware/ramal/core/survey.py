"""What callers think of us, each figure by its exact definition (FIELD 3.3): CSAT, DSAT, NPS, FCR, response rate.

Pure. A question counts as asked when it stood on the list of a survey that began, also when the caller hung up before
it: a response rate that forgot them would flatter. A wrong key and silence are no answers. A ratio over nothing is
nothing (None, shown as "–"), and an NPS is an index from -100 to 100, never a percentage.

- CSAT = answers 4 and 5 / valid answers; DSAT = answers 1 and 2 / valid answers. Not complements: 3 is neither.
- NPS = share of promoters (9, 10) - share of detractors (0 to 6), in hundredths.
- FCR declared = "yes" / answers to "resolved". FCR proxy = 1 - callers who call the same queue again within 7 days of
  having been spoken with / distinct callers who were; who withholds the number is left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Literal, get_args

from ramal.core.kpi import Ratio
from ramal.core.office import Question

FEW = 10
"""Fewer valid answers than this say little, and the page says that."""
AGAIN_DAYS = 7
_Z = 1.959964
"""Of an interval that holds the truth in 95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One caller who was asked: what, and what came back; None = no answer. ``said``: left a sentence that has sound.
    ``call``: the call's key."""

    call: int
    queue: str
    agent: str
    asked: tuple[str, ...]
    csat: int | None = None
    nps: int | None = None
    resolved: int | None = None
    said: bool = False

    def answered(self, question: Question) -> bool:
        """Whether there is a valid answer."""
        return self.said if question == "sentence" else getattr(self, question) is not None


Part = Literal[
    "csat", "positive", "negative", "nps", "promoters", "detractors", "passives", "resolved", "yes", "no", "asked",
    "answered", "refused", "sentence", "low",
]  # fmt: skip
"""The replies behind a figure. ``low``: to be called back: 1 or 2, a detractor, or not resolved."""
PARTS: tuple[Part, ...] = get_args(Part)

_BELONGS: Mapping[Part, Callable[[Reply], bool]] = {
    "csat": lambda one: one.csat is not None,
    "positive": lambda one: one.csat is not None and one.csat >= 4,
    "negative": lambda one: one.csat is not None and one.csat <= 2,
    "nps": lambda one: one.nps is not None,
    "promoters": lambda one: one.nps is not None and one.nps >= 9,
    "passives": lambda one: one.nps is not None and 7 <= one.nps <= 8,
    "detractors": lambda one: one.nps is not None and one.nps <= 6,
    "resolved": lambda one: one.resolved is not None,
    "yes": lambda one: one.resolved == 1,
    "no": lambda one: one.resolved == 0,
    "asked": lambda one: True,
    "answered": lambda one: any(one.answered(question) for question in get_args(Question)),
    "refused": lambda one: not any(one.answered(question) for question in get_args(Question)),
    "sentence": lambda one: one.said,
    "low": lambda one: (one.csat or 5) <= 2 or (one.nps is not None and one.nps <= 6) or one.resolved == 0,
}


def belongs(reply: Reply, part: Part) -> bool:
    """Whether a reply is among those behind a figure."""
    return _BELONGS[part](reply)


@dataclass(frozen=True, slots=True)
class Scores:
    """Replies of a queue, an agent or an office, counted."""

    asked: int
    answered: int
    asked_csat: int
    csat: int
    positive: int
    negative: int
    asked_nps: int
    nps: int
    promoters: int
    detractors: int
    asked_resolved: int
    resolved: int
    yes: int
    asked_sentence: int
    sentences: int

    @property
    def csat_rate(self) -> Ratio:
        return Ratio(self.positive, self.csat)

    @property
    def dsat_rate(self) -> Ratio:
        return Ratio(self.negative, self.csat)

    @property
    def fcr_rate(self) -> Ratio:
        return Ratio(self.yes, self.resolved)

    @property
    def nps_index(self) -> float | None:
        """-100 to 100; None without an answer."""
        return 100 * (self.promoters - self.detractors) / self.nps if self.nps else None

    @property
    def nps_range(self) -> tuple[float, float] | None:
        """The index lies in here in 95 of 100 cases: adjusted Wald with three answers added (Rocks 2016)."""
        if not self.nps:
            return None
        n = self.nps + 3
        up, down = (self.promoters + 0.75) / n, (self.detractors + 0.75) / n
        wide = _Z * sqrt(max(0.0, up + down - (up - down) ** 2) / n)
        return max(-100.0, 100 * (up - down - wide)), min(100.0, 100 * (up - down + wide))

    def response(self, question: Question | Literal[""] = "") -> Ratio:
        """Answers / asked: of one question, or of surveys with at least one answer."""
        match question:
            case "csat":
                return Ratio(self.csat, self.asked_csat)
            case "nps":
                return Ratio(self.nps, self.asked_nps)
            case "resolved":
                return Ratio(self.resolved, self.asked_resolved)
            case "sentence":
                return Ratio(self.sentences, self.asked_sentence)
        return Ratio(self.answered, self.asked)


def scores(replies: Iterable[Reply]) -> Scores:
    """Count replies. A question that was answered was asked."""
    every = list(replies)

    def asked(question: Question) -> int:
        return sum(question in one.asked or one.answered(question) for one in every)

    def n(part: Part) -> int:
        return sum(_BELONGS[part](one) for one in every)

    return Scores(
        asked=len(every),
        answered=n("answered"),
        asked_csat=asked("csat"),
        csat=n("csat"),
        positive=n("positive"),
        negative=n("negative"),
        asked_nps=asked("nps"),
        nps=n("nps"),
        promoters=n("promoters"),
        detractors=n("detractors"),
        asked_resolved=asked("resolved"),
        resolved=n("resolved"),
        yes=n("yes"),
        asked_sentence=asked("sentence"),
        sentences=n("sentence"),
    )


def by(replies: Iterable[Reply], who: Literal["queue", "agent"]) -> dict[str, Scores]:
    """The scores of each queue or agent that has any reply, by name."""
    groups: dict[str, list[Reply]] = {}
    for one in replies:
        groups.setdefault(one.queue if who == "queue" else one.agent, []).append(one)
    return {name: scores(groups[name]) for name in sorted(groups)}


def wilson(ratio: Ratio) -> tuple[float, float] | None:
    """Wilson's interval of a share, 0 to 1: the truth lies in it in 95 of 100 cases. None over nothing."""
    n = ratio.whole
    if not n:
        return None
    share, z2 = ratio.part / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    wide = _Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - wide), min(1.0, middle + wide)


def fcr_proxy(calls: Iterable[tuple[str, str, int, bool]], until_ms: int | None = None) -> Ratio:
    """Callers who, once they had been spoken with, did not call the same queue again within 7 days, of all distinct
    callers with a number who were spoken with.

    ``calls``: (number, queue, when in ms, whether they were spoken with), in any order; those at ``until_ms`` or later
    only say who came again. Who comes again and gives up has come again. A caller counts once for each queue."""
    times: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    for number, queue, at_ms, spoken in calls:
        if number.startswith("+"):
            times.setdefault((number, queue), []).append((at_ms, spoken and (until_ms is None or at_ms < until_ms)))
    met = [sorted(each) for each in times.values() if any(spoken for _, spoken in each)]
    again = sum(map(_again, met))
    return Ratio(len(met) - again, len(met))


def _again(calls: Sequence[tuple[int, bool]]) -> bool:
    near_ms = AGAIN_DAYS * 86_400_000
    return any(spoken and later_ms - at_ms <= near_ms for (at_ms, spoken), (later_ms, _) in pairwise(calls))
