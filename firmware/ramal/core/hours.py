"""Opening hours: the words of the file, is it open now, and when does that change.

Pure. Whether a call finds the office open is decided by Asterisk (``asterisk.render_hours``), never by the daemon;
``is_open`` is for eyes and for history, and must agree with it second by second. All of it is wall clock in the
office's time zone. Exceptions by date come before holidays, these before the week.
"""

import re
from collections.abc import Container
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from ramal.core.office import Hours, Span

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440
WEEK_MIN = 7 * DAY_MIN
HORIZON_DAYS = 400
"""How far ahead a change is looked for."""

_TIMES = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})\Z")


def parse(text: str) -> tuple[Span, ...]:
    """``mon-fri 08:00-12:00 13:00-18:00`` as spans, one for each pair of times.

    Days are ``all``, ``mon``, ``mon-fri`` (round the week: ``fri-mon``) or a list ``mon,wed``. ValueError with a
    short reason otherwise.
    """
    days_text, *times = text.split()
    if not times:
        raise ValueError("days and times are needed, as in “mon-fri 08:00-18:00”")
    days = _days(days_text)
    return tuple(Span(days, *_times(item)) for item in times)


def spell(span: Span) -> str:
    """``span`` as the file writes it; ``parse(spell(span)) == (span,)``."""
    return f"{_spell_days(span.days)} {_clock(span.opens_min)}-{_clock(span.closes_min)}"


def parse_day(text: str) -> tuple[Span, ...]:
    """The times of one date, ``08:00-12:00 13:00-18:00`` or ``closed``, as spans without days. ValueError as above."""
    if text.strip() == "closed":
        return ()
    spans = tuple(Span((), *_times(item)) for item in text.split())
    if not spans:
        raise ValueError("times are needed, as in “08:00-12:00”, or “closed”")
    ends = sorted((span.opens_min, span.closes_min + DAY_MIN * (span.closes_min <= span.opens_min)) for span in spans)
    if any(before[1] > after[0] for before, after in pairwise(ends)):
        raise ValueError("the times overlap")
    return spans


def spell_day(spans: tuple[Span, ...]) -> str:
    """``parse_day(spell_day(spans)) == spans``."""
    return " ".join(f"{_clock(span.opens_min)}-{_clock(span.closes_min)}" for span in spans) or "closed"


def overlaps(spans: tuple[Span, ...]) -> bool:
    """Whether two spans, or one span with itself in the next week, share a minute."""
    pieces = sorted(piece for span in spans for piece in _pieces(span))
    return any(before[1] > after[0] for before, after in pairwise(pieces))


def spans_of(hours: Hours, day: date, holidays: Container[date] = ()) -> tuple[Span, ...]:
    """The spans that begin on ``day``: of its own plan, or none on a holiday that closes, or of its weekday."""
    text = day.isoformat()
    for plan in hours.dates:
        if plan.date == text:
            return plan.spans
    if hours.holidays == "closed" and day in holidays:
        return ()
    return tuple(span for span in hours.spans if day.weekday() in span.days)


def end_min(span: Span) -> int:
    """When ``span`` ends, in minutes after the midnight it began after; over 1440 when it ends on the next day."""
    return span.closes_min if span.closes_min > span.opens_min else span.closes_min + DAY_MIN


def is_open(hours: Hours, at: datetime, tz: str, holidays: Container[date] = ()) -> bool:
    """Whether the office is open at ``at`` (aware; ValueError when naive) in the time zone named ``tz``.

    A span belongs to the day it begins on: the early morning of a holiday is still last night's, when last night was
    open over midnight, and the holiday itself has only its own spans.
    """
    if at.tzinfo is None:
        raise ValueError("a time without its zone says nothing")
    wall = at.astimezone(ZoneInfo(tz))
    today, minute = wall.date(), wall.hour * 60 + wall.minute
    return any(span.opens_min <= minute < end_min(span) for span in spans_of(hours, today, holidays)) or any(
        minute + DAY_MIN < end_min(span) for span in spans_of(hours, today - timedelta(days=1), holidays)
    )


def next_change(
    hours: Hours, at: datetime, tz: str, holidays: Container[date] = (), horizon_days: int = HORIZON_DAYS
) -> datetime | None:
    """The first instant after ``at`` when ``is_open`` turns over, in ``tz``; None when it does not within the horizon.

    Only boundaries of the wall clock and shifts of the clock itself (daylight saving) can be such an instant.
    """
    zone = ZoneInfo(tz)
    now = is_open(hours, at, tz, holidays)
    today = at.astimezone(zone).date()
    for week in range(0, horizon_days, 7):
        start = today + timedelta(days=week)
        last = datetime.combine(start + timedelta(days=8), time(), UTC)
        instants = set(_shifts(datetime.combine(start, time(), UTC) - timedelta(days=1), zone))
        for offset in range(-1, 8):
            day = start + timedelta(days=offset)
            for span in spans_of(hours, day, holidays):
                for minute in (span.opens_min, end_min(span)):
                    wall = (datetime.combine(day, time()) + timedelta(minutes=minute)).replace(tzinfo=zone)
                    instants |= {wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
        for instant in sorted(instants):
            if at < instant < last and is_open(hours, instant, tz, holidays) is not now:
                return instant.astimezone(zone)
    return None


def _days(text: str) -> tuple[int, ...]:
    if text == "all":
        return tuple(range(7))
    days: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        for name in (first, last) if dash else (first,):
            if name not in DAYS:
                raise ValueError(f"“{name[:20]}” is not a day; days are {', '.join(DAYS)} and all")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days += [(start + offset) % 7 for offset in range((end - start) % 7 + 1)]
    if len(set(days)) < len(days):
        raise ValueError("a day is named twice")
    return tuple(sorted(days))


def _times(text: str) -> tuple[int, int]:
    found = _TIMES.match(text)
    if not found:
        raise ValueError(f"“{text[:20]}” is not two times, as in “08:00-18:00”")
    hour, minute, end_hour, end_minute = (int(part) for part in found.groups())
    opens, closes = hour * 60 + minute, end_hour * 60 + end_minute
    if minute > 59 or end_minute > 59 or opens >= DAY_MIN or closes > DAY_MIN:
        raise ValueError(f"“{text}” is not on the clock; a day goes from 00:00 to 24:00")
    if opens == closes:
        raise ValueError(f"“{text}” opens and closes at the same minute; the whole day is 00:00-24:00")
    return opens, closes


def _spell_days(days: tuple[int, ...]) -> str:
    if len(days) == 7:
        return "all"
    runs = [[day for _, day in run] for _, run in groupby(enumerate(days), lambda pair: pair[1] - pair[0])]
    return ",".join(
        f"{DAYS[run[0]]}-{DAYS[run[-1]]}" if len(run) > 2 else ",".join(DAYS[d] for d in run) for run in runs
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _pieces(span: Span) -> list[tuple[int, int]]:
    """``span`` as pieces of the week, in minutes after Monday's midnight, none of them over the week's end."""
    length = (
        (span.closes_min - span.opens_min)
        if span.closes_min > span.opens_min
        else (span.closes_min - span.opens_min + DAY_MIN)
    )
    pieces: list[tuple[int, int]] = []
    for day in span.days:
        start = day * DAY_MIN + span.opens_min
        pieces.append((start, min(start + length, WEEK_MIN)))
        if start + length > WEEK_MIN:
            pieces.append((0, start + length - WEEK_MIN))
    return pieces


def _shifts(at: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants within ten days when the zone's offset changes, found by halving days down to a second."""
    start = at.astimezone(UTC).replace(microsecond=0)
    found: list[datetime] = []
    for day in range(10):
        low, high = start + timedelta(days=day), start + timedelta(days=day + 1)
        if low.astimezone(zone).utcoffset() == high.astimezone(zone).utcoffset():
            continue
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            middle = middle.replace(microsecond=0)
            if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
                low = middle
            else:
                high = middle
        found.append(high)
    return found
