"""What the law says of how long recordings must be kept, as dated data. Pure.

A rule only ever makes keeping longer; a later rule may not make it shorter. ``checked`` is when somebody last looked
at the source.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Purpose = Literal["talk", "sac", "campaign", "message", "survey"]
"""What a recording is for. sac: a talk in a queue that is customer service by law (Brazil's SAC)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``minimum_days`` for recordings of ``purpose`` in ``country`` (ISO 3166)."""

    id: str
    country: str
    purpose: Purpose
    minimum_days: int
    law: str
    source: str
    checked: date
    certainty: Literal["high", "medium", "low"]


RULES = (
    Rule(
        "br-sac-2022",
        "BR",
        "sac",
        90,
        "Decreto 11.034/2022: a recording of a call to the SAC is kept for at least 90 days",
        "https://www.planalto.gov.br/ccivil_03/_ato2019-2022/2022/decreto/d11034.htm",
        date(2026, 11, 22),
        "high",
    ),
)


def minimum_days(country: str, purpose: Purpose) -> int:
    """The longest that any rule asks for; 0 = none does."""
    return max((rule.minimum_days for rule in RULES if (rule.country, rule.purpose) == (country, purpose)), default=0)
