"""Do not disturb and forwarding, which only Asterisk's database knows, go into a backup and come back before calls."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box import first
from ramal.box.home import Home
from ramal.box.restore import restore
from ramal.vault import switches
from ramal.vault.backup_file import open_backup
from ramal.vault.backup_stage import RESTORED
from tests.backups.grown import AT_MS, backup, grown, keys_of

MADE = "CREATE TABLE astdb(key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key))"
SET = {"/ramal-dnd/201": "1", "/ramal-forward/202": "+5511999990000"}
PASSING = {
    "/ramal-phone/201": "1",
    "/registrar/contact/201": "{}",
    "/ramal-forward/203": "${SHELL(rm)}",
    "/ramal-dnd/x": "1",
}


def asterisks(lib: Path, rows: dict[str, str]) -> None:
    lib.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(lib / switches.FILE)) as db, db:
        db.execute(MADE)
        db.executemany("INSERT INTO astdb VALUES (?, ?)", rows.items())


def known(lib: Path) -> dict[str, str]:
    with closing(sqlite3.connect(lib / switches.FILE)) as db:
        return dict(db.execute("SELECT key, value FROM astdb"))


def test_on_other_hardware_phones_forward_and_are_silent_as_before(tmp_path: Path) -> None:
    box = grown(tmp_path / "one" / "home")
    try:
        asterisks(box.home.asterisk_lib, SET | PASSING)
        made = backup(box, tmp_path / "backups")
        other = Home(tmp_path / "two" / "home")
        with closing(open_backup(made.path, keys_of(box))) as reader:
            assert restore(reader, other, made.path.name, AT_MS).comparison.equal
    finally:
        box.close()
    assert first.run(other, other.root / "nowhere", say=lambda _: None) in (0, 1)
    assert known(other.asterisk_lib) == SET, "and nothing of the moment"
    assert not (other.root / RESTORED / switches.PART).exists()


def test_what_was_set_since_stays(tmp_path: Path) -> None:
    restored, lib = tmp_path / "restored", tmp_path / "lib"
    restored.mkdir()
    (restored / switches.PART).write_text(json.dumps(SET))
    asterisks(lib, {"/ramal-forward/202": "300"})
    assert switches.put_back(restored, lib) == 1
    assert known(lib) == SET | {"/ramal-forward/202": "300"}
    assert switches.put_back(restored, lib) == 0


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', json.dumps(PASSING), json.dumps({"/ramal-dnd/201": 1})])
def test_what_a_phone_cannot_set_is_left_away(tmp_path: Path, text: str) -> None:
    (tmp_path / switches.PART).write_text(text)
    assert switches.put_back(tmp_path, tmp_path / "lib") == 0
    assert not (tmp_path / switches.PART).exists()


def test_a_box_that_never_called_has_none(tmp_path: Path) -> None:
    assert switches.kept(tmp_path) == b""
    (tmp_path / switches.FILE).write_bytes(b"no database at all" * 100)
    assert switches.kept(tmp_path) == b""
