"""Calls recorded by a clock that was wrong get the right times once it is known; the lines keep what it showed."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.core import clock as core
from ramal.core.clock import Epoch
from ramal.core.commands import NoteDecision
from ramal.core.history import call_key
from ramal.core.ids import CallId
from ramal.store import clock, decisions, read
from ramal.store.db import transaction
from ramal.store.ingest import CEL_NAME, QUEUE_NAME, Ingest
from tests.store.history import Life, rows
from tests.store.office_day import START_S, Script, a_call

BOOT = "one"
START_MS = START_S * 1000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def follow(life: Life, wall_ms: int, boottime_ms: int, source: core.Source, boot: str = BOOT) -> None:
    """A look of the daemon, as ``ops.clock`` does it."""
    last = clock.last(life.db)
    seen_ms = max(0, boottime_ms - 5000)
    why: core.Why = "no-rtc" if source == "none" else ""
    ended, begun = core.follow(last, core.Facts(boot, boottime_ms, wall_ms), source, why, seen_ms)
    if begun is not None:
        with transaction(life.db):
            clock.turn(life.db, ended, begun)


def times(life: Life) -> list[tuple[object, ...]]:
    """Every time and duration of history, in the order calls came, without the keys and names made of them."""
    found: list[tuple[object, ...]] = []
    for key, *call in life.db.execute(
        "SELECT key, direction, category, started_ms, ended_ms, wait_ms, ring_ms, talk_ms FROM call ORDER BY key"
    ):
        stays = life.db.execute(
            "SELECT queue, joined_ms, left_ms, outcome, wait_ms FROM queue_stay WHERE call = ?", (key,)
        )
        made = life.db.execute("SELECT kind, started_ms, expected_ms FROM recording WHERE id / 16 = ?", (key,))
        found.append((*call, tuple(stays), tuple(made)))
    return found


def counts(life: Life) -> list[tuple[object, ...]]:
    return life.db.execute("SELECT * FROM hour_count ORDER BY hour, direction, category").fetchall()


def the_day(seed: int, count: int, from_ms: int) -> list[Script]:
    chance = random.Random(seed)
    return [a_call(chance, n * 16, from_ms + n * 60_000) for n in range(count)]


@pytest.mark.parametrize("shift_ms", [40 * DAY_MS + 1234, 3 * HOUR_MS, -DAY_MS, -3 * HOUR_MS])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30), before=st.integers(1, 12), after=st.integers(0, 8))
def test_repaired_times_are_those_of_a_box_whose_clock_was_right(
    shift_ms: int, seed: int, before: int, after: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole_ms = round(shift_ms / 1000) * 1000
    wrong, right = Life(tmp_path_factory.mktemp("wrong")), Life(tmp_path_factory.mktemp("right"))
    first, step_ms = the_day(seed, before, START_MS + 60_000), START_MS + 3 * HOUR_MS
    now_ms = step_ms + shift_ms + 3000  # the daemon repairs as soon as it has seen the step
    wrong.ingest = Ingest(wrong.db, wrong.log, lambda: now_ms)
    follow(wrong, START_MS, 0, "none")
    wrong.keep(*first)
    right.keep(*the_day(seed, before, START_MS + 60_000 + whole_ms))
    follow(wrong, step_ms + shift_ms, step_ms - START_MS, "ntp")
    assert wrong.ingest.mend(BOOT) == before
    now_ms += HOUR_MS
    later = the_day(seed + 1, after, step_ms + shift_ms + 1000)
    wrong.keep(*later)
    right.keep(*the_day(seed + 1, after, step_ms + shift_ms + 1000))
    by_time = sorted(times(right), key=lambda call: (call[2], repr(call)))
    assert sorted(times(wrong), key=lambda call: (call[2], repr(call))) == by_time
    assert counts(wrong) == counts(right)
    once = rows(wrong.db)
    assert wrong.ingest.mend(BOOT) == 0
    assert rows(wrong.db) == once
    after_key: int | None = 0
    while after_key is not None:
        after_key = wrong.ingest.refold(after_key)
    assert rows(wrong.db) == once
    wrong.close()
    right.close()


def test_the_journals_lines_keep_what_the_clock_showed(life: Life) -> None:
    follow(life, START_MS, 0, "none")
    life.keep(*the_day(3, 5, START_MS + 1000))
    before = rows(life.db)["lines"]
    follow(life, START_MS + DAY_MS + HOUR_MS, HOUR_MS, "ntp")
    life.ingest.mend(BOOT)
    assert rows(life.db)["lines"] == before
    (key,) = life.db.execute("SELECT min(key) FROM call").fetchone()
    assert clock.of_call(life.db, key) == ("mended", START_MS + 1000)


@pytest.mark.parametrize("shift_ms", [DAY_MS, 600_000, -900_000, -DAY_MS])
def test_a_call_that_the_step_found_in_talk_lasted_as_long_as_it_lasted(life: Life, shift_ms: int) -> None:
    follow(life, START_MS - 2 * HOUR_MS, 0, "none")
    call = Script(1, START_MS + 10_000).arrive().menu().join().wait(4000)
    step_ms = call.now_ms + 3005 + 200_000
    call.talk("sales", "7", "207", 3000, 600_000)

    def shown(line: tuple[int, str]) -> tuple[int, str]:
        """What was written after the step has another time."""
        at_ms, text = line
        return (at_ms, text) if at_ms < step_ms else (at_ms, str(int(text[:10]) + shift_ms // 1000) + text[10:])

    call.cel, call.log = [shown(line) for line in call.cel], [shown(line) for line in call.log]
    follow(life, step_ms + shift_ms, step_ms - START_MS + 2 * HOUR_MS, "ntp")
    life.ingest = Ingest(life.db, life.log, lambda: step_ms + shift_ms + 3000)
    life.keep(call)
    life.ingest.mend(BOOT)
    detail = read.call(life.db, call.id)
    assert detail is not None
    assert detail.call.started_ms == START_MS + 10_000 + shift_ms
    assert detail.call.talk_ms == 600_000
    assert detail.steps[0].at_ms == detail.call.started_ms


def test_a_line_that_comes_late_is_put_right_with_the_others(life: Life) -> None:
    follow(life, START_MS, 0, "none")
    early, late = the_day(5, 2, START_MS + 1000)
    life.keep(early)
    follow(life, START_MS + DAY_MS + HOUR_MS, HOUR_MS, "ntp")
    life.ingest.mend(BOOT)
    life.ingest = Ingest(life.db, life.log, lambda: START_MS + DAY_MS + HOUR_MS + 1000)
    life.keep(late)
    assert [at_ms for (at_ms,) in life.db.execute("SELECT started_ms FROM call ORDER BY key")] == [
        START_MS + 1000 + DAY_MS,
        START_MS + 61_000 + DAY_MS,
    ]


def test_repaired_calls_are_found_by_their_right_day_and_not_by_the_wrong_one(life: Life) -> None:
    follow(life, START_MS, 0, "none")
    life.keep(*the_day(3, 5, START_MS + 1000))
    shift_ms = 9 * DAY_MS
    follow(life, START_MS + shift_ms + HOUR_MS, HOUR_MS, "ntp")
    life.ingest.mend(BOOT)
    now_ms = START_MS + shift_ms + 2 * HOUR_MS
    assert len(read.calls(life.db, since_ms=START_MS + shift_ms, until_ms=now_ms).rows) == 5
    assert not read.calls(life.db, since_ms=START_MS - 1000, until_ms=START_MS + DAY_MS).rows
    assert sum(read.counts(life.db, START_MS + shift_ms, START_MS + shift_ms + 1_800_001).values()) == 5


def test_an_epoch_that_nobody_could_date_stays_unknown_and_says_so(life: Life) -> None:
    follow(life, START_MS, 0, "none")
    life.keep(*the_day(3, 2, START_MS + 1000))
    follow(life, START_MS + DAY_MS, 4000, "ntp", boot="two")
    assert life.ingest.mend(BOOT) == 0
    assert life.ingest.mend("two") == 0
    (key,) = life.db.execute("SELECT min(key) FROM call").fetchone()
    assert clock.of_call(life.db, key) == ("unknown", 0)
    later = call_key(f"{(START_MS + DAY_MS) // 1000 + 60}.1")
    assert later is not None
    assert clock.of_call(life.db, later) == ("", 0)


def test_decisions_and_agents_days_are_put_right_and_what_they_said_is_kept(life: Life) -> None:
    follow(life, START_MS, 0, "none")
    life.write(CEL_NAME, b"")
    line = f"{START_MS // 1000 + 5}|NONE|sales|agent-7|ADDMEMBER|\n"
    life.write(QUEUE_NAME, line.encode())
    life.read_all()
    decisions.note(life.db, START_MS + 7000, NoteDecision(CallId(f"{START_S}.1"), "callback-turn", ()))
    follow(life, START_MS + DAY_MS + HOUR_MS, HOUR_MS, "ntp")
    life.ingest.mend(BOOT)
    life.ingest.mend(BOOT)
    assert life.db.execute("SELECT at_ms FROM agent_event").fetchone() == (START_MS + 5000 + DAY_MS,)
    assert life.db.execute("SELECT at_ms FROM decision").fetchone() == (START_MS + 7000 + DAY_MS,)
    assert sorted(life.db.execute("SELECT tbl, was_ms FROM clock_moved").fetchall()) == [
        ("agent_event", START_MS + 5000),
        ("decision", START_MS + 7000),
    ]


def test_what_a_person_said_is_put_right_again_when_a_server_is_heard(life: Life) -> None:
    follow(life, START_MS, 0, "none")
    life.keep(*the_day(3, 2, START_MS + 1000))
    follow(life, START_MS + DAY_MS + HOUR_MS, HOUR_MS, "said")
    life.ingest.mend(BOOT)
    first = "SELECT min(started_ms) FROM call"
    assert life.db.execute(first).fetchone() == (START_MS + 1000 + DAY_MS,)
    follow(life, START_MS + DAY_MS + 2 * HOUR_MS + 600_000, 2 * HOUR_MS, "ntp")
    life.ingest.mend(BOOT)
    assert life.db.execute(first).fetchone() == (START_MS + 1000 + DAY_MS + 600_000,)
    shown = [(epoch.source, epoch.shift_ms) for epoch in clock.of_boot(life.db, BOOT)]
    assert shown == [("none", DAY_MS + 600_000), ("said", 600_000), ("ntp", None)]


def test_a_box_whose_clock_was_always_right_has_nothing_repaired(life: Life) -> None:
    follow(life, START_MS, 0, "host")
    life.keep(*the_day(3, 5, START_MS + 1000))
    before = rows(life.db)
    follow(life, START_MS + DAY_MS + HOUR_MS, HOUR_MS, "host")
    follow(life, START_MS + DAY_MS + HOUR_MS + 9000, HOUR_MS + 9000, "ntp")
    assert life.ingest.mend(BOOT) == 0
    assert rows(life.db) == before
    assert not life.db.execute("SELECT * FROM clock_call").fetchall()


def test_an_epoch_is_kept_as_it_was(tmp_path: Path) -> None:
    life = Life(tmp_path / "kept")
    made = clock.turn(life.db, None, Epoch(0, BOOT, 5, START_MS, "none", "rtc-behind"))
    clock.turn(life.db, replace(made, until_ms=START_MS + 9), Epoch(0, BOOT, 14, START_MS + 20, "ntp"))
    assert [epoch.until_ms for epoch in clock.listed(life.db)] == [None, START_MS + 9]
    assert clock.of_boot(life.db, BOOT)[0] == replace(made, until_ms=START_MS + 9)
    life.close()
