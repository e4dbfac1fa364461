"""Figures, times, numbers and names as a person reads them, in the page's language.

Whatever came over the telephone line is hostile: ``label`` takes control and direction characters out of it before
Jinja escapes it. Times come in as milliseconds since 1970 UTC and are shown in the office's time zone.
"""

import time
import unicodedata
from datetime import UTC, datetime
from functools import lru_cache

import phonenumbers
from flask import Flask

from ramal_web.history import office
from ramal_web.i18n import format_brief, format_date, format_datetime, format_time, gettext, time_zone

LABEL_MAX = 120
HIDDEN = frozenset({"", "anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "s"})
"""What Asterisk and providers write when there is no number."""


def install(app: Flask) -> None:
    """Give the templates these filters."""
    app.jinja_env.filters.update(
        duration=duration,
        label=label,
        whole=whole,
        number=number,
        clock=clock,
        moment=moment,
        brief=brief,
        day=day_name,
        stamp=stamp,
        offset=offset,
    )


def duration(ms: int | None) -> str:
    """``3:07`` or ``1:02:33``; a dash when there is none. Below zero is zero: a clock was set back."""
    if ms is None:
        return "–"
    seconds = max(0, ms) // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def offset(ms: int) -> str:
    """A step's distance from the beginning of its call: ``+0:07.3``."""
    ms = max(0, ms)
    minutes, rest = divmod(ms, 60_000)
    return f"+{minutes}:{rest // 1000:02}.{rest % 1000 // 100}"


def whole(text: str | None) -> str:
    """``text`` without control, direction and line-separating characters, on one line."""
    if not text:
        return ""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else c for c in text)
    return " ".join(kept.split())


def label(text: str | None) -> str:
    """``whole``, cut where no layout could show more."""
    clean = whole(text)
    return clean if len(clean) <= LABEL_MAX else clean[: LABEL_MAX - 1].rstrip() + "…"


def number(text: str | None) -> str:
    """A caller's number the way it is written in the office's country; words when there is none."""
    clean = label(text)
    if clean.casefold() in HIDDEN:
        return gettext("Hidden number")
    return _written(clean, office().country)


@lru_cache(maxsize=4096)
def _written(text: str, country: str) -> str:
    if not text.isascii() or not any(c.isdigit() for c in text) or len(text) > 32:
        return text
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_possible_number(parsed):
        return text
    home = parsed.country_code == phonenumbers.country_code_for_region(country)
    style = phonenumbers.PhoneNumberFormat.NATIONAL if home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(parsed, style)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def local_day(ms: int) -> str:
    """The office's day of a time, ``2026-11-22``."""
    return _at(ms).astimezone(time_zone()).date().isoformat()


def clock(ms: int) -> str:
    """The time of day: ``14:03:07``."""
    return format_time(_at(ms))


def moment(ms: int) -> str:
    """Day and time of day, to the minute."""
    return format_datetime(_at(ms))


def brief(ms: int) -> str:
    """The time of day to the minute; with the day when it is another one than today."""
    return format_brief(_at(ms), local_day(ms) != local_day(time.time_ns() // 1_000_000))


def day_name(ms: int) -> str:
    """The day, with its weekday."""
    return format_date(_at(ms))


def stamp(ms: int) -> str:
    """For ``<time datetime=…>``."""
    return _at(ms).isoformat(timespec="milliseconds")
