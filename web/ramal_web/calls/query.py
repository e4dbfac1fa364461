"""What the reader of the call list asked for, checked: search, kind, days, and the place in the list.

Law: an address typed by hand never fails; what it says wrongly is left out. Imports nothing that does IO.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

from ramal.core.history import RECEIVED, Category, Direction

DAYS = ("today", "yesterday", "week", "month")
SEARCH_MAX = 100
KEY_MAX = 1 << 62


@dataclass(frozen=True, slots=True)
class Query:
    """One view of the list. ``kind`` is ``in``, ``out``, ``internal`` or a category of received calls; ``day`` is "",
    one of ``DAYS`` or an ISO date; ``before``/``after`` are page cursors, never both."""

    search: str = ""
    kind: str = "in"
    day: str = ""
    before: int | None = None
    after: int | None = None

    @property
    def category(self) -> Category | None:
        """The one category looked for."""
        for known in RECEIVED:
            if known == self.kind:
                return known
        return None

    @property
    def direction(self) -> Direction:
        """The direction looked for; categories are of received calls."""
        for known in get_args(Direction):
            if known == self.kind:
                found: Direction = known
                return found
        return "in"

    @property
    def narrowed(self) -> bool:
        """Whether anything but the whole list of received calls was asked for."""
        return bool(self.search or self.day or self.kind != "in")

    def span_ms(self, zone: ZoneInfo, today: date) -> tuple[int | None, int | None]:
        """[since, until) of the days looked for, in ms since 1970 UTC; a day begins when the office's does."""
        first, days = self._first(today)
        if first is None:
            return None, None
        return day_start_ms(first, zone), day_start_ms(first + timedelta(days=days), zone)

    def _first(self, today: date) -> tuple[date | None, int]:
        match self.day:
            case "":
                return None, 0
            case "today":
                return today, 1
            case "yesterday":
                return today - timedelta(days=1), 1
            case "week":
                return today - timedelta(days=6), 7
            case "month":
                return today - timedelta(days=29), 30
        return date.fromisoformat(self.day), 1

    def arguments(self, **changed: object) -> dict[str, object]:
        """This view's address, with changes; without cursors unless given. Defaults are left out."""
        wanted = replace(self, **{"before": None, "after": None, **changed})  # type: ignore[arg-type]
        return {
            name: value
            for name, value, default in (
                ("search", wanted.search, ""),
                ("category", wanted.kind, "in"),
                ("day", wanted.day, ""),
                ("before", wanted.before, None),
                ("after", wanted.after, None),
            )
            if value != default
        }


def day_start_ms(day: date, zone: ZoneInfo) -> int:
    """When ``day`` begins in ``zone``: its first moment, also where midnight does not exist."""
    return int(datetime.combine(day, time.min, zone).timestamp() * 1000)


def read_query(arguments: Mapping[str, str]) -> Query:
    """The query of an address."""
    kind = arguments.get("category", "in")
    before = _key(arguments.get("before", ""))
    return Query(
        search=" ".join(arguments.get("search", "").split())[:SEARCH_MAX],
        kind=kind if kind in RECEIVED or kind in get_args(Direction) else "in",
        day=_day(arguments.get("day", "")),
        before=before,
        after=None if before is not None else _key(arguments.get("after", "")),
    )


def _day(text: str) -> str:
    if text in DAYS:
        return text
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return ""
    return day.isoformat() if 1971 <= day.year <= 9000 else ""


def _key(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    key = int(text)
    return key if key < KEY_MAX else None
