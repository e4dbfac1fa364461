"""A night switch: what is written is read back, and it ends when the hours would turn to that by themselves."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.hours import parse
from ramal.core.night import Switch, switch
from ramal.core.night import parse as read
from ramal.core.office import DayPlan, Hours

ZONE = "America/Sao_Paulo"
SHOP = Hours("shop", parse("mon-fri 08:00-12:00 13:00-18:00"), dates=(DayPlan("2026-11-24", ()),))


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp())


@pytest.mark.parametrize(
    ("state", "now", "until"),
    [
        ("closed", "2026-11-23T09:00", "2026-11-23T13:00"),  # closed early, opens after lunch
        ("closed", "2026-11-23T17:00", "2026-11-25T08:00"),  # over a day without opening
        ("closed", "2026-11-23T07:55", "2026-11-23T08:00"),  # it was closed anyway
        ("open", "2026-11-23T20:00", "2026-11-25T12:00"),  # through the next opening, to its closing
        ("open", "2026-11-23T09:00", "2026-11-23T12:00"),
    ],
)
def test_a_switch_ends_with_the_next_turn_of_the_hours_themselves(state: str, now: str, until: str) -> None:
    made = switch(SHOP, "open" if state == "open" else "closed", epoch(now), ZONE)
    assert made is not None
    assert made == Switch("open" if state == "open" else "closed", epoch(until), epoch(now))
    assert made.counts(epoch(now))
    assert made.counts(epoch(until) - 1)
    assert not made.counts(epoch(until))


def test_what_never_turns_stays_switched_until_somebody_takes_it_back() -> None:
    never, always, now_s = Hours("never", ()), Hours("always", parse("all 00:00-24:00")), epoch("2026-11-23T09:00")
    for hours, state in ((never, "open"), (always, "closed")):
        made = switch(hours, "open" if state == "open" else "closed", now_s, ZONE)
        assert made is not None
        assert made.until_s == 0
        assert made.counts(epoch("2036-11-23T09:00"))
    assert switch(never, "closed", now_s, ZONE) is None  # it would change nothing, and never end
    assert switch(always, "open", now_s, ZONE) is None


def test_a_switch_from_a_day_that_has_not_come_does_not_count() -> None:
    made = Switch("closed", 0, epoch("2030-01-01T00:00"))
    assert not made.counts(epoch("2026-11-23T09:00"))
    assert made.counts(epoch("2029-12-31T12:00"))  # a clock may be put right by some hours


@given(st.sampled_from(["open", "closed"]), st.integers(0, 2**40), st.integers(0, 2**40))
def test_what_is_written_is_read_back(state: str, until_s: int, since_s: int) -> None:
    made = Switch("open" if state == "open" else "closed", until_s, since_s)
    assert read(str(made)) == made


@given(st.text(max_size=20))
def test_any_other_text_is_no_switch(text: str) -> None:
    found = read(text)
    assert found is None or str(found).split("|")[0] == text.split("|")[0]


@pytest.mark.parametrize("text", ["", "closed", "closed|", "closed|0", "shut|0|0", "closed|-1|0", "closed|0|0|0"])
def test_half_a_switch_is_none(text: str) -> None:
    assert read(text) is None


def test_a_clock_that_is_not_set_yet_ends_no_switch_that_was_made_when_it_was() -> None:
    made = Switch("closed", epoch("2026-11-24T08:00"), epoch("2026-11-23T18:00"))
    assert made.counts(0)
    assert made.counts(epoch("2025-12-31T12:00"))
    assert not made.counts(epoch("2026-11-20T12:00"))
    assert not Switch("closed", 60_000, 0).counts(86_400), "it was made with that clock, so it ends by it"
