"""Alarms: what each measure sees, and a state machine that raises once and clears once."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core.alarm import Known, Reading, Told, follow, read
from ramal.core.alarm_words import mail
from ramal.core.events import AmiUp, CallerJoined, Member, OfficeLoaded, Waiting
from ramal.core.kpi import Ratio
from ramal.core.office import Alarm
from ramal.core.state import State
from ramal.core.step import step
from tests.core.moments import OFFICE, T0

LATE = Alarm("late", "longest-wait", "sales", 60)


def floor(*events: object) -> State:
    state = State()
    for event in (OfficeLoaded(OFFICE), AmiUp((), ()), *events):
        state, _ = step(state, event, T0)  # type: ignore[arg-type]
    return state


def caller(call: str, queue: str = "sales", waited_s: int = 0, first_s: int = 0) -> CallerJoined:
    joined_ms = T0 - 1000 * waited_s
    return CallerJoined(Waiting(queue, call, f"c-{call}", "", "", 0, joined_ms, first_s=first_s))  # type: ignore[arg-type]


def test_the_longest_wait_is_that_of_its_queue_or_of_all() -> None:
    state = floor(caller("1", waited_s=60), caller("2", "support", 100))
    assert read(LATE, state, T0) == Reading(False, 60)
    assert read(LATE, state, T0 + 1) == Reading(True, 60)
    assert read(replace(LATE, queue=""), state, T0) == Reading(True, 100)
    assert read(replace(LATE, queue="other"), state, T0) == Reading(False, 0)


def test_waiting_counts_from_the_first_queue() -> None:
    state = floor(caller("1", waited_s=5, first_s=T0 // 1000 - 90))
    assert read(LATE, state, T0).value >= 90


def test_callers_are_counted() -> None:
    crowd = Alarm("crowd", "callers-waiting", "sales", 2)
    state = floor(caller("1"), caller("2"))
    assert read(crowd, state, T0) == Reading(False, 2)
    assert read(crowd, floor(caller("1"), caller("2"), caller("3")), T0) == Reading(True, 3)


@pytest.mark.parametrize(
    ("part", "whole", "holds", "value"),
    [
        (4, 5, False, 800),
        (79, 100, True, 790),
        (80, 100, False, 800),
        (0, 4, False, 0),
        (0, 5, True, 0),
        (0, 0, False, -1),
    ],
)
def test_the_service_level_counts_from_so_many_calls_on(part: int, whole: int, holds: bool, value: int) -> None:
    level = Alarm("level", "service-level", "sales", 80, min_calls=5)
    assert read(level, floor(), T0, Ratio(part, whole)) == Reading(holds, value)


def test_nobody_there_is_bad_only_while_it_is_open() -> None:
    nobody = Alarm("nobody", "no-agent", "sales")
    there = AmiUp((Member("sales", "7", "201"),), ())  # type: ignore[arg-type]
    assert read(nobody, floor(), T0, is_open=True) == Reading(True, 0)
    assert read(nobody, floor(), T0, is_open=False) == Reading(False, 0)
    assert read(nobody, floor(), T0, is_open=None) == Reading(None, 0)
    assert read(nobody, floor(there), T0) == Reading(False, 1)
    assert read(replace(nobody, queue="support"), floor(there), T0) == Reading(True, 0)
    assert read(replace(nobody, queue=""), floor(there), T0) == Reading(False, 1)


def test_a_personal_queue_is_no_queue_somebody_is_logged_in_to() -> None:
    state = floor(AmiUp((Member("agent-7", "7", "201"),), ()))  # type: ignore[arg-type]
    assert read(Alarm("nobody", "no-agent", ""), state, T0) == Reading(True, 0)


@pytest.mark.parametrize("measure", ["longest-wait", "callers-waiting", "service-level", "no-agent"])
def test_nothing_is_known_while_asterisk_is_away(measure: str) -> None:
    assert read(Alarm("a", measure, ""), State(), T0).holds is None  # type: ignore[arg-type]


def told(alarm: Alarm, moments: list[tuple[int, bool | None]]) -> tuple[list[tuple[int, Told]], Known]:
    """What is told when the alarm's measure says these things at these seconds."""
    known, said = Known(), list[tuple[int, Told]]()
    for at_s, holds in moments:
        known, what = follow(alarm, known, holds, T0 + 1000 * at_s)
        if what:
            said.append((at_s, what))
    return said, known


TABLE = [
    (0, 0, [(0, True), (1, True), (2, False), (3, False)], [(0, "raised"), (2, "cleared")]),
    (
        10,
        0,
        [(0, True), (9, True), (10, True), (11, False), (20, False), (21, False)],
        [(10, "raised"), (21, "cleared")],
    ),
    (10, 0, [(0, True), (5, False), (6, True), (15, True), (16, True)], [(16, "raised")]),
    (10, 0, [(0, True), (5, None), (10, True), (19, True), (20, True)], [(20, "raised")]),
    (0, 0, [(0, True), (1, None), (500, None), (501, True)], [(0, "raised")]),
    (10, 0, [(0, True), (10, True), (11, False), (15, True), (16, False), (25, False)], [(10, "raised")]),
    # in the quiet minute: raised and cleared without a word, and told later when it still holds
    (0, 1, [(0, True), (1, False), (2, True), (3, False)], [(0, "raised"), (1, "cleared")]),
    (0, 1, [(0, True), (1, False), (2, True), (59, True), (60, True)], [(0, "raised"), (1, "cleared"), (60, "raised")]),
    (0, 1, [(0, True), (1, False), (2, True), (60, None), (61, False)], [(0, "raised"), (1, "cleared")]),
]


@pytest.mark.parametrize(("holds_s", "quiet_min", "moments", "expected"), TABLE)
def test_an_alarm_is_raised_and_cleared(
    holds_s: int, quiet_min: int, moments: list[tuple[int, bool | None]], expected: list[tuple[int, Told]]
) -> None:
    said, _ = told(replace(LATE, holds_s=holds_s, quiet_min=quiet_min), moments)
    assert said == expected


def test_the_end_is_not_told_when_nobody_wants_it() -> None:
    said, known = told(replace(LATE, resolved=False, quiet_min=0), [(0, True), (1, False)])
    assert said == [(0, "raised")]
    assert known.raised_ms == 0


MOMENTS = st.lists(
    st.tuples(st.sampled_from([1, 3, 9, 10, 30, 61]), st.sampled_from([True, True, False, False, None])), max_size=60
)


@given(MOMENTS, st.sampled_from([0, 3, 10]), st.sampled_from([0, 1, 2]), st.integers(0, 60))
def test_any_course_raises_and_clears_in_turn_and_only_after_it_held(
    course: list[tuple[int, bool | None]], holds_s: int, quiet_min: int, restart: int
) -> None:
    alarm = replace(LATE, holds_s=holds_s, quiet_min=quiet_min)
    known, at_s, run_s, last = Known(), 0, 0, None
    said: list[tuple[int, Told]] = []
    raised_runs = []
    for n, (later_s, holds) in enumerate(course):
        at_s += later_s
        run_s = at_s if holds is None or holds is not last else run_s
        last = holds
        if n == restart:  # the daemon dies: what was not kept is gone
            known = replace(known, turning_ms=0)
        before = known
        known, what = follow(alarm, known, holds, T0 + 1000 * at_s)
        if bool(known.raised_ms) != bool(before.raised_ms):
            assert holds is bool(known.raised_ms)
            assert at_s - run_s >= holds_s, "it did not hold for so long"
            raised_runs.append(bool(known.raised_ms))
        if what:
            said.append((at_s, what))
        assert not known.told or known.raised_ms
    assert raised_runs == [n % 2 == 0 for n in range(len(raised_runs))]
    assert [what for _, what in said] == [("raised", "cleared")[n % 2] for n in range(len(said))]
    raisings = [at for at, what in said if what == "raised"]
    assert all(b - a >= 60 * quiet_min for a, b in itertools.pairwise(raisings))


def test_a_clock_that_was_set_back_leaves_no_silence_for_years() -> None:
    known, what = follow(replace(LATE, quiet_min=15), Known(told_ms=T0 + 10**12), True, T0)
    assert what == "raised"
    assert known.told_ms == T0


@pytest.mark.parametrize("language", ["pt-BR", "en", "es"])
@pytest.mark.parametrize("measure", ["longest-wait", "callers-waiting", "service-level", "no-agent"])
@pytest.mark.parametrize("event", ["raised", "cleared", "test"])
def test_every_mail_has_words_in_every_language(language: str, measure: str, event: str) -> None:
    facts = {"event": event, "alarm": "late", "office": "Padaria Sol", "measure": measure, "queue": "sales"}
    facts |= {
        "queue_title": "Vendas",
        "value": 791,
        "limit": 80,
        "window_min": 30,
        "raised_ms": T0,
        "at_ms": T0 + 60_000,
    }  # type: ignore[dict-item]
    subject, text = mail(facts, language, "America/Sao_Paulo")  # type: ignore[arg-type]
    assert subject.startswith("Padaria Sol – ")
    assert "late" in subject
    assert "Vendas" in text
    assert "{" not in subject + text
    if event == "raised" and measure == "service-level":
        assert ("79.1 %" if language == "en" else "79,1 %") in text
