"""What a clock is believed by, when it was set, and by how much it had been wrong: tables, and boxes made up by chance.

A made-up box has a true time and one number a boot, what its clock is off by, until somebody sets it; whatever happens,
what is repaired is exactly that number.
"""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramal.core import warnings
from ramal.core.clock import (
    EARLIEST_MS,
    FAR_MS,
    MEND_MS,
    RANK,
    SLACK_MS,
    SOURCES,
    STEP_MS,
    Epoch,
    Facts,
    Source,
    covering,
    follow,
    judge,
    key_at,
    mended_ms,
    shifts,
    standing,
    stepped_ms,
)
from ramal.core.events import ConditionSeen, Ticked
from ramal.core.history import first_key
from tests.core.test_callback import dialed, held, opened

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
BOX = Facts("a", 10_000, NOW_MS, box=True)
HOST = replace(BOX, box=False)

TABLE = [
    # what the machine says, the last trusted time, what counted before -> what it is believed by, and why not
    (HOST, 0, "none", "host", ""),
    (HOST, NOW_MS + DAY_MS, "none", "host", ""),  # its own business
    (replace(HOST, wall_ms=0), 0, "none", "none", "before-built"),
    (replace(HOST, wall_ms=EARLIEST_MS - 1), 0, "host", "none", "before-built"),
    (replace(HOST, synced=True), 0, "none", "ntp", ""),
    (replace(BOX, synced=True), NOW_MS + DAY_MS, "none", "ntp", ""),
    (replace(BOX, synced=True, wall_ms=5), 0, "ntp", "none", "before-built"),
    (replace(BOX, synced=True, built_ms=NOW_MS + 1), 0, "ntp", "none", "before-built"),
    (BOX, 0, "ntp", "ntp", ""),  # the network went away: a clock does not go wrong by that
    (BOX, 0, "said", "said", ""),
    (BOX, NOW_MS + SLACK_MS + 1, "rtc", "none", "before-known"),
    (BOX, NOW_MS + SLACK_MS, "rtc", "rtc", ""),
    (BOX, 0, "none", "none", "no-rtc"),
    (replace(BOX, rtc_ms=NOW_MS), 0, "none", "rtc", ""),
    (replace(BOX, rtc_ms=NOW_MS + SLACK_MS), NOW_MS - 7 * DAY_MS, "none", "rtc", ""),
    (replace(BOX, rtc_ms=NOW_MS + SLACK_MS + 1), 0, "none", "none", "rtc-apart"),
    (replace(BOX, rtc_ms=0), 0, "none", "none", "rtc-behind"),
    (replace(BOX, rtc_ms=NOW_MS - DAY_MS), NOW_MS - 60_000, "none", "none", "rtc-behind"),
    (replace(BOX, rtc_ms=NOW_MS), NOW_MS - FAR_MS - 1, "none", "none", "far-ahead"),
    (replace(BOX, rtc_ms=NOW_MS), NOW_MS - FAR_MS, "none", "rtc", ""),
]


@pytest.mark.parametrize(("facts", "good_ms", "before", "source", "why"), TABLE)
def test_what_a_clock_is_believed_by(facts: Facts, good_ms: int, before: Source, source: Source, why: str) -> None:
    assert judge(facts, good_ms, before) == (source, why)


def test_every_combination_gives_a_reason_exactly_when_it_is_not_trusted_and_1970_never_is() -> None:
    times = (0, EARLIEST_MS - 1, EARLIEST_MS, NOW_MS, NOW_MS + 3 * FAR_MS)
    for wall_ms, rtc_ms, good_ms in itertools.product(times, (None, *times), times):
        for synced, box, before in itertools.product((False, True), (False, True), SOURCES):
            facts = Facts("a", 0, wall_ms, synced, rtc_ms, box, EARLIEST_MS)
            source, why = judge(facts, good_ms, before)
            assert (source == "none") == bool(why)
            assert source == "none" or wall_ms >= EARLIEST_MS
            assert source != "ntp" or synced or before == "ntp"
            assert source != "said" or before == "said"
            if box and not synced and before == "none" and rtc_ms is None:
                assert source == "none"


def test_a_step_is_not_a_correction_and_another_boot_is_not_a_step() -> None:
    epoch = Epoch(1, "a", 0, NOW_MS, "rtc")
    for moved_ms, step_ms in ((STEP_MS - 1, 0), (1 - STEP_MS, 0), (STEP_MS, STEP_MS), (-DAY_MS, -DAY_MS)):
        facts = Facts("a", 5000, NOW_MS + 5000 + moved_ms)
        assert stepped_ms(epoch, facts) == step_ms
        assert standing(epoch, facts) == ("none" if step_ms else "rtc")
    assert stepped_ms(epoch, Facts("b", 5000, 0)) == 0
    assert standing(epoch, Facts("b", 5000, NOW_MS + 5000)) == "none"


def test_midnight_and_a_zones_summer_time_set_no_clock() -> None:
    epoch = Epoch(1, "a", 0, NOW_MS, "ntp")
    for minute in range(0, 3 * 1440, 7):
        facts = Facts("a", minute * 60_000, NOW_MS + minute * 60_000)
        assert follow(epoch, facts, "ntp", "") == (None, None)


def test_the_epochs_of_a_step_share_no_time_but_the_one_between_two_looks() -> None:
    last = Epoch(7, "a", 0, NOW_MS, "none", "no-rtc")
    ended, begun = follow(last, Facts("a", 60_000, NOW_MS + 60_000 + DAY_MS), "ntp", "", seen_ms=58_000)
    assert ended == replace(last, until_ms=NOW_MS + 60_000)
    assert begun == Epoch(0, "a", 58_000, NOW_MS + 58_000 + DAY_MS, "ntp")


def test_a_boot_ends_the_epoch_before_it_at_the_last_time_that_is_known_of_it() -> None:
    last = Epoch(7, "a", 0, NOW_MS, "none", "no-rtc")
    later, earlier = Facts("b", 1000, NOW_MS + DAY_MS + 1000), Facts("b", 1000, NOW_MS - DAY_MS)
    ended, begun = follow(last, later, "rtc", "", known_ms=NOW_MS + 5)
    assert (ended, begun) == (replace(last, until_ms=NOW_MS + DAY_MS), Epoch(0, "b", 0, NOW_MS + DAY_MS, "rtc"))
    ended, _ = follow(last, earlier, "none", "before-known", known_ms=NOW_MS + 5)
    assert ended == replace(last, until_ms=NOW_MS + 5)


SETS = st.lists(
    st.tuples(
        st.sampled_from(["none", "said", "ntp"]), st.integers(-400 * DAY_MS, 400 * DAY_MS), st.integers(10_000, DAY_MS)
    ),
    max_size=5,
)
"""Somebody sets the clock: by whom it is believed then, by what it is off then, how long it goes on."""


@given(off_ms=st.integers(-400 * DAY_MS, 400 * DAY_MS), lasted_ms=st.integers(10_000, DAY_MS), sets=SETS)
def test_what_is_repaired_is_what_the_clock_was_off_by(
    off_ms: int, lasted_ms: int, sets: list[tuple[Source, int, int]]
) -> None:
    true_ms = NOW_MS  # when it was switched on
    epochs: list[Epoch] = []
    offs = {1: off_ms}
    up_ms = 0
    ways: list[tuple[Source, int, int]] = [("none", off_ms, lasted_ms), *sets]
    for n, (way, off, length_ms) in enumerate(ways):
        off = 0 if way == "ntp" else off  # a time server is right
        ended, begun = follow(epochs[-1] if epochs else None, Facts("a", up_ms, true_ms + up_ms + off), way, "", up_ms)
        if ended is not None:
            epochs[-1] = ended
        if begun is not None:
            epochs.append(replace(begun, id=n + 1))
            offs[n + 1] = off
        up_ms += length_ms
    found = shifts(epochs)
    assert shifts([replace(epoch, shift_ms=found.get(epoch.id)) for epoch in epochs]) == found  # twice is once
    if not any(way == "ntp" for way, *_ in ways):
        assert all(RANK[epoch.source] < RANK["said"] for epoch in epochs if epoch.id in found)
        return
    right = next(n for n, epoch in enumerate(epochs) if epoch.source == "ntp")
    for n, epoch in enumerate(epochs):
        if n < right and (epoch.source == "none" or n + 1 == right):
            wrong_ms = -offs[epoch.id]
            assert abs(found[epoch.id] - wrong_ms) <= max(500, MEND_MS if not found[epoch.id] else 0)
        else:
            assert epoch.id not in found


def test_a_computer_that_is_not_ours_and_what_a_server_set_are_never_put_right() -> None:
    host = [Epoch(1, "a", 0, NOW_MS, "host", "", NOW_MS + 5), Epoch(2, "a", 5, NOW_MS + DAY_MS, "ntp")]
    assert shifts(host) == {}
    ntp = [Epoch(1, "a", 0, NOW_MS, "ntp", "", NOW_MS + 5), Epoch(2, "a", 5, NOW_MS + DAY_MS, "ntp")]
    assert shifts(ntp) == {}


def test_an_epoch_that_was_right_to_the_minute_is_right() -> None:
    epochs = [Epoch(1, "a", 0, NOW_MS, "none", "no-rtc", NOW_MS + 5), Epoch(2, "a", 5, NOW_MS + MEND_MS - 1000, "ntp")]
    assert shifts(epochs) == {1: 0}


def test_a_time_that_was_shown_twice_is_the_later_epochs() -> None:
    epochs = [
        Epoch(1, "a", 0, NOW_MS, "none", "no-rtc", NOW_MS + DAY_MS),
        Epoch(2, "a", DAY_MS, NOW_MS + 1000, "ntp"),
    ]
    assert covering(epochs, NOW_MS + 2000, NOW_MS + 3000) == epochs[1]
    assert covering(epochs, NOW_MS + 5000, NOW_MS + 3000) == epochs[0]
    assert covering(epochs, NOW_MS - 1, NOW_MS + 3000) is None


@given(st.integers(0, 30 * DAY_MS), st.integers(1, 30 * DAY_MS), st.lists(st.integers(0, 90 * DAY_MS), min_size=2))
def test_the_keys_of_a_span_of_true_times_go_up_with_the_times(length_ms: int, by_ms: int, times: list[int]) -> None:
    span = Epoch(1, "a", 0, NOW_MS, "none", "no-rtc", NOW_MS + length_ms, by_ms)
    keys = [key_at(NOW_MS - 10 * DAY_MS + at_ms, [span]) for at_ms in sorted(times)]
    assert keys == sorted(keys)
    inside_ms = NOW_MS + length_ms // 2
    assert key_at(mended_ms(inside_ms, [span]), [span]) in (first_key(inside_ms), first_key(NOW_MS))


def test_nobody_is_called_back_while_the_time_is_not_known() -> None:
    doubt = ConditionSeen(warnings.CLOCK_UNTRUSTED, True, (("why", "no-rtc"),))
    state, called = dialed(opened("0"), doubt, held(1), Ticked())
    assert called == []
    _, called = dialed(state, ConditionSeen(warnings.CLOCK_UNTRUSTED, False), Ticked())
    assert called == [held(1).number]
