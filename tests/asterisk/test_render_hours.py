"""The rendered hours, read as Asterisk reads them, against ``core.hours``; any office, any second of three zones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.asterisk.render_hours import hours as rendered
from ramal.core.holidays_known import Holidays, holidays_of
from ramal.core.hours import is_open, parse, spans_of
from ramal.core.office import DayPlan, Holiday, Hours, Office
from tests.core.offices import weeks

Steps = Mapping[str, list[tuple[str, str]]]
ZONES = ["America/Sao_Paulo", "Europe/Lisbon", "America/New_York"]


class Dialplan:
    """Contexts with their extensions and includes; an extension is found in its own context first, an exact name
    before a pattern, then in each included context in order (main/pbx.c, pbx_find_extension)."""

    def __init__(self, text: str) -> None:
        self.extens: dict[str, dict[str, list[tuple[str, str]]]] = {}
        self.includes: dict[str, list[str]] = {}
        context, exten = "", ""
        for line in text.splitlines():
            if at := re.fullmatch(r"\[([\w-]+)\]", line):
                context = at[1]
                self.extens.setdefault(context, {})
                self.includes.setdefault(context, [])
            elif at := re.fullmatch(r"include => ([\w-]+)", line):
                self.includes[context].append(at[1])
            elif at := re.fullmatch(r"exten => ([^,]+),(?:1|hint),(.*)", line):
                exten = at[1]
                assert exten not in self.extens[context], (context, exten)
                self.extens[context][exten] = [("", at[2])]
            elif at := re.fullmatch(r" same => n(?:\((\w+)\))?,(.*)", line):
                self.extens[context][exten].append((at[1] or "", at[2]))
            else:
                assert not line, line

    def find(self, context: str, exten: str) -> list[tuple[str, str]]:
        found = [steps for name, steps in self.extens[context].items() if matches(name, exten)]
        if found:
            assert len(found) == 1, f"{exten} is ambiguous in {context}"
            return found[0]
        for included in self.includes[context]:
            try:
                return self.find(included, exten)
            except LookupError:
                continue
        raise LookupError(f"{exten} in {context}")

    def gosub(self, context: str, exten: str, label: str, argument: int) -> str:
        steps = self.find(context, exten)
        at = next(place for place, (name, _) in enumerate(steps) if name == label) if label else 0
        while True:
            step = steps[at][1]
            if back := re.fullmatch(r"Return\(([^)]*)\)", step):
                return back[1]
            go = re.fullmatch(r"GotoIf\(\$\[\$\{ARG1\} >= (\d+) & \$\{ARG1\} < (\d+)\]\?(\w+)\)", step)
            assert go, step
            low, high = int(go[1]), int(go[2])
            at = next(i for i, (name, _) in enumerate(steps) if name == go[3]) if low <= argument < high else at + 1


def matches(name: str, exten: str) -> bool:
    if not name.startswith("_"):
        return name == exten
    return bool(re.fullmatch(name[1:].replace("X", "[0-9]"), exten))


def asterisk(plan: Dialplan, hours: Hours, at: datetime, zone: str) -> str:
    """[ramal-hours-at] of dialplan/night.conf, word by word."""
    wall = at.astimezone(ZoneInfo(zone))
    minute = wall.hour * 60 + wall.minute
    context = f"hours-of-{hours.name}"
    if plan.gosub(context, f"{wall:%Y%m%d%u}", "", minute) == "open":
        return "open"
    before = (at - timedelta(minutes=minute, hours=12)).astimezone(ZoneInfo(zone))
    return plan.gosub(context, f"{before:%Y%m%d%u}", "", minute + 1440)


def seconds(week: Hours, days: Holidays, zone: str) -> Iterator[datetime]:
    """Around every plan and holiday, and around the shifts of the clock in 2026."""
    near = [plan.date for plan in week.dates] + ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-12-25"]
    near += [day.isoformat() for year in (2027, 2099) for day in list(days.year(year))[::3]]
    for text in near:
        midnight = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for hour in range(-26, 52, 5):
            yield midnight + timedelta(hours=hour, minutes=hour * 7 % 60, seconds=hour % 2 * 59)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    weeks("shop"),
    st.sampled_from(ZONES),
    st.sampled_from([("BR", "SP", "São Paulo"), ("PT", "", ""), ("US", "NY", "")]),
    st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2099, 12, 30)), max_size=20),
)
def test_what_is_rendered_is_open_exactly_when_our_clock_says_so(
    week: Hours, zone: str, place: tuple[str, str, str], chance: list[datetime]
) -> None:
    country, region, city = place
    week = replace(week, dates=tuple(plan for plan in week.dates if "2026" <= plan.date < "2099-12-30"))
    office = Office("X", country, region, zone, city=city, hours=(week,), holidays=(Holiday("02-29"), Holiday("08-13")))
    plan, days = Dialplan(rendered(office)), holidays_of(office)
    for at in [*seconds(week, days, zone), *(each.replace(tzinfo=UTC) for each in chance)]:
        expected = "open" if is_open(week, at, zone, days) else "closed"
        assert asterisk(plan, week, at, zone) == expected, (at, week)


def test_the_edges_that_end_a_switch_are_those_of_the_day() -> None:
    week = Hours("bar", parse("fri 20:00-02:00"), "closed", (DayPlan("2026-12-24", parse("mon 08:00-12:00")),))
    office = Office("X", hours=(week,))
    plan = Dialplan(rendered(office))
    for day, edges in (("202612045", "1200&1560"), ("202612244", "480&720"), ("202612255", ""), ("202612263", "")):
        assert plan.gosub("hours-of-bar", day, "edges", 0) == edges
        assert len(spans_of(week, datetime.strptime(day[:8], "%Y%m%d").date(), holidays_of(office))) == bool(edges)


def test_holidays_that_do_not_move_are_one_line_and_all_fit_into_a_small_file() -> None:
    week = Hours("shop", parse("mon-fri 08:00-18:00"), "closed")
    text = rendered(Office("X", region="SP", city="São Paulo", hours=(week,)))
    assert "exten => _20XX1225X,1,Return(closed)" in text
    assert "exten => _20980418X,1,Return(closed)" in text
    assert len(text) < 20_000


def test_an_office_that_keeps_no_holidays_is_not_told_of_them() -> None:
    assert "ramal-holidays" not in rendered(Office("X", hours=(Hours("shop", parse("mon-fri 08:00-18:00")),)))


@pytest.mark.parametrize("country", ["BR", "US", "GB", "IN", "IL", "JP"])
def test_every_country_renders(country: str) -> None:
    week = Hours("shop", parse("mon-fri 08:00-18:00"), "closed")
    Dialplan(rendered(Office("X", country, hours=(week,))))
