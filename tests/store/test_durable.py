"""Running recordings are made to last while people talk, and only those."""

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from unittest import mock

from ramal.core.history import first_key
from ramal.store import migrations
from ramal.store.db import open_writer
from ramal.store.durable import Durable, make_last
from ramal.store.ledger import TAKES
from tests.until import until

START_MS = 1_795_000_000_000


def database(folder: Path) -> Path:
    """Two calls with a recording being written: one goes on, one has ended."""
    with closing(open_writer(folder / "db" / "ramal.db")) as db:
        migrations.migrate(db)
        for n, ended in ((0, None), (1, START_MS + 9000)):
            key = first_key(START_MS) + n
            category = None if ended is None else "answered"
            db.execute(
                "INSERT INTO call (key, id, direction, category, started_ms, ended_ms, line, number, caller,"
                " caller_name, menu, queue, agent, phone, hangup_by, missed, has_message)"
                " VALUES (?, ?, 'in', ?, ?, ?, '', '', '', '', '', '', '', '', '', '', 0)",
                (key, f"1795000000.{n}", category, START_MS, ended),
            )
            db.execute(
                "INSERT INTO recording (id, kind, path, started_ms, state) VALUES (?, 'talk', ?, ?, 'writing')",
                (key * TAKES, f"recordings/{n}.wav", START_MS),
            )
    return folder / "db" / "ramal.db"


def test_the_recording_of_a_running_call_is_made_to_last_again_and_again(tmp_path: Path) -> None:
    made: list[Path] = []
    durable = Durable(database(tmp_path), tmp_path, every_s=0.01, last=made.extend)
    durable.start()
    try:
        until(lambda: len(made) >= 3, 5, "three rounds")
    finally:
        durable.stop()
    assert set(made) == {tmp_path / "recordings" / "0.wav"}


def test_a_file_that_asterisk_has_not_begun_yet_disturbs_nothing(tmp_path: Path) -> None:
    tried: list[Path] = []

    def last(files: Iterable[Path]) -> None:
        tried.extend(files)
        make_last(tried[-1:])

    durable = Durable(database(tmp_path), tmp_path, every_s=0.01, last=last)
    durable.start()
    try:
        until(lambda: len(tried) >= 2, 5, "it goes on trying")
        (tmp_path / "recordings").mkdir()
        (tmp_path / "recordings" / "0.wav").write_bytes(b"RIFF")
        count = len(tried)
        until(lambda: len(tried) >= count + 2, 5, "and a file that is there now is made to last")
    finally:
        durable.stop()


def test_of_several_files_every_one_is_made_to_last_and_one_that_is_missing_is_left_out(tmp_path: Path) -> None:
    there = [tmp_path / "0.wav", tmp_path / "1.wav"]
    for file in there:
        file.write_bytes(b"RIFF" * 5000)
    before = set(os.listdir("/proc/self/fd"))
    with mock.patch("os.fdatasync", side_effect=os.fdatasync) as synced:
        make_last([*there, tmp_path / "2.wav"])
    assert synced.call_count == len(there)
    assert set(os.listdir("/proc/self/fd")) == before, "none is left open"
    assert all(file.read_bytes() == b"RIFF" * 5000 for file in there)
