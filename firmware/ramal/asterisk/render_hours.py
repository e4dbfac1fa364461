"""Opening hours and night mode, so that Asterisk decides alone. Pure.

``Gosub(hours,<name>,1)`` answers ``open`` or ``closed``. What a day is like stands in ``hours-of-<name>``: its
extensions are dates with the weekday (1 = Monday) behind them, ``YYYYMMDDW``, asked with minutes after that day's
midnight. Exceptions stand there, holidays in a context it includes, the week in one it includes last: the first that
has the extension counts, which is the order of the law (``core.hours``). Holidays are written for all years that are
known, not for some days ahead: a text that does not change with the clock is right on a box that woke up in 1970, is
never reloaded for nothing, and never runs out. Those of every year are one pattern, ``_20XX1225X``.
"""

from ramal.asterisk.tokens import token
from ramal.core.holidays_known import LAST_YEAR, Holidays, holidays_of
from ramal.core.hours import end_min
from ramal.core.office import Hours, Office, Span

SINCE_YEAR = 2026
"""Calls are not answered in years before."""


def hours(office: Office) -> str:
    """The contexts of all hours, their holidays, and what phones dial and watch for night mode."""
    rows = ["[hours]"]
    for week in office.hours:
        rows += [
            f"exten => {token(week.name)},1,Gosub(ramal-hours,s,1({token(week.name)}))",
            " same => n,Return(${GOSUB_RETVAL})",
        ]
    for week in office.hours:
        rows += ["", *_days(week)]
    if any(week.holidays == "closed" for week in office.hours):
        rows += ["", "[ramal-holidays]", *_holidays(holidays_of(office))]
    return "\n".join([*rows, "", *_night(office.hours)]) + "\n"


def _days(week: Hours) -> list[str]:
    name = token(week.name)
    rows = [f"[hours-of-{name}]"]
    for plan in week.dates:
        rows += _day(f"_{plan.date.replace('-', '')}X", plan.spans)
    if week.holidays == "closed":
        rows.append("include => ramal-holidays")
    rows += [f"include => hours-week-{name}", "", f"[hours-week-{name}]"]
    alike: dict[tuple[Span, ...], str] = {}
    for weekday in range(7):
        spans = tuple(span for span in week.spans if weekday in span.days)
        alike[spans] = alike.get(spans, "") + str(weekday + 1)
    for spans, weekdays in alike.items():
        rows += _day(f"_XXXXXXXX[{weekdays}]", spans)
    return rows


def _day(pattern: str, spans: tuple[Span, ...]) -> list[str]:
    """One day: minutes 0 to 2879 after its midnight, because a span over midnight belongs to the day it begins on.
    At ``edges`` it tells the minutes at which something may change."""
    edges = "&".join(str(minute) for span in spans for minute in (span.opens_min, end_min(span)))
    rows = [f"GotoIf($[${{ARG1}} >= {span.opens_min} & ${{ARG1}} < {end_min(span)}]?open)" for span in spans]
    rows += ["Return(closed)", *(["(open),Return(open)"] if spans else []), f"(edges),Return({edges})"]
    first, *more = rows
    said = [f"exten => {pattern},1,{first}"]
    return [*said, *(f" same => n{row}" if row.startswith("(") else f" same => n,{row}" for row in more)]


def _holidays(days: Holidays) -> list[str]:
    years = range(SINCE_YEAR, LAST_YEAR + 1)
    every = [day for year in years for day in days.year(year)]
    count: dict[tuple[int, int], int] = {}
    for day in every:
        count[day.month, day.day] = count.get((day.month, day.day), 0) + 1
    fixed = sorted(day for day, times in count.items() if times == len(years))
    dates = [f"_20XX{month:02}{day:02}X" for month, day in fixed]
    dates += [f"_{day:%Y%m%d}X" for day in every if (day.month, day.day) not in fixed]
    return [row for pattern in dates for row in _day(pattern, ())]


def _night(all_hours: tuple[Hours, ...]) -> list[str]:
    """``[night-hours]`` gives names by what was dialed; the lamp of each can be dialed too."""
    rows = ["[night-hours]", f"exten => all,1,Return({'&'.join(token(week.name) for week in all_hours)})"]
    rows += [f"exten => {place},1,Return({token(week.name)})" for place, week in enumerate(all_hours, start=1)]
    if all_hours:
        lamps = [f"night-{token(week.name)}" for week in all_hours]
        rows += ["", "[phone]"]
        for week, lamp in zip(all_hours, lamps, strict=True):
            rows += [
                f"exten => {lamp},1,Answer()",
                f" same => n,Gosub(ramal-night,s,1({token(week.name)},closed))",
                " same => n,Hangup()",
            ]
        rows += ["", "[hints]", *(f"exten => {lamp},hint,Custom:ramal-{lamp}" for lamp in lamps)]
    return rows
