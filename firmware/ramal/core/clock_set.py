"""Setting the clock from the page: what is asked of root, and what root makes of it. Pure.

The daemon asks, root does (``box.settime``): a request is one JSON object in memory. Law: what was asked counts from
the moment it was asked in, by the clock that only counts, for a minute and in this boot only; and whoever had taken the
daemon over could set the clock to a time this program knows, and to nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.core.clock import EARLIEST_MS, STEP_MS, Facts
from ramal.errors import RamalError

LATEST_MS = 4_102_444_800_000
"""2100-01-01. A later time is a mistake, and would make everything kept so far old."""
LIFE_MS = 60_000
WHO_MAX = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wall's clock is to show ``wall_ms`` when this boot is ``boottime_ms`` old."""

    boot: str
    boottime_ms: int
    wall_ms: int
    who: str


def time_of(text: str, zone: str) -> int:
    """A time as the office's clocks show it (``2026-11-22 17:30``, ``2026-11-22T17:30:15``) in ms. RamalError."""
    try:
        at = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        raise RamalError(
            f"“{text[:40]}” is no date and time. Nothing was changed. Say it like this: ramal clock set "
            "“2026-11-22 17:30”."
        ) from None
    at_ms = round((at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)
    if at_ms < EARLIEST_MS:
        raise RamalError(f"{text[:40]} is before this program was made. Nothing was changed.")
    if at_ms >= LATEST_MS:
        raise RamalError(f"{text[:40]} is too far ahead. Nothing was changed.")
    return at_ms


def text_of(wanted: Wanted) -> str:
    """The request's file."""
    return json.dumps(asdict(wanted)) + "\n"


def parse(text: str) -> Wanted | None:
    """A request; None for what is none: it may be torn, or a stranger's."""
    try:
        table: Any = json.loads(text)
    except ValueError:
        return None
    if not isinstance(table, Mapping) or set(table) != {"boot", "boottime_ms", "wall_ms", "who"}:
        return None
    numbers = all(
        isinstance(table[key], int) and not isinstance(table[key], bool) for key in ("boottime_ms", "wall_ms")
    )
    if not numbers or not isinstance(table["boot"], str) or not isinstance(table["who"], str):
        return None
    return Wanted(table["boot"][:100], table["boottime_ms"], table["wall_ms"], table["who"][:WHO_MAX])


def due_ms(wanted: Wanted, facts: Facts) -> int:
    """What the wall's clock is to show now. RamalError when it must not be set."""
    if wanted.boot != facts.boot or not 0 <= facts.boottime_ms - wanted.boottime_ms <= LIFE_MS:
        raise RamalError("The time was asked for too long ago. Nothing was changed.")
    if facts.synced:
        raise RamalError("A time server was heard, and knows better. Nothing was changed.")
    if not max(EARLIEST_MS, facts.built_ms) <= wanted.wall_ms < LATEST_MS:
        raise RamalError("That time cannot be. Nothing was changed.")
    return wanted.wall_ms + facts.boottime_ms - wanted.boottime_ms


def is_set(wanted: Wanted, facts: Facts) -> bool:
    """Whether the clock shows what was wanted."""
    return wanted.boot == facts.boot and abs(wanted.wall_ms - wanted.boottime_ms - facts.offset_ms) <= STEP_MS


def is_over(wanted: Wanted, facts: Facts) -> bool:
    """Whether nobody will carry it out any more."""
    return wanted.boot != facts.boot or facts.boottime_ms - wanted.boottime_ms > LIFE_MS
