"""The figures, each by its definition: FIELD's worked example, nothing, one call, the edges, and any calls at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import kpi
from ramal.core.kpi import Offer, Ratio, tally

T, S = 20_000, 5_000


def answered(wait_ms: int) -> Offer:
    return Offer("answered", wait_ms, wait_ms)


def example() -> list[Offer]:
    """1000 answered, 860 of them within 20 s; 60 abandoned, 20 of them within 20 s, 10 of those within 5 s."""
    calls = [answered(20_000)] * 860 + [answered(20_001)] * 140
    return [
        *calls,
        *[Offer("abandoned", 4_999)] * 10,
        *[Offer("abandoned", 20_000)] * 10,
        *[Offer("abandoned", 20_001)] * 40,
    ]


@pytest.mark.parametrize(
    ("variant", "tenths"), [("F1", 830), ("F2", 860), ("F3", 811), ("F4", 827), ("F5", 821), ("F6", 819)]
)
def test_the_worked_example_gives_what_the_books_say(variant: kpi.Variant, tenths: int) -> None:
    assert kpi.service_level(tally(example(), T, S), variant).tenths == tenths


def test_the_example_s_other_figures() -> None:
    t = tally(example(), T, S)
    assert kpi.answer_rate(t) == Ratio(1000, 1060)
    assert kpi.abandon_rate(t) == Ratio(50, 1050)
    assert t.short == 10
    assert kpi.asa_ms(t) == 20_000
    assert kpi.longest_wait_ms(t) == 20_001


@pytest.mark.parametrize("variant", kpi.VARIANTS)
def test_over_nothing_there_is_no_figure(variant: kpi.Variant) -> None:
    t = tally([], T)
    assert kpi.service_level(t, variant).share is None
    assert kpi.service_level(t, variant).tenths is None
    assert kpi.answer_rate(t).share is None
    assert kpi.abandon_rate(t).share is None
    assert kpi.asa_ms(t) is None
    assert kpi.longest_wait_ms(t) is None


ONE_CALL = [
    # offer, F1 .. F6 as tenths
    (answered(T), [1000, 1000, 1000, 1000, 1000, 1000]),
    (answered(T + 1), [0, 0, 0, 0, 0, 0]),
    (Offer("abandoned", S - 1), [1000, None, 0, None, 1000, None]),
    (Offer("abandoned", S), [1000, None, 0, None, 0, 0]),
    (Offer("abandoned", T), [1000, None, 0, None, 0, 0]),
    (Offer("abandoned", T + 1), [0, None, 0, 0, 0, 0]),
    (Offer("overflowed", 15_000), [0, None, 0, 0, 0, 0]),
    (Offer("overflowed", 15_000, T), [1000, None, 1000, 1000, 1000, 1000]),
    (Offer("timed_out", 15_000, T + 1), [0, None, 0, 0, 0, 0]),
    (Offer("withdrawn", 3_000), [0, None, 0, 0, 0, 0]),
    (Offer("system", 3_000), [0, None, 0, 0, 0, 0]),
    (Offer("blocked", 0), [None] * 6),
    (Offer("blocked", 0, T), [None] * 6),
    (Offer("closed", 0), [None] * 6),
    (Offer("waiting", T), [None] * 6),
    (Offer("waiting", T + 1), [0, None, 0, 0, 0, 0]),
]


@pytest.mark.parametrize(("offer", "tenths"), ONE_CALL)
def test_one_call_alone(offer: Offer, tenths: list[int | None]) -> None:
    t = tally([offer], T, S)
    assert [kpi.service_level(t, variant).tenths for variant in kpi.VARIANTS] == tenths


def test_a_percentage_is_rounded_half_up_and_exactly() -> None:
    assert Ratio(1, 2000).tenths == 1
    assert Ratio(999, 2000).tenths == 500
    assert Ratio(1, 3).tenths == 333
    assert Ratio(2, 3).tenths == 667


def test_a_call_that_waits_is_in_no_rate_until_it_ended() -> None:
    t = tally([answered(1), Offer("waiting", 60_000)], T)
    assert kpi.answer_rate(t) == Ratio(1, 1)
    assert kpi.service_level(t) == Ratio(1, 2)


FATES = st.sampled_from(
    ["waiting", "answered", "abandoned", "timed_out", "overflowed", "blocked", "closed", "withdrawn", "system"]
)
WAITS = st.sampled_from([0, 1, 4_999, 5_000, 19_999, 20_000, 20_001, 99_999]) | st.integers(0, 200_000)


@st.composite
def any_offer(draw: st.DrawFn) -> Offer:
    fate, wait_ms = draw(FATES), draw(WAITS)
    if fate == "answered":
        return answered(wait_ms)
    later = fate in ("timed_out", "overflowed", "blocked")
    return Offer(fate, wait_ms, draw(st.none() | st.integers(wait_ms, wait_ms + 60_000)) if later else None)


@given(st.lists(any_offer(), max_size=30), st.integers(1, 60_000), st.integers(0, 10_000))
def test_the_figures_of_any_calls_hold_together(offers: list[Offer], within_ms: int, short_ms: int) -> None:
    t = tally(offers, within_ms, short_ms)
    assert t.received == len(offers) == t.offered + t.blocked + t.closed + t.waiting
    ratios = [kpi.service_level(t, variant) for variant in kpi.VARIANTS]
    for ratio in (*ratios, kpi.answer_rate(t), kpi.abandon_rate(t)):
        assert 0 <= ratio.part <= ratio.whole
        assert (ratio.share is None) == (ratio.whole == 0)
    strict = ratios[2]
    if strict.share is not None:  # F3 is the strictest of those that count who gave up
        assert all(ratio.share is None or ratio.share >= strict.share for ratio in (ratios[0], *ratios[3:]))


@given(st.lists(any_offer(), max_size=30), st.integers(1, 60_000), st.integers(0, 10_000))
def test_the_calls_behind_a_figure_are_as_many_as_it_says(offers: list[Offer], within_ms: int, short_ms: int) -> None:
    t = tally(offers, within_ms, short_ms)

    def count(part: kpi.Part) -> int:
        return sum(kpi.belongs(offer, part, within_ms, short_ms) for offer in offers)

    assert (count("within"), count("whole")) == (kpi.f6(t).part, kpi.f6(t).whole)
    assert count("within") + count("late") == count("whole")
    assert (count("short"), count("answered"), count("received")) == (t.short, t.answered, t.received)
    assert count("lost") == t.lost


@given(st.lists(any_offer(), max_size=20), st.lists(any_offer(), max_size=20))
def test_the_order_of_calls_does_not_matter_and_intervals_add_up(one: list[Offer], other: list[Offer]) -> None:
    a, b, both = tally(one, T), tally(other, T), tally([*other, *one], T)
    for name in kpi.Tally.__slots__:
        if name != "longest_ms":
            assert getattr(a, name) + getattr(b, name) == getattr(both, name)
    assert max(a.longest_ms, b.longest_ms) == both.longest_ms
