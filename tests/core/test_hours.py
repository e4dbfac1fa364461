"""Opening hours against an independent reading of the week, minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core.hours import DAYS, asterisk_conditions, is_open, next_change, overlaps, parse, spell
from ramal.core.office import Hours, Span
from tests.core.offices import weeks

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


def as_asterisk(conditions: tuple[str, ...], wall: datetime) -> bool:
    """What ``ast_build_timing`` and ``ast_check_timing`` do with ``GotoIfTime`` (main/pbx_timing.c): ranges of times
    and of days are cyclic, and their last element is inside."""
    for condition in conditions:
        times, days, day_of_month, month, _zone = condition.split(",")
        assert (day_of_month, month) == ("*", "*")
        start, end = (int(part[:2]) * 60 + int(part[3:]) for part in times.split("-"))
        assert 0 <= start <= 1439
        assert 0 <= end <= 1439
        minutes = {start}
        while start != end:
            start = (start + 1) % 1440
            minutes.add(start)
        weekdays: set[int] = set(range(7)) if days == "*" else set()
        for part in [] if days == "*" else days.split("&"):
            first, _, last = part.partition("-")
            at, stop = DAYS.index(first), DAYS.index(last or first)
            weekdays.add(stop)
            while at != stop:
                weekdays.add(at)
                at = (at + 1) % 7
        if wall.hour * 60 + wall.minute in minutes and wall.weekday() in weekdays:
            return True
    return False


@few
@given(weeks("shop"))
def test_our_clock_and_asterisks_conditions_agree_with_the_words_in_every_minute_of_a_week(hours: Hours) -> None:
    conditions = asterisk_conditions(hours, "UTC")
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    for minute in range(7 * 1440):
        at = monday + timedelta(minutes=minute)
        expected = by_hand(hours, at)
        assert is_open(hours, at, "UTC") is expected, at
        assert as_asterisk(conditions, at) is expected, (at, conditions)


@few
@given(weeks("shop"), st.sampled_from(ZONES), st.integers(0, 365 * 24 * 60))
def test_the_next_change_is_the_first_minute_that_is_different(hours: Hours, zone: str, minute: int) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    change = next_change(hours, at, zone)
    now = is_open(hours, at, zone)
    later = at
    while later < at + timedelta(days=8):
        later += timedelta(minutes=1)
        if is_open(hours, later, zone) is not now:
            break
    else:
        assert change is None
        return
    assert change is not None
    assert change.astimezone(UTC) == later
    assert str(change.tzinfo) == zone


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


@pytest.mark.parametrize(
    ("words", "conditions"),
    [
        ("mon-fri 08:00-18:00", ("08:00-17:59,mon-fri,*,*,America/Sao_Paulo",)),
        ("all 00:00-24:00", ("00:00-23:59,*,*,*,America/Sao_Paulo",)),
        ("mon,wed,fri 9:00-12:00", ("09:00-11:59,mon&wed&fri,*,*,America/Sao_Paulo",)),
        (
            "sat-sun 22:00-02:00",
            ("22:00-23:59,sat-sun,*,*,America/Sao_Paulo", "00:00-01:59,mon&sun,*,*,America/Sao_Paulo"),
        ),
        ("fri 18:00-00:00", ("18:00-23:59,fri,*,*,America/Sao_Paulo",)),
        ("sun 12:00-12:01", ("12:00-12:00,sun,*,*,America/Sao_Paulo",)),
    ],
)
def test_asterisk_is_told_the_last_minute_that_is_open(words: str, conditions: tuple[str, ...]) -> None:
    assert asterisk_conditions(Hours("shop", parse(words)), "America/Sao_Paulo") == conditions


def test_hours_without_spans_are_always_closed() -> None:
    closed = Hours("closed", ())
    assert asterisk_conditions(closed, "UTC") == ()
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
