"""The forecast out of the history as the database holds it, and the switch that is written for Asterisk."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ramal.ami.codec import Message
from ramal.box.home import Home
from ramal.core.events import AmiDown, AmiUp, OfficeLoaded
from ramal.core.forecast import bands, learn
from ramal.core.history import SEQUENCES
from ramal.core.office import Queue
from ramal.core.state import State
from ramal.core.step import step
from ramal.ops.forecast import VALID_S, forecast, subject
from ramal.ops.means import Means
from ramal.store.db import open_writer
from ramal.store.migrations import migrate
from tests.core import moments, waits

T0_S = 1_763_700_000
QUEUE = Queue("sales", wrap_up_s=8)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Three days of a queue with changing agents, as ingest would have kept them."""
    connection = open_writer(tmp_path / "ramal.db")
    migrate(connection)
    came, agents = waits.days(waits.SCENARIOS["agents come and go"], 3, seed=5)
    for n, caller in enumerate(came):
        stay = caller.stay
        key = (T0_S + int(stay.joined_s)) * SEQUENCES + n % SEQUENCES
        joined_ms, left_ms = (round(1000 * (T0_S + at_s)) for at_s in (stay.joined_s, stay.left_s))
        connection.execute(
            "INSERT INTO call (key, id, direction, started_ms, line, number, caller, caller_name, menu, queue, agent,"
            " phone, hangup_by, missed, has_message) VALUES (?, ?, 'in', ?, '', '', '', '', '', '', '', '', '', '', 0)",
            (key, f"c{n}", joined_ms),
        )
        talk_ms = round(1000 * (stay.busy_until_s - stay.left_s - 8)) if stay.answered else None
        connection.execute(
            "INSERT INTO queue_stay (call, n, queue, joined_ms, left_ms, outcome, agent, talk_ms, missed)"
            " VALUES (?, 0, 'sales', ?, ?, ?, '', ?, '')",
            (key, joined_ms, left_ms, "answered" if stay.answered else "abandoned", talk_ms),
        )
    here = 0
    for at_s, count in agents:
        for code in range(min(here, count), max(here, count)):
            connection.execute(
                "INSERT INTO agent_event (at_ms, agent, queue, kind, detail) VALUES (?, ?, 'sales', ?, '')",
                (round(1000 * (T0_S + at_s)), str(code), "login" if count > here else "logout"),
            )
        here = count
    yield connection
    connection.close()


NOW_MS = 1000 * (T0_S + 3 * 86_400)


def test_the_database_gives_what_the_days_themselves_give(db: sqlite3.Connection) -> None:
    came, agents = waits.days(waits.SCENARIOS["agents come and go"], 3, seed=5)
    straight = bands(learn([caller.stay for caller in came][-900:], agents), 3)
    known = forecast(db, QUEUE, 3, NOW_MS)
    assert len(known) >= 5
    for one, other in zip(known[:5], straight[:5], strict=True):
        assert one.low_s == pytest.approx(other.low_s, rel=0.05)
        assert one.high_s == pytest.approx(other.high_s, rel=0.05)


def test_a_queue_without_a_past_has_no_forecast(db: sqlite3.Connection) -> None:
    assert forecast(db, replace(QUEUE, name="support"), 3, NOW_MS) == ()


def test_each_minute_asterisk_is_told_how_long_and_until_when(db: sqlite3.Connection, tmp_path: Path) -> None:
    told: list[tuple[str, dict[str, str]]] = []

    def ask(action: str, headers: Any = (), variables: Any = (), *, action_id: str = "") -> Message:
        told.append((action, dict(headers)))
        return Message((("Response", "Success"),))

    def up(*members: Any) -> State:
        state, _ = step(State(), OfficeLoaded(moments.OFFICE), NOW_MS)
        return step(state, AmiUp(members, (), ()), NOW_MS)[0]

    states = [up(moments.member("7"), moments.member("8", paused=True))]
    means = Means(
        home=Home(tmp_path),
        write=lambda job: job(db),
        write_soon=lambda job: job(db),
        read=lambda job: job(db),
        work=lambda job: job(),
        ask=ask,
        ask_list=lambda *a, **k: (ask("none"), []),
        say=lambda *a, **k: None,
        tell=lambda event: None,
        office=lambda: states[0].office,
        state=lambda: states[0],
        clock_ms=lambda: NOW_MS,
    )
    made = subject(means)
    made.now_and_then()
    ((action, headers),) = told
    assert (action, headers["Family"], headers["Key"]) == ("DBPut", "ramal-wait", "sales")
    until, _, rest = headers["Val"].partition("|")
    assert int(until) == NOW_MS // 1000 + VALID_S
    low, high, typical = (int(word) for word in rest.split(",")[0].split("-"))
    assert low <= high
    assert 0 < typical <= 60 * high
    assert len(headers["Val"]) < 900  # AMI refuses longer lines than 1,024 bytes

    told.clear()
    states[0] = up()  # everybody went home
    made.now_and_then()
    states[0] = step(states[0], AmiDown("gone"), NOW_MS)[0]
    made.now_and_then()
    assert told == []
