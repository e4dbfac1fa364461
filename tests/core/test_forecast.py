"""The band of the wait: right about as often as it says, silent without evidence, better than app_queue's figure."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.forecast import Band, Learned, Stay, band, bands, learn, written
from tests.core.waits import SCENARIOS, Told, days, pinball, told


def made(name: str) -> list[Told]:
    came, agents = days(SCENARIOS[name], 5, seed=11)
    rows = list(told(came, agents, 3 * 86_400, every_s=240))
    assert len(rows) > 300
    return rows


def bands_told(rows: list[Told]) -> list[tuple[Told, Band]]:
    return [(row, row.band) for row in rows if row.band is not None]


@pytest.mark.parametrize("name", ["steady", "everything"])
def test_the_band_is_exceeded_about_as_often_as_it_says_and_beats_app_queue(name: str) -> None:
    rows = made(name)
    said = bands_told(rows)
    assert len(said) > 0.9 * len(rows)
    assert 0.42 < sum(row.true_s <= known.low_s for row, known in said) / len(said) < 0.6
    assert 0.73 < sum(row.true_s <= known.high_s for row, known in said) / len(said) < 0.88
    assert 0.73 < sum(row.true_s <= 60 * known.minutes[1] for row, known in said) / len(said) < 0.9
    for quantile in (0.5, 0.8):
        ours = sum(pinball(r.true_s, b.low_s if quantile == 0.5 else b.high_s, quantile) for r, b in said)
        theirs = sum(pinball(row.true_s, row.asterisk_s, quantile) for row, _ in said)
        assert ours < 0.8 * theirs


def test_it_holds_also_for_those_far_back_in_the_line() -> None:
    far = [(row, known) for row, known in bands_told(made("everything")) if row.ahead >= 3]
    assert len(far) > 50
    assert 0.65 < sum(row.true_s <= known.high_s for row, known in far) / len(far) < 0.93


def test_nothing_is_said_without_evidence_or_agents() -> None:
    assert bands(learn((), ()), 3) == ()
    few = [Stay(60.0 * n, 60.0 * n + 30, True, 60.0 * n + 80) for n in range(12)]
    assert bands(learn(few, [(0.0, 1)]), 1) == ()
    assert band(Learned(100.0, 50, ((0, 1.0, True),) * 200), 0, 0) is None
    assert band(Learned(100.0, 50, ((0, 1.0, True),) * 200), 2, 0) == Band(50.0, 50.0)
    assert band(Learned(100.0, 50, ((0, 1.0, True),) * 200), 2, 39) is None  # nobody was ever so far back


def test_more_agents_shorten_and_more_callers_ahead_lengthen() -> None:
    learned = Learned(120.0, 50, tuple((n % 4, 0.5 + 0.1 * (n % 10), True) for n in range(300)))
    two, four = bands(learned, 2), bands(learned, 4)
    assert len(two) == len(four) >= 4
    assert all(2 * b.low_s == pytest.approx(a.low_s) for a, b in zip(two, four, strict=True))
    assert all(a.high_s <= b.high_s and a.low_s <= b.low_s for a, b in itertools.pairwise(two))


def test_callers_who_gave_up_count_as_longer_waits() -> None:
    answered = Learned(100.0, 50, tuple((0, 0.1 * (n % 10 + 1), True) for n in range(200)))
    given_up = Learned(100.0, 50, tuple((0, 0.1 * (n % 10 + 1), n % 10 > 3) for n in range(200)))
    without, with_them = band(answered, 1, 0), band(given_up, 1, 0)
    assert without is not None
    assert with_them is not None
    assert with_them.low_s > without.low_s


def test_the_switch_holds_minutes_and_the_typical_wait() -> None:
    assert written((Band(20, 40), Band(240, 420)), 1_800_000_000) == "1800000000|0-1-20,4-7-240"
    assert written((), 1_800_000_000) == ""
    assert Band(0, 0).minutes == (0, 1)


@given(
    st.lists(
        st.tuples(st.floats(0, 5000), st.floats(0, 900), st.booleans(), st.floats(0, 900)),
        max_size=60,
    ),
    st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 4)), max_size=6),
    st.integers(0, 5),
)
def test_any_history_gives_bands_in_order(
    rows: list[tuple[float, float, bool, float]], agents: list[tuple[float, int]], there: int
) -> None:
    stays = [Stay(a, a + wait, answered, a + wait + talk) for a, wait, answered, talk in rows]
    known = bands(learn(stays, sorted(agents)), there)
    for one, more in itertools.pairwise(known):
        assert 0 <= one.low_s <= one.high_s <= more.high_s
        assert one.minutes[0] <= one.minutes[1]
