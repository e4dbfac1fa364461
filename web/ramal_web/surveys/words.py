"""Scores as the page's language writes them, each with what it is worth: how many, how sure, how many answered."""

import flask_babel  # type: ignore[import-untyped]

from ramal.core.kpi import Ratio
from ramal.core.survey import FEW, Part, Scores, wilson
from ramal_web.i18n import gettext, ngettext

NOTHING = "–"


def percent(ratio: Ratio) -> str:
    """``81.9 %``; “–” over nothing."""
    tenths = ratio.tenths
    return NOTHING if tenths is None else f"{flask_babel.format_decimal(tenths / 10, '0.#')} %"


def whole(ratio: Ratio) -> str:
    """``82 %``; “–” over nothing."""
    tenths = ratio.tenths
    return NOTHING if tenths is None else f"{(tenths + 5) // 10} %"


def index(scores: Scores) -> str:
    """An NPS: an index with its sign, no percentage."""
    found = scores.nps_index
    return NOTHING if found is None else f"{round(found):+d}".replace("-", "−").replace("+0", "0")


def sure(ratio: Ratio) -> str:
    """Where the truth lies, for a tooltip; "" over nothing."""
    ends = wilson(ratio)
    if ends is None:
        return ""
    low, high = (round(100 * end) for end in ends)
    return gettext("If everybody were asked: between %(low)s %% and %(high)s %%, 95 times in 100.", low=low, high=high)


def sure_index(scores: Scores) -> str:
    """The same for an NPS."""
    ends = scores.nps_range
    if ends is None:
        return ""
    low, high = (round(end) for end in ends)
    return gettext("If everybody were asked: between %(low)s and %(high)s, 95 times in 100.", low=low, high=high)


def few(count: int) -> bool:
    """Whether so few answers say little."""
    return 0 < count < FEW


def part(code: Part) -> str:
    """Which calls are behind a figure."""
    return {
        "csat": gettext("All who rated"),
        "positive": gettext("Satisfied: 4 or 5"),
        "negative": gettext("Dissatisfied: 1 or 2"),
        "nps": gettext("All who said whether they recommend us"),
        "promoters": gettext("Promoters: 9 or 10"),
        "passives": gettext("Passives: 7 or 8"),
        "detractors": gettext("Detractors: 0 to 6"),
        "resolved": gettext("All who said whether it was resolved"),
        "yes": gettext("Resolved"),
        "no": gettext("Not resolved"),
        "asked": gettext("All who were asked"),
        "answered": gettext("Gave an answer"),
        "refused": gettext("Answered nothing"),
        "sentence": gettext("Left a sentence"),
        "low": gettext("Low scores"),
    }[code]


def skipped(reasons: dict[str, int]) -> str:
    """How many were not asked, and why."""
    parts = []
    if count := reasons.get("not-sampled", 0):
        parts.append(ngettext("%(num)s was not chosen", "%(num)s were not chosen", count))
    if count := reasons.get("asked-lately", 0):
        parts.append(ngettext("%(num)s had been asked lately", "%(num)s had been asked lately", count))
    return gettext("Not asked: %(reasons)s.", reasons=", ".join(parts)) if parts else ""
