"""One thread writes; a failing job changes nothing; what was acknowledged is on the disk."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.errors import RamalError
from ramal.store.db import PAGE_BYTES, DatabaseUnusable, open_reader, open_writer, transaction
from ramal.store.writer import Writer, WriterStopped


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db" / "ramal.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    one = Writer(path)
    yield one
    one.stop()


def audit(db: sqlite3.Connection, what: str) -> int:
    return db.execute("INSERT INTO audit (at_ms, who, what, detail) VALUES (1, 'x', ?, '')", (what,)).rowcount


def audited(db: sqlite3.Connection) -> list[str]:
    return [what for (what,) in db.execute("SELECT what FROM audit ORDER BY id")]


def test_a_new_database_has_small_pages_and_an_old_one_keeps_its_own(path: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA page_size=4096")
        db.execute("CREATE TABLE kept (n INTEGER)")
    for file, page_bytes in ((path, PAGE_BYTES), (old, 4096)):
        with contextlib.closing(open_writer(file)) as db:
            assert db.execute("PRAGMA page_size").fetchone() == (page_bytes,)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_jobs_run_in_order_on_one_thread_and_give_their_results(writer: Writer) -> None:
    threads = [writer.submit(lambda db: threading.get_ident()) for _ in range(3)]
    results = [writer.submit(lambda db, n=n: audit(db, str(n)) * n) for n in range(20)]
    assert [future.result(10) for future in results] == list(range(20))
    assert len({future.result(10) for future in threads}) == 1
    assert writer.submit(audited).result(10) == [str(n) for n in range(20)]


def test_a_failing_job_changes_nothing_and_the_next_one_works(writer: Writer) -> None:
    def half(db: sqlite3.Connection) -> None:
        audit(db, "half")
        raise RamalError("no")

    with pytest.raises(RamalError, match="no"):
        writer.submit(half).result(10)
    with pytest.raises(sqlite3.Error):
        writer.submit(lambda db: audit(db, "x") and db.execute("SELECT nonsense")).result(10)
    assert writer.submit(audited).result(10) == []


def test_a_rebuildable_job_makes_its_own_transactions_and_is_rolled_back_when_it_leaves_one_open(
    writer: Writer,
) -> None:
    def two(db: sqlite3.Connection) -> None:
        with transaction(db):
            audit(db, "first")
        db.execute("BEGIN")
        audit(db, "second")
        raise OSError("the disk is gone")

    def forgetful(db: sqlite3.Connection) -> None:
        db.execute("BEGIN")
        audit(db, "third")

    with pytest.raises(OSError, match="gone"):
        writer.submit_rebuildable(two).result(10)
    with pytest.raises(RuntimeError, match="transaction open"):
        writer.submit_rebuildable(forgetful).result(10)
    assert writer.submit(audited).result(10) == ["first"]


def test_an_acknowledged_write_waits_for_the_disk_and_a_rebuildable_one_does_not(writer: Writer) -> None:
    def level(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA synchronous").fetchone()[0])

    normal, full = 1, 2
    assert writer.submit(level).result(10) == full
    assert writer.submit_rebuildable(level).result(10) == normal
    assert writer.submit(level).result(10) == full


def test_a_transaction_inside_a_job_is_a_part_of_it(writer: Writer) -> None:
    def job(db: sqlite3.Connection) -> None:
        audit(db, "outer")
        with contextlib.suppress(ValueError), transaction(db):
            audit(db, "inner")
            raise ValueError
        with transaction(db):
            audit(db, "kept")

    writer.submit(job).result(10)
    assert writer.submit(audited).result(10) == ["outer", "kept"]


def test_stopping_finishes_what_was_submitted_and_refuses_the_rest(path: Path) -> None:
    writer = Writer(path)
    done = [writer.submit(lambda db, n=n: audit(db, str(n))) for n in range(200)]
    writer.stop()
    assert all(future.result(0) == 1 for future in done)
    with pytest.raises(WriterStopped):
        writer.submit(audited)
    writer.stop()
    reader = open_reader(path)
    assert len(audited(reader)) == 200
    reader.close()


def test_a_reader_sees_committed_rows_and_cannot_write(writer: Writer, path: Path) -> None:
    writer.submit(lambda db: audit(db, "seen")).result(10)
    reader = open_reader(path)
    assert audited(reader) == ["seen"]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        audit(reader, "never")
    reader.close()


def test_readers_do_not_wait_for_a_write_in_progress(writer: Writer, path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        audit(db, "slow")
        inside.set()
        assert go_on.wait(10)

    future = writer.submit(slow)
    assert inside.wait(10)
    reader = open_reader(path)
    assert audited(reader) == []
    go_on.set()
    future.result(10)
    assert audited(reader) == ["slow"]
    reader.close()


def test_a_file_that_is_no_database_is_a_sentence(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(DatabaseUnusable, match="Calls go on"):
        Writer(path)
    with pytest.raises(DatabaseUnusable, match="Calls go on"):
        open_reader(path)


def test_a_missing_database_is_a_sentence_for_a_reader(path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="no database"):
        open_reader(path)


def test_the_files_belong_to_the_group_and_to_nobody_else(writer: Writer, path: Path) -> None:
    writer.submit(lambda db: audit(db, "x")).result(10)
    modes = {file.name: oct(file.stat().st_mode & 0o7777) for file in path.parent.iterdir()}
    assert modes == {"ramal.db": "0o660", "ramal.db-wal": "0o660", "ramal.db-shm": "0o660"}
    assert oct(path.parent.stat().st_mode & 0o7777) == "0o2770"
