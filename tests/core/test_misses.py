"""The rule of misses: whatever the sequence, an agent is paused exactly when too many came within the time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.misses import Channel, Leg, leg, miss

GAPS = st.lists(st.integers(0, 1200), max_size=30)


@given(GAPS, st.integers(1, 6), st.integers(60, 900))
def test_an_agent_is_paused_exactly_when_so_many_misses_lie_within_the_time(
    gaps: list[int], misses: int, within_s: int
) -> None:
    at_s, since_pause = 1_000, list[int]()
    seen: tuple[int, ...] = ()
    for gap in gaps:
        at_s += gap
        since_pause.append(at_s)
        ruled = miss(seen, at_s, misses, within_s)
        too_many = sum(at_s - one <= within_s for one in since_pause) >= misses
        assert ruled.paused == too_many
        assert len(ruled.seen) <= misses
        seen = ruled.seen
        if ruled.paused:
            since_pause = []
            assert seen == ()


@given(GAPS, st.integers(60, 900))
def test_an_office_that_counts_no_misses_pauses_nobody(gaps: list[int], within_s: int) -> None:
    seen: tuple[int, ...] = ()
    for at_s in gaps:
        ruled = miss(seen, at_s, 0, within_s)
        assert not ruled.paused
        seen = ruled.seen
    assert seen == ()


def test_a_clock_that_was_set_back_makes_no_miss_older() -> None:
    assert miss((5_000, 4_900), 4_000, 3, 600).paused


@pytest.mark.parametrize(
    ("channel", "cause", "rang_ms", "what"),
    [
        ("up", 16, 4_000, "answered"),
        ("up", 17, 4_000, "answered"),
        ("ringing", 17, 900, "rejected"),
        ("down", 17, 20, "rejected"),
        ("ringing", 21, 900, "rejected"),
        ("down", 23, 20, "rejected"),
        ("ringing", 0, 15_003, "missed"),
        ("ringing", 0, 14_100, "missed"),
        ("ringing", 0, 9_000, "cancelled"),
        ("ringing", 26, 3_000, "cancelled"),
        ("down", 0, 200, "cancelled"),
        ("down", 0, 15_000, "unreachable"),
        ("down", 18, 6_400, "unreachable"),
    ],
)
def test_every_end_of_a_ring_has_one_name(channel: Channel, cause: int, rang_ms: int, what: Leg) -> None:
    assert leg(channel, cause, rang_ms, 15) == what
