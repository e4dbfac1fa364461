"""Opening hours: the words of the file, is it open now, and the conditions Asterisk evaluates by itself.

Pure. Whether a call finds the office open is decided by Asterisk (``GotoIfTime``), never by the daemon; ``is_open`` is
for eyes and for history, and must agree with it minute by minute. All of it is wall clock in the office's time zone.
"""

import re
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

from ramal.core.office import Hours, Span

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 1440
WEEK_MIN = 7 * DAY_MIN

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


def is_open(hours: Hours, at: datetime, tz: str) -> bool:
    """Whether the office is open at ``at`` (aware; ValueError when naive) in the time zone named ``tz``."""
    return _open_at(_week_pieces(hours), at, ZoneInfo(tz))


def next_change(hours: Hours, at: datetime, tz: str) -> datetime | None:
    """The first instant after ``at`` when ``is_open`` turns over, in ``tz``; None when it never does.

    Only boundaries of the wall clock and shifts of the clock itself (daylight saving) can be such an instant.
    """
    zone, pieces = ZoneInfo(tz), _week_pieces(hours)
    now = _open_at(pieces, at, zone)
    monday = (at.astimezone(zone) - timedelta(days=at.astimezone(zone).weekday() + 7)).date()
    instants: set[datetime] = set(_shifts(at, zone))
    for week in range(4):
        midnight = datetime(monday.year, monday.month, monday.day) + timedelta(weeks=week)
        for minute in {minute for piece in pieces for minute in piece}:
            wall = (midnight + timedelta(minutes=minute)).replace(tzinfo=zone)
            instants |= {wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    for instant in sorted(instants):
        if instant > at and _open_at(pieces, instant, zone) is not now:
            return instant.astimezone(zone)
    return None


def asterisk_conditions(hours: Hours, tz: str) -> tuple[str, ...]:
    """The conditions of ``GotoIfTime`` that are true exactly while the office is open; none when it always is closed.

    Two traps: Asterisk's last minute is inside (``08:00-17:59`` is open until 18:00), and a range over midnight would
    mean the morning of the *same* weekday, so such a span becomes two conditions.
    """
    conditions: list[str] = []
    for span in hours.spans:
        parts = [(span.days, span.opens_min, span.closes_min)]
        if span.closes_min <= span.opens_min:
            next_days = tuple(sorted((day + 1) % 7 for day in span.days))
            parts = [(span.days, span.opens_min, DAY_MIN), (next_days, 0, span.closes_min)]
        for days, opens, closes in parts:
            if closes > opens:
                names = "*" if len(days) == 7 else "&".join(DAYS[day] for day in days)
                if len(days) > 1 and days == tuple(range(days[0], days[-1] + 1)) and len(days) < 7:
                    names = f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
                conditions.append(f"{_clock(opens)}-{_clock(closes - 1)},{names},*,*,{tz}")
    return tuple(conditions)


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


def _week_pieces(hours: Hours) -> tuple[tuple[int, int], ...]:
    return tuple(piece for span in hours.spans for piece in _pieces(span))


def _open_at(pieces: tuple[tuple[int, int], ...], at: datetime, zone: ZoneInfo) -> bool:
    if at.tzinfo is None:
        raise ValueError("a time without its zone says nothing")
    wall = at.astimezone(zone)
    minute = wall.weekday() * DAY_MIN + wall.hour * 60 + wall.minute
    return any(start <= minute < end for start, end in pieces)


def _shifts(at: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants within three weeks when the zone's offset changes, found by halving days down to a second."""
    start = at.astimezone(UTC).replace(microsecond=0)
    found: list[datetime] = []
    for day in range(21):
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
