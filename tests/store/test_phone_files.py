"""Who may fetch a phone's settings: windows, the first time, clocks that jump, and what is written down."""

import sqlite3
from pathlib import Path

import pytest

from ramal.store import migrations, phone_files
from ramal.store.db import open_writer
from ramal.store.phone_files import FRESH_MS, Visit, admit, know, open_until, records

NOW = 1_800_000_000_000
MAC = "001565AABBCC"


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    connection = open_writer(tmp_path / "ramal.db")
    migrations.migrate(connection)
    know(connection, {"201": MAC}, NOW)
    return connection


def visit(token: bool = False, mac: str = MAC, agent: str = "Yealink") -> Visit:
    return Visit("201", mac, token, "10.0.0.9", agent)


def audit(db: sqlite3.Connection) -> list[str]:
    return [what for (what,) in db.execute("SELECT what FROM audit ORDER BY id")]


@pytest.mark.parametrize(
    ("after_ms", "allowed"), [(0, True), (FRESH_MS - 1, True), (FRESH_MS, False), (-1, False), (-FRESH_MS, False)]
)
def test_a_fresh_phone_has_a_day_and_a_clock_set_back_opens_nothing(
    db: sqlite3.Connection, after_ms: int, allowed: bool
) -> None:
    assert admit(db, visit(), NOW + after_ms) is allowed
    assert not admit(db, visit(), NOW + after_ms)


@pytest.mark.parametrize(
    ("at_ms", "allowed"), [(0, True), (59_999, True), (60_000, False), (-FRESH_MS, False), (3 * FRESH_MS, False)]
)
def test_a_window_is_open_for_its_minutes_as_often_as_the_phone_asks(
    db: sqlite3.Connection, at_ms: int, allowed: bool
) -> None:
    open_until(db, "201", NOW + 60_000, NOW, "owner")
    assert [admit(db, visit(), NOW + at_ms) for _ in range(3)] == [allowed] * 3


def test_knowing_the_same_phones_again_opens_nothing_and_another_device_is_fresh(db: sqlite3.Connection) -> None:
    assert admit(db, visit(), NOW)
    know(db, {"201": MAC}, NOW + 1)
    assert not admit(db, visit(), NOW + 2)
    know(db, {"201": "000413922D24", "202": MAC}, NOW + 3)
    assert not admit(db, visit(), NOW + 4)  # the device is at 202 now
    assert admit(db, visit(mac="000413922D24"), NOW + 4)


def test_a_phone_that_is_gone_for_a_while_is_not_fresh_again(db: sqlite3.Connection) -> None:
    assert admit(db, visit(), NOW)
    know(db, {}, NOW + 1)  # the daemon starts, and has not read the office yet
    know(db, {"201": MAC}, NOW + 2)
    assert not admit(db, visit(), NOW + 3)
    assert list(records(db)) == ["201"]


def test_closing_takes_the_first_time_away_too(db: sqlite3.Connection) -> None:
    open_until(db, "201", 0, NOW, "owner")
    assert not admit(db, visit(), NOW)
    assert admit(db, visit(token=True), NOW)


def test_every_fetch_is_in_the_audit_and_refusals_once_a_minute(db: sqlite3.Connection) -> None:
    for second in (0, 1, 2, 59, 61, 62, 200):
        admit(db, visit(token=second == 2), NOW + FRESH_MS + second * 1000)
    assert audit(db) == ["phone.refused", "phone.fetched", "phone.refused", "phone.refused"]
    admit(db, visit(token=True, agent="evil\r\n\x1b[31m" + "x" * 1000), NOW)
    ((who, detail),) = db.execute("SELECT who, detail FROM audit ORDER BY id DESC LIMIT 1").fetchall()
    assert who == MAC
    assert detail.startswith("201 10.0.0.9 evil")
    assert detail.isprintable()
    assert len(detail) < 200
    assert phone_files.records(db)["201"].agent in detail
