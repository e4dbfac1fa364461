"""The outbox: what is due, what waits behind what, and when it is given up."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core.alarm import Known
from ramal.store import notices
from ramal.store.db import open_writer
from ramal.store.migrations import migrate

NOW = 1_763_700_000_000
HOUR = 3_600_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = open_writer(tmp_path / "ramal.db")
    migrate(made)
    yield made
    made.close()


def targets(db: sqlite3.Connection, at_ms: int) -> list[tuple[str, object]]:
    return [(one.target, one.body["event"]) for one in notices.due(db, at_ms)]


def test_an_end_never_overtakes_its_beginning(db: sqlite3.Connection) -> None:
    notices.add(db, NOW, "late", [("mail", "a@x"), ("mail", "b@x")], {"event": "raised"})
    notices.add(db, NOW + 1, "late", [("mail", "a@x"), ("mail", "b@x")], {"event": "cleared"})
    assert targets(db, NOW + 1) == [("a@x", "raised"), ("b@x", "raised")]
    first, second = notices.due(db, NOW + 1)
    notices.sent(db, first.id, NOW + 1)
    assert notices.failed(db, second, NOW + 1, "down")
    assert targets(db, NOW + 2) == [("a@x", "cleared")]
    assert targets(db, NOW + 1 + notices.wait_ms(1)) == [("b@x", "raised"), ("a@x", "cleared")]


def test_what_fails_waits_longer_each_time_and_is_given_up_after_a_day(db: sqlite3.Connection) -> None:
    notices.add(db, NOW, "late", [("webhook", "http://x")], {"event": "raised"})
    at_ms, waits = NOW, []
    while found := notices.due(db, at_ms):
        (one,) = found
        assert len(waits) < 60
        if not notices.failed(db, one, at_ms, "down"):
            break
        (next_ms,) = db.execute("SELECT next_ms FROM notice").fetchone()
        waits.append(next_ms - at_ms)
        at_ms = next_ms
    assert waits[:4] == [10_000, 20_000, 40_000, 80_000]
    assert waits == sorted(waits)
    assert waits[-1] == HOUR
    assert 24 * HOUR <= at_ms - NOW < 25 * HOUR
    assert notices.listed(db)[0]["state"] == "given_up"
    assert notices.due(db, at_ms + 99 * HOUR) == []


def test_a_clock_that_was_set_back_stops_nothing(db: sqlite3.Connection) -> None:
    notices.add(db, NOW, "late", [("mail", "a@x")], {"event": "raised"})
    assert len(notices.due(db, NOW - 9000 * HOUR)) == 1


def test_a_notice_keeps_its_name_and_ended_ones_are_forgotten(db: sqlite3.Connection) -> None:
    notices.add(db, NOW, "late", [("mail", "a@x")], {"event": "raised"})
    (one,) = notices.due(db, NOW)
    notices.failed(db, one, NOW, "down")
    (again,) = notices.due(db, NOW + HOUR)
    assert again.name == one.name
    notices.sent(db, one.id, NOW + HOUR)
    notices.prune(db, NOW + 29 * 24 * HOUR)
    assert len(notices.listed(db)) == 1
    notices.prune(db, NOW + 32 * 24 * HOUR)
    assert notices.listed(db) == []
    notices.add(db, NOW, "late", [("mail", "a@x")], {"event": "raised"})
    assert notices.due(db, NOW)[0].name != one.name, "a name is never used twice"


def test_the_outbox_does_not_grow_without_end(db: sqlite3.Connection) -> None:
    for n in range(notices.WAITING_MAX + 50):
        notices.add(db, NOW + n, "late", [("mail", "a@x")], {"event": "raised"})
    assert len(notices.listed(db, 10_000)) == notices.WAITING_MAX


def test_how_alarms_stand_is_kept(db: sqlite3.Connection) -> None:
    notices.keep(db, "late", Known(NOW, True, NOW, 5))
    notices.keep(db, "crowd", Known(NOW))
    assert notices.known(db) == {"late": Known(NOW, True, NOW), "crowd": Known(NOW)}
    notices.keep(db, "late", Known(told_ms=NOW))
    notices.keep(db, "crowd", Known())
    assert notices.known(db) == {"late": Known(told_ms=NOW)}
    notices.keep(db, "late", None)
    assert notices.known(db) == {}
