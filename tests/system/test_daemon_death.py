"""The law above all others: a call never depends on the daemon, and its history is complete when the daemon is back.

Shown by difference: the same 40 scripted calls, once with the daemon alive and once with it killed (-9) and restarted
at random instants, give the same history call by call; and the database of the killed daemon equals, to the
millisecond, what a fresh reading of the same journals gives.
"""

import random
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ramal.store import migrations
from ramal.store.db import open_writer
from ramal.store.ingest import Ingest
from tests.system import agents, box
from tests.system.box import TestBox
from tests.system.sipp import Caller
from tests.until import until

pytestmark = pytest.mark.system

SALES, SHORT, MENU = "+551133330001", "+551133330005", "+551133330000"
MESSAGE, CLOSED, NOBODY, UNKNOWN = "+551133330002", "+551133330003", "+551133330004", "+551144440000"


def waves() -> Iterator[tuple[bool, list[Caller]]]:
    """(agents answer, callers) ten times: 40 calls whose outcome no other call can change."""
    number = 0

    def caller(to: str, **more: Any) -> Caller:
        nonlocal number
        number += 1
        return Caller(to, f"+55119100{number:05}", **more)

    for _ in range(6):
        yield (
            True,
            [
                caller(SALES, stay_ms=2500),
                caller(MENU, stay_ms=1200),
                caller(CLOSED, stay_ms=15_000),
                caller(UNKNOWN, answered=False),
            ],
        )
    for _ in range(2):
        yield (
            True,
            [
                caller(MENU, keys=((1500, "1"),), stay_ms=4000),
                caller(NOBODY, stay_ms=15_000),
                caller(MESSAGE, stay_ms=7500),
                caller(MENU, keys=((1200, "2"),), stay_ms=7000),
            ],
        )
    for _ in range(2):
        yield (
            False,
            [
                caller(SHORT, stay_ms=15_000),
                caller(CLOSED, stay_ms=2000),
                caller(MENU, keys=((1200, "9"),), stay_ms=2500),
                caller(UNKNOWN, answered=False),
            ],
        )


def play(running: TestBox) -> None:
    """All 40 calls; the agents are real phones."""
    with agents.logged_in(running, "201") as desk:
        for answers, callers in waves():
            desk.policy = agents.ANSWER if answers else agents.IGNORE
            for caller in callers:
                running.call(caller)
            running.wait_for_callers()
        agents.dial_code(running, desk, "*46")


@contextmanager
def killed_again_and_again(running: TestBox, seed: int) -> Iterator[list[float]]:
    """kill -9 and restart of the daemon at random instants while the block runs; the list holds the lives' lengths."""
    dice, stop, lives = random.Random(seed), threading.Event(), []

    def work() -> None:
        while not stop.wait(life_s := dice.uniform(0.4, 4.0)):
            running.kill_daemon()
            lives.append(life_s)
            if stop.wait(dice.uniform(0.0, 1.5)):
                break
            running.start_daemon()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield lives
    finally:
        stop.set()
        thread.join(60)
        if running.daemon is None:
            running.start_daemon()


def story(running: TestBox) -> dict[str, tuple[object, ...]]:
    """By caller, everything about a call that two runs must have in common."""
    told: dict[str, tuple[object, ...]] = {}
    for row in running.ended_calls(40, 30):
        detail = until(lambda row=row: _finished(running, row["id"]), 20, f"the recordings of {row['id']}")
        told[row["caller"]] = (
            *(row[name] for name in ("category", "line", "number", "menu", "queue", "agent", "phone", "hangup_by")),
            row["missed"],
            row["has_message"],
            # Sorted: which of two steps of one millisecond comes first is luck (a ring that ends at the wait limit).
            sorted((step.kind, step.who) for step in detail.steps),
            tuple((recording.kind, recording.state) for recording in detail.recordings),
        )
    return told


def _finished(running: TestBox, call_id: str) -> Any:
    detail = running.detail(call_id)
    return None if any(recording.state == "writing" for recording in detail.recordings) else detail


def dump(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Calls, stays and agents' events, without the keys that depend on the order of arrival."""
    calls = "SELECT id, direction, category, started_ms, ended_ms, caller, caller_name, menu, queue, agent, phone, "
    calls += "wait_ms, ring_ms, talk_ms, hangup_by, missed, has_message FROM call ORDER BY id"
    stays = "SELECT c.id, s.n, s.queue, s.joined_ms, s.left_ms, s.outcome, s.agent, s.wait_ms, s.talk_ms, s.missed "
    stays += "FROM queue_stay s JOIN call c ON c.key = s.call ORDER BY c.id, s.n"
    events = "SELECT at_ms, agent, queue, kind, detail FROM agent_event ORDER BY 1, 2, 3, 4"
    return {name: connection.execute(query).fetchall() for name, query in (("c", calls), ("s", stays), ("a", events))}


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ramal-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_the_same_calls_give_the_same_history_however_often_the_daemon_is_killed(folder: Path) -> None:
    with (
        box.running(folder / "a", box.office(), terse=True) as alive,
        box.running(folder / "b", box.office(), terse=True) as dying,
        ThreadPoolExecutor(1) as beside,
    ):
        playing = beside.submit(play, alive)
        with killed_again_and_again(dying, seed=20261122) as lives:
            play(dying)
        playing.result()
        undisturbed, disturbed = story(alive), story(dying)
        assert len(lives) >= 5
        until(
            lambda: not dying.rows("SELECT 1 FROM call WHERE ended_ms IS NULL"), 15, "the agent's last code ended too"
        )
        assert dying.stop_daemon() == 0
        with sqlite3.connect(dying.home.db) as connection:
            kept = dump(connection)
        afresh = open_writer(folder / "afresh" / "ramal.db")
        migrations.migrate(afresh)
        reader = Ingest(afresh, dying.home.asterisk_log)
        while reader.step(1 << 20):
            pass
        assert dump(afresh) == kept
        afresh.close()
    assert len(undisturbed) == 40
    assert sorted(undisturbed) == sorted(disturbed)
    for caller, told in undisturbed.items():
        for ours, theirs in zip(told, disturbed[caller], strict=True):
            assert ours == theirs, caller


def test_with_a_dead_daemon_agents_log_in_pause_answer_and_are_recorded(folder: Path) -> None:
    with box.running(folder, box.office(), daemon=False, terse=True) as running:
        with agents.phone(running, "201") as desk:
            agents.dial_code(running, desk, "*45")
            assert "agent-7" in agents.members(running, "sales")
            agents.dial_code(running, desk, "*47")
            assert "paused" in agents.members(running, "sales")
            agents.dial_code(running, desk, "*48")
            assert "paused" not in agents.members(running, "sales")
            desk.policy = agents.ANSWER
            running.call(Caller(SALES, "+5511920000001", stay_ms=3000))
            running.wait_for_callers()
            desk.policy = agents.IGNORE
            agents.dial_code(running, desk, "*46")
            assert "agent-7" not in agents.members(running, "sales")
            assert list(running.home.recordings.rglob("*.wav"))
        running.start_daemon()
        call = running.ended_calls(1)[0]
        assert (call["category"], call["agent"]) == ("answered", "7")
        kinds = [row["kind"] for row in running.rows("SELECT kind FROM agent_event WHERE queue = 'sales' ORDER BY id")]
        assert kinds == ["login", "pause", "resume", "logout"]


def test_asterisk_killed_in_a_call_ends_it_in_the_history_and_keeps_its_recording(folder: Path) -> None:
    with box.running(folder, box.office(), terse=True) as running, agents.logged_in(running, "201"):
        caller = running.call(Caller(SALES, "+5511920000002", stay_ms=60_000))
        until(lambda: list(running.home.recordings.rglob("*.wav")), 15, "the recording began")
        wav = next(running.home.recordings.rglob("*.wav"))
        until(lambda: wav.stat().st_size > 40_000, 20, "some seconds are on the disk")
        running.kill_asterisk()
        caller.kill()
        for _, process in running.callers:
            process.kill()
            process.wait(10)
        running.callers.clear()
        running.start()
        until(lambda: running.control("live")["asterisk"]["up"], 30, "the daemon found Asterisk again")
        call = until(
            lambda: running.rows("SELECT * FROM call WHERE caller = ? AND ended_ms IS NOT NULL", "+5511920000002"),
            20,
            "the cut call ended in the history",
        )[0]
        assert call["category"] == "answered"
        assert call["hangup_by"] == "system"
        detail = until(lambda: _finished(running, call["id"]), 20, "its recording is closed")
        kept = detail.recordings[0]
        assert (kept.duration_ms or 0) > 2000
        assert kept.sha256
        until(lambda: "agent-7" in agents.members(running, "sales"), 10, "the agent is still logged in")
