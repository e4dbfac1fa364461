"""Opening hours against an independent reading of the week, minute by minute."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core.hours import is_open, next_change, overlaps, parse, parse_day, spell, spell_day
from ramal.core.office import DayPlan, Hours, Span
from tests.core.offices import day_spans, weeks

ZONES = ["America/Sao_Paulo", "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "UTC"]
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def by_hand(hours: Hours, wall: datetime) -> bool:
    """Whether ``wall`` is open, read word by word: today's span, or yesterday's that goes on after midnight."""
    now = wall.strftime("%H:%M")
    for span in hours.spans:
        opens = f"{span.opens_min // 60:02}:{span.opens_min % 60:02}"
        closes = f"{span.closes_min // 60:02}:{span.closes_min % 60:02}"
        over = closes <= opens
        if wall.weekday() in span.days and now >= opens and (over or now < closes):
            return True
        if over and (wall - timedelta(days=1)).weekday() in span.days and now < closes:
            return True
    return False


@few
@given(weeks("shop"))
def test_our_clock_agrees_with_the_words_in_every_minute_of_a_week(hours: Hours) -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    plain = replace(hours, dates=())
    for minute in range(7 * 1440):
        at = monday + timedelta(minutes=minute)
        assert is_open(plain, at, "UTC") is by_hand(plain, at), at


def spans(text: str) -> tuple[Span, ...]:
    return parse_day(text)


BAR = Hours(
    "bar",
    parse("fri-sat 20:00-02:00"),
    "closed",
    (
        DayPlan("2026-12-25", spans("12:00-15:00")),
        DayPlan("2026-12-19", ()),
        DayPlan("2026-12-31", spans("22:00-06:00")),
    ),
)
HOLIDAYS = frozenset({date(2026, 12, 11), date(2026, 12, 25)})


@pytest.mark.parametrize(
    ("at", "open_now"),
    [
        ("2026-12-05T01:59:59", True),  # last night's tail, a Saturday
        ("2026-12-05T02:00:00", False),
        ("2026-12-11T20:30:00", False),  # a Friday that is a holiday
        ("2026-12-12T01:00:00", False),  # so it has no tail
        ("2026-12-12T20:30:00", True),
        ("2026-12-19T01:00:00", True),  # closed on this date, but the night before belongs to yesterday
        ("2026-12-19T21:00:00", False),
        ("2026-12-20T01:00:00", False),
        ("2026-12-25T12:00:00", True),  # a date of its own comes before the holiday it is
        ("2026-12-25T20:30:00", False),  # and before the week: it has only its own spans
        ("2026-12-26T01:00:00", False),
        ("2026-12-31T23:00:00", True),
        ("2027-01-01T05:59:00", True),  # the tail of a date goes on as far as it says
        ("2027-01-01T06:00:00", False),
        ("2027-01-01T20:00:00", True),
    ],
)
def test_dates_come_before_holidays_and_holidays_before_the_week(at: str, open_now: bool) -> None:
    zone = "America/Sao_Paulo"
    assert is_open(BAR, datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)), zone, HOLIDAYS) is open_now


def test_holidays_are_days_like_any_other_where_the_hours_do_not_ask_for_them() -> None:
    at = datetime(2026, 12, 11, 20, 30, tzinfo=UTC)
    assert is_open(replace(BAR, holidays="open"), at, "UTC", HOLIDAYS)
    assert not is_open(BAR, at, "UTC", HOLIDAYS)


@few
@given(weeks("shop"), st.sampled_from(ZONES), st.integers(0, 365 * 24 * 60))
def test_the_next_change_is_the_first_minute_that_is_different(hours: Hours, zone: str, minute: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    near = [(at + timedelta(days=ahead)).date() for ahead in range(9)]
    plans = zip(near[1:], hours.dates, strict=False)
    hours = replace(hours, dates=tuple(replace(plan, date=day.isoformat()) for day, plan in plans))
    holidays = frozenset(near[-3:-1])
    change = next_change(hours, at, zone, holidays)
    now = is_open(hours, at, zone, holidays)
    later = at
    while later < at + timedelta(days=8):
        later += timedelta(minutes=1)
        if is_open(hours, later, zone, holidays) is not now:
            break
    else:
        assert change is None or change > later
        return
    assert change is not None
    assert change.astimezone(UTC) == later
    assert str(change.tzinfo) == zone


@given(day_spans())
def test_the_times_of_a_date_are_parsed_back(spans: tuple[Span, ...]) -> None:
    assert parse_day(spell_day(spans)) == spans


@pytest.mark.parametrize("words", ["", "open", "8-12", "08:00-12:00 11:00-13:00", "mon 08:00-12:00", "08:00-08:00"])
def test_other_times_of_a_date_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_day(words)


@given(weeks("shop"))
def test_what_is_spelled_is_parsed_back(hours: Hours) -> None:
    for span in hours.spans:
        assert parse(spell(span)) == (span,)


def test_the_clock_that_jumps_over_the_opening_minute_still_opens() -> None:
    # New York, 8 March 2026: 01:59 is followed by 03:00.
    hours = Hours("night", parse("sun 02:30-05:00"))
    before = datetime(2026, 3, 8, 1, 0, tzinfo=ZoneInfo("America/New_York"))
    change = next_change(hours, before, "America/New_York")
    assert change is not None
    assert change.isoformat() == "2026-03-08T03:00:00-04:00"


def test_hours_without_spans_are_always_closed() -> None:
    closed = Hours("closed", ())
    assert not is_open(closed, datetime(2026, 1, 1, tzinfo=UTC), "UTC")
    assert next_change(closed, datetime(2026, 1, 1, tzinfo=UTC), "UTC") is None


@pytest.mark.parametrize(
    ("words", "spans"),
    [
        ("mon-fri 08:00-12:00 13:00-18:00", [((0, 1, 2, 3, 4), 480, 720), ((0, 1, 2, 3, 4), 780, 1080)]),
        ("fri-mon 08:00-12:00", [((0, 4, 5, 6), 480, 720)]),
        ("sun,mon 08:00-24:00", [((0, 6), 480, 1440)]),
        ("sun 23:00-01:00", [((6,), 1380, 60)]),
    ],
)
def test_days_and_times_are_read(words: str, spans: list[tuple[tuple[int, ...], int, int]]) -> None:
    assert parse(words) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(
    "words",
    ["", "mon", "08:00-18:00", "mon 8-18", "mon 24:00-25:00", "mon 08:60-09:00", "mon 08:00-08:00",
     "mon,mon 08:00-09:00", "mon-tue,tue 08:00-09:00", "mo 08:00-09:00", "mon- 08:00-09:00",
     "mon 08:00-09:00,10:00-11:00", "mon ٠٨:00-09:00"],
)  # fmt: skip
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(words)


def test_overlaps_are_seen_over_midnight_and_over_the_end_of_the_week() -> None:
    assert overlaps(parse("sun 20:00-04:00") + parse("mon 03:59-05:00"))
    assert not overlaps(parse("sun 20:00-04:00") + parse("mon 04:00-05:00"))
    assert not overlaps(parse("mon-fri 08:00-12:00 12:00-18:00"))


def test_a_time_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        is_open(Hours("shop", ()), datetime(2026, 1, 1), "UTC")
