"""A caller's past and the notes on calls: what is shown while a phone rings."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.core.history import call_key
from ramal.store import notes
from ramal.store.callers import calls_before, calls_since, last_of_agent
from ramal.store.db import open_writer
from ramal.store.migrations import migrate

MARIA, ZE = "+5511987654321", "+5521912345678"
BEGAN_S = 1_795_000_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = open_writer(tmp_path / "ramal.db")
    migrate(made)
    for n in range(12):
        call(made, n, MARIA if n % 2 else ZE)
    call(made, 12, MARIA, direction="out")
    yield made
    made.close()


def call(db: sqlite3.Connection, n: int, other: str, direction: str = "in") -> None:
    at_s = BEGAN_S + n * 3600
    caller, number = (other, "+551133330000") if direction == "in" else ("201", other)
    category = "answered" if direction == "in" else "connected"
    db.execute(
        "INSERT INTO call VALUES"
        " (?, ?, ?, ?, ?, ?, '', ?, ?, '', '', 'vendas', '7', '201', 1, 1, 1, '', '', 0, '', '')",
        (call_key(f"{at_s}.{n}"), f"{at_s}.{n}", direction, category, at_s * 1000, at_s * 1000 + 9, number, caller),
    )


def call_id(n: int) -> str:
    return f"{BEGAN_S + n * 3600}.{n}"


def test_the_last_five_calls_of_one_number_are_from_and_to_it_and_not_the_one_that_rings(
    db: sqlite3.Connection,
) -> None:
    found = [one.call.id for one in calls_before(db, MARIA, call_id(11))]
    assert found == [call_id(n) for n in (12, 9, 7, 5, 3)]
    assert calls_before(db, "", call_id(11)) == []
    assert calls_since(db, MARIA, (BEGAN_S + 7 * 3600) * 1000) == 3
    assert calls_since(db, "", 0) == 0
    last = last_of_agent(db, "7")
    assert last is not None
    assert last.id == call_id(12)
    assert last_of_agent(db, "") is None


def test_a_note_comes_with_its_call_is_changed_in_place_and_taken_away_when_empty(db: sqlite3.Connection) -> None:
    notes.put(db, 5, "ana", call_id(9), "  first \r\n second\u202e\x07 ")
    notes.put(db, 6, "carla", call_id(9), "mine")
    notes.put(db, 7, "ana", call_id(9), "line one\nline two")
    (one,) = [one for one in calls_before(db, MARIA, call_id(11)) if one.notes]
    assert [(note.who, note.text) for note in one.notes] == [("carla", "mine"), ("ana", "line one\nline two")]
    notes.put(db, 8, "ana", call_id(9), "  ")
    notes.put(db, 8, "carla", call_id(9), "")
    assert not any(one.notes for one in calls_before(db, MARIA, call_id(11)))


def test_a_note_is_bounded_and_belongs_to_a_call(db: sqlite3.Connection) -> None:
    notes.put(db, 5, "ana", call_id(9), "é" * notes.NOTE_MAX)
    for bad_id, text in ((call_id(9), "x" * (notes.NOTE_MAX + 1)), ("x", "text"), ("1 OR 1", "text")):
        with pytest.raises(notes.NoNote):
            notes.put(db, 6, "ana", bad_id, text)
    assert db.execute("SELECT length(text) FROM call_note").fetchall() == [(notes.NOTE_MAX,)]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ("direction = 'in' AND caller <> '' AND caller = ?", "call_caller"),
        ("direction = 'out' AND number = ?", "call_called"),
    ],
)
def test_a_caller_is_found_by_an_index_among_a_million_calls(db: sqlite3.Connection, where: str, index: str) -> None:
    query = f"EXPLAIN QUERY PLAN SELECT 1 FROM call WHERE {where} AND key <> 5 ORDER BY key DESC"
    plan = " ".join(str(row[3]) for row in db.execute(query, (MARIA,)))
    assert index in plan
    assert "TEMP B-TREE" not in plan
