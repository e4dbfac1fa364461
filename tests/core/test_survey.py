"""What callers think, by exact definitions (FIELD 3.3), and what a journal says they answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import survey_history
from ramal.core.journal import Cel
from ramal.core.kpi import Ratio
from ramal.core.survey import PARTS, Reply, belongs, by, fcr_proxy, scores, wilson

QUESTIONS = ("csat", "nps", "resolved", "sentence")
DAY_MS = 86_400_000


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    asked = tuple(draw(st.lists(st.sampled_from(QUESTIONS), unique=True, max_size=3)))
    return Reply(
        draw(st.integers(1, 10**9)),
        draw(st.sampled_from(["sales", "support"])),
        draw(st.sampled_from(["7", "8", ""])),
        asked,
        draw(st.none() | st.integers(1, 5)),
        draw(st.none() | st.integers(0, 10)),
        draw(st.none() | st.integers(0, 1)),
        draw(st.booleans()),
    )


EVERY = st.lists(replies(), max_size=60)


@given(EVERY)
def test_the_parts_of_a_figure_are_its_whole_and_nothing_stands_in_two(every: list[Reply]) -> None:
    def n(part: str) -> int:
        return sum(belongs(one, part) for one in every)  # type: ignore[arg-type]

    counted = scores(every)
    assert n("promoters") + n("passives") + n("detractors") == n("nps") == counted.nps
    assert n("yes") + n("no") == n("resolved") == counted.resolved
    assert n("answered") + n("refused") == n("asked") == counted.asked == len(every)
    assert n("positive") + n("negative") + sum(one.csat == 3 for one in every) == n("csat") == counted.csat
    assert all(0 <= n(part) <= len(every) for part in PARTS)


@given(EVERY)
def test_every_score_lies_where_it_may_and_nothing_over_nothing_is_nothing(every: list[Reply]) -> None:
    counted = scores(every)
    for ratio in (counted.csat_rate, counted.dsat_rate, counted.fcr_rate, *map(counted.response, QUESTIONS)):
        assert (ratio.share is None) == (ratio.whole == 0)
        assert ratio.share is None or 0 <= ratio.share <= 1
        ends = wilson(ratio)
        assert (ends is None) == (ratio.whole == 0)
        if ends and ratio.share is not None:
            assert 0 <= ends[0] <= ratio.share + 1e-9
            assert ratio.share - 1e-9 <= ends[1] <= 1
    if counted.csat:
        assert (counted.csat_rate.share or 0) + (counted.dsat_rate.share or 0) <= 1
    assert (counted.nps_index is None) == (counted.nps == 0) == (counted.nps_range is None)
    if counted.nps_index is not None and counted.nps_range is not None:
        assert -100 <= counted.nps_index <= 100
        assert -100 <= counted.nps_range[0] <= counted.nps_range[1] <= 100


@given(EVERY)
def test_queues_and_agents_share_the_replies_out(every: list[Reply]) -> None:
    whole = scores(every)
    for who in ("queue", "agent"):
        groups = by(every, who).values()  # type: ignore[arg-type]
        for name in ("asked", "answered", "csat", "positive", "negative", "nps", "promoters", "yes", "sentences"):
            assert sum(getattr(group, name) for group in groups) == getattr(whole, name)


def test_the_figures_of_a_worked_example() -> None:
    csat = [5, 4, 4, 3, 2, 1, 5, 5, 4, 3]
    every = [Reply(n, "sales", "7", ("csat", "nps"), value, None) for n, value in enumerate(csat)]
    every += [Reply(90 + n, "sales", "7", ("csat", "nps"), None, value) for n, value in enumerate([10, 9, 8, 7, 6, 0])]
    every += [Reply(200, "sales", "7", ("csat", "nps"))] * 4
    counted = scores(every)
    assert (counted.csat_rate, counted.dsat_rate) == (Ratio(6, 10), Ratio(2, 10))
    assert counted.nps_index == pytest.approx(0.0)  # 2 promoters, 2 detractors of 6
    assert counted.response("csat") == Ratio(10, 20)
    assert counted.response() == Ratio(16, 20)
    assert scores(every[:10]).nps_index is None
    assert wilson(Ratio(6, 10)) == pytest.approx((0.3127, 0.8318), abs=1e-4)


def test_an_nps_of_ten_tens_is_a_hundred_and_of_ten_sixes_is_minus_a_hundred() -> None:
    assert scores([Reply(n, "a", "", ("nps",), None, 10) for n in range(10)]).nps_index == 100
    assert scores([Reply(n, "a", "", ("nps",), None, 6) for n in range(10)]).nps_index == -100


def test_a_caller_who_calls_the_same_queue_again_within_seven_days_was_not_helped_at_first() -> None:
    a, b, c, hidden = "+5511911110001", "+5511911110002", "+5511911110003", "anonymous"
    calls = [(a, "sales", 0), (a, "sales", 7 * DAY_MS), (b, "sales", 0), (b, "sales", 7 * DAY_MS + 1)]
    calls += [(c, "sales", 0), (c, "support", 1), (hidden, "sales", 0), (hidden, "sales", 1)]
    assert fcr_proxy((*call, True) for call in calls) == Ratio(3, 4)
    assert fcr_proxy([]) == Ratio(0, 0)
    assert fcr_proxy([(a, "sales", 5, True), (a, "sales", 9, True)], until_ms=7) == Ratio(0, 1)
    assert fcr_proxy([(a, "sales", 8, True)], until_ms=7) == Ratio(0, 0)


def test_who_comes_again_and_gives_up_has_come_again_and_who_gave_up_first_has_not() -> None:
    a, b, c = "+5511911110001", "+5511911110002", "+5511911110003"
    calls = [(a, "sales", 0, True), (a, "sales", DAY_MS, False)]
    calls += [(b, "sales", 0, False), (b, "sales", DAY_MS, True), (c, "sales", 0, False)]
    assert fcr_proxy(calls) == Ratio(1, 2)


def said(*events: str) -> list[tuple[Cel, list[str]]]:
    made = []
    for n, event in enumerate(events):
        name, _, words = event.partition(" ")
        cel = Cel(1000 + n, name, "1.1", "1.1", "", "", "", "", "", name, "", "")
        made.append((cel, words.split("|")))
    return made


def test_a_journal_tells_what_was_asked_and_answered() -> None:
    found = survey_history.surveyed(
        said(
            "WHY survey-offered|sales|100",
            "SURVEY sales|7|asked|csat-nps-sentence",
            "SURVEY sales|7|csat|4",
            "SURVEY sales|7|nps|10",
            "SURVEY sales|7|sentence|2026/11/22/1.1-survey",
        ),
        "8",
    )
    assert found is not None
    assert (found.queue, found.agent, found.asked) == ("sales", "8", ("csat", "nps", "sentence"))
    assert (found.csat, found.nps, found.resolved) == (4, 10, None)
    assert found.sentence == "2026/11/22/1.1-survey.wav"


def test_why_nobody_was_asked_is_kept_and_what_cannot_be_is_left_out() -> None:
    found = survey_history.surveyed(said("WHY survey-skipped|sales|asked-lately|30"), "7")
    assert found is not None
    assert (found.asked, found.why) == ((), "asked-lately")
    assert survey_history.surveyed(said("WHY vip", "QUEUE sales|"), "7") is None
    found = survey_history.surveyed(said("SURVEY sales|7|csat|6", "SURVEY sales|7|nps|-1", "SURVEY sales|7"), "")
    assert found is not None
    assert (found.asked, found.csat, found.nps, found.agent) == ((), None, None, "7")


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from(["SURVEY", "WHY"]))
def test_no_journal_makes_it_fail(fields: list[str], name: str) -> None:
    cel = Cel(1, name, "1.1", "1.1", "", "", "", "", "", name, "", "")
    survey_history.surveyed([(cel, fields or [""])], "")
    survey_history.began_ms([(cel, fields or [""])])
