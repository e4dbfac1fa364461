"""When an Asterisk that runs is ended because it answers nothing, and when it is not."""

from hypothesis import given
from hypothesis import strategies as st

from ramal.core.pulse import BUSY_MS, DOUBT_EVERY_MS, EVERY_MS, IDLE_MS, KNOCKS_MIN, Knock, Pulse, after, hangs, next_ms

ONE, OTHER = 500, 600


def ended_at(knocks: list[Knock]) -> int | None:
    """When it is ended, if it is."""
    pulse = Pulse()
    for knock in knocks:
        pulse = after(pulse, knock)
        if hangs(pulse, knock):
            return knock.at_ms
    return None


def silence(from_ms: int, to_ms: int, cpu_share: float = 0.0, manager: bool = False) -> list[Knock]:
    times = range(from_ms, to_ms + 1, DOUBT_EVERY_MS)
    return [Knock(at, ONE, round(1000 + (at - from_ms) * cpu_share), False, manager) for at in times]


WELL = Knock(1000, ONE, 1000, True)


def test_one_that_answers_nothing_and_does_nothing_is_ended_after_a_minute() -> None:
    at = ended_at([WELL, *silence(6000, 10 * BUSY_MS)])
    assert at is not None
    assert IDLE_MS <= at - 6000 <= IDLE_MS + DOUBT_EVERY_MS


def test_one_that_works_hard_is_given_longer() -> None:
    at = ended_at([WELL, *silence(6000, 10 * BUSY_MS, cpu_share=0.9)])
    assert at is not None
    assert at - WELL.at_ms >= BUSY_MS


def test_one_that_answers_the_manager_only_is_given_longer_and_ended_because_no_call_can_come() -> None:
    at = ended_at([WELL, *silence(6000, 10 * BUSY_MS, manager=True)])
    assert at is not None
    assert at - WELL.at_ms >= BUSY_MS


def test_one_answer_is_enough_to_live() -> None:
    knocks = [WELL]
    for begin in range(6000, 40 * IDLE_MS, IDLE_MS):
        knocks += [*silence(begin, begin + IDLE_MS - 2 * DOUBT_EVERY_MS), Knock(begin + IDLE_MS - 1, ONE, 1000, True)]
    assert ended_at(knocks) is None


def test_a_slow_start_and_a_machine_where_it_never_answers_end_nobody() -> None:
    assert ended_at(silence(0, 20 * BUSY_MS)) is None


def test_another_process_is_not_ended_for_the_silence_of_the_last_one() -> None:
    young = [Knock(at, OTHER, 0, False, False) for at in range(60_000, 20 * BUSY_MS, DOUBT_EVERY_MS)]
    assert ended_at([WELL, *silence(6000, 50_000), *young]) is None


def test_a_box_that_stood_still_for_an_hour_does_not_believe_its_first_look() -> None:
    assert ended_at([WELL, Knock(3_600_000, ONE, 1000, False, False)]) is None


@given(
    st.lists(
        st.tuples(st.sampled_from((0, ONE, OTHER)), st.booleans(), st.booleans(), st.integers(0, 90_000)), max_size=60
    )
)
def test_only_a_process_that_answered_once_and_often_not_since_is_ended(
    steps: list[tuple[int, bool, bool, int]],
) -> None:
    pulse, at_ms, silent, answered = Pulse(), 0, 0, 0
    for pid, phones, manager, later_ms in steps:
        at_ms += later_ms
        knock = Knock(at_ms, pid, 0, phones and pid != 0, manager)
        silent = 0 if knock.phones or pid != answered else silent + 1
        answered = pid if knock.phones else answered if pid == answered else 0
        pulse = after(pulse, knock)
        if hangs(pulse, knock):
            assert answered == pid != 0
            assert silent >= KNOCKS_MIN


def test_it_knocks_more_often_while_it_is_in_doubt() -> None:
    assert next_ms(after(Pulse(), WELL)) == EVERY_MS
    assert next_ms(after(after(Pulse(), WELL), Knock(31_000, ONE, 0, False, True))) == DOUBT_EVERY_MS
