"""The office in the database."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from ramal.core.office import Office
from ramal.store.db import open_writer, transaction
from ramal.store.migrations import migrate
from ramal.store.settings import SettingsUnreadable, load, save
from tests.core.offices import demo, offices


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "db" / "ramal.db")
    migrate(connection)
    yield connection
    connection.close()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(offices(), offices())
def test_a_saved_office_is_loaded_the_same(connection: sqlite3.Connection, one: Office, other: Office) -> None:
    for office in (one, other):
        save(connection, office)
        assert load(connection) == office
        assert save(connection, office) == 0


def test_an_office_that_did_not_change_is_not_made_anew(connection: sqlite3.Connection) -> None:
    save(connection, demo())
    assert load(connection) is load(connection)


def test_an_empty_database_has_no_office(connection: sqlite3.Connection) -> None:
    assert load(connection) is None


def test_only_what_changed_is_written(connection: sqlite3.Connection) -> None:
    office = demo()
    everything = save(connection, office)
    assert everything == 1 + 1 + 1 + 1 + 3 + 2 + 3 + 2 + 1  # two pauses, three agents, two queues …
    queue, other = office.queues
    changed = replace(office, queues=(replace(queue, max_wait_s=99), other), agents=office.agents[:2])
    assert save(connection, changed) == 2
    assert load(connection) == changed


def test_a_failure_in_the_middle_leaves_the_old_office(connection: sqlite3.Connection) -> None:
    office = demo()
    save(connection, office)
    connection.execute(
        "CREATE TRIGGER fail BEFORE INSERT ON setting WHEN NEW.kind = 'queue' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    changed = replace(office, name="Other", phones=(), queues=(replace(office.queues[0], title="x"), office.queues[1]))
    with pytest.raises(sqlite3.Error):
        save(connection, changed)
    assert load(connection) == office
    with transaction(connection):
        connection.execute("INSERT INTO setting VALUES ('note', 'kept', 0, '1')")
        with pytest.raises(sqlite3.Error):
            save(connection, changed)
    assert load(connection) == office
    assert connection.execute("SELECT count(*) FROM setting WHERE kind = 'note'").fetchone() == (1,)


def test_what_another_version_wrote_is_read_as_far_as_it_is_known(connection: sqlite3.Connection) -> None:
    office = demo()
    save(connection, office)
    connection.execute(
        "UPDATE setting SET body = json_remove(json_set(body, '$.colour', 'red'), '$.ring_s') WHERE key = 'vendas'"
    )
    loaded = load(connection)
    assert loaded is not None
    assert loaded.queues[0] == replace(office.queues[0], ring_s=15)


def test_a_damaged_row_is_told_by_its_name(connection: sqlite3.Connection) -> None:
    save(connection, demo())
    connection.execute("UPDATE setting SET body = '{' WHERE key = 'vendas'")
    with pytest.raises(SettingsUnreadable, match=r"queue “vendas”"):
        load(connection)
