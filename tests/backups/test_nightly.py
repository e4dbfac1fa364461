"""The thread: when it makes one, compares it, copies it elsewhere, what it removes, and what it tells."""

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ramal.control.protocol import Request
from ramal.core import warnings
from ramal.core.backups import DAY_MS, name_of
from ramal.core.events import ConditionSeen
from ramal.core.office import Backup, Copy, Office
from ramal.core.state import Asterisk, State
from ramal.ops.backups import Backups
from ramal.ops.means import Means
from ramal.store import backups as rows
from ramal.store.backups import BackupPicture
from ramal.store.db import open_reader
from ramal.store.writer import Writer
from ramal.vault import backup_keys
from ramal.vault.backup_file import open_backup
from tests.backups.grown import AT_MS, grown
from tests.copies.servers import Server
from tests.web.box import Box, demo_office


@dataclass
class Night:
    """A grown home and the thread's rounds, one by one; the clock and the load are the test's."""

    box: Box
    writer: Writer
    office: Office
    now_ms: int = AT_MS
    seconds: float = 0.0
    load: float = 0.0
    told: dict[str, ConditionSeen] = field(default_factory=dict)

    def keeper(self) -> Backups:
        return Backups(self.means(), load=lambda: self.load, clock=lambda: self.seconds)

    def means(self) -> Means:
        def nothing(*_: Any, **__: Any) -> Any:
            raise AssertionError("backups do not need this")

        def tell(event: Any) -> None:
            self.told[event.code] = event

        return Means(
            home=self.box.home,
            write=self.writer.submit,
            write_soon=self.writer.submit_rebuildable,
            read=self.read,
            work=nothing,
            ask=nothing,
            ask_list=nothing,
            say=nothing,
            tell=tell,
            office=lambda: self.office,
            state=self.state,
            clock_ms=lambda: self.now_ms,
            tick_s=0.05,
        )

    def state(self) -> State:
        held = {code: warnings.Warned(code, 1) for code, event in self.told.items() if event.holds}
        return State(asterisk=Asterisk(up=True), warnings=held)

    def read(self, job: Any) -> Any:
        with closing(open_reader(self.box.home.db)) as db:
            return job(db)

    def picture(self) -> BackupPicture:
        found: BackupPicture = self.read(rows.backups)
        return found

    def warned(self) -> set[str]:
        return {code for code, event in self.told.items() if event.holds}

    def lying(self) -> list[str]:
        folder = self.box.home.backups
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    box = grown(tmp_path / "one" / "home", calls=2)
    box.sql("UPDATE user SET created_ms = ?", AT_MS - DAY_MS // 2)
    one = Night(box, Writer(box.home.db), demo_office())
    yield one
    one.writer.stop()


def work(keeper: Backups, rounds: int = 20) -> int:
    """Rounds until nothing is left to be done."""
    done = 0
    while keeper.round():
        done += 1
        assert done < rounds
    return done


def test_once_a_night_one_is_made_and_compared(night: Night) -> None:
    keeper = night.keeper()
    assert work(keeper) == 1
    (one,) = night.picture().latest
    assert (one.kind, one.verdict, one.reason, one.amiss) == ("night", "equal", "", "")
    assert one.tables >= 58
    assert one.files >= 10
    assert night.lying() == [one.name], "the scratch home stays"
    assert one.bytes == (night.box.home.backups / one.name).stat().st_size
    assert night.warned() == set()
    night.now_ms += DAY_MS // 4
    assert work(keeper) == 0


def test_a_new_box_waits_for_its_first_night(night: Night) -> None:
    night.box.sql("UPDATE user SET created_ms = ?", AT_MS)
    assert work(night.keeper()) == 0
    assert night.lying() == []


def test_without_an_office_there_is_nothing_to_back_up(night: Night) -> None:
    night.office = Office("")
    keeper = night.keeper()
    assert work(keeper) == 0
    with pytest.raises(Exception, match="nothing to back up"):
        keeper.ask()


def test_while_the_box_is_loaded_none_is_made_but_who_asks_gets_one(night: Night) -> None:
    night.load = 50.0
    keeper = night.keeper()
    assert work(keeper) == 0
    assert keeper.told()["waiting"]
    keeper.ask()
    assert work(keeper) == 1
    assert [one.kind for one in night.picture().latest] == ["now"]
    assert not keeper.told()["asked"]


def test_one_that_was_cut_off_before_it_was_compared_is_compared(night: Night) -> None:
    keeper = night.keeper()
    work(keeper)
    night.box.sql("UPDATE backup SET verdict = '', checked_ms = NULL")
    (night.box.home.backups / ".check").mkdir()  # half a scratch home
    assert work(night.keeper()) == 1
    assert night.picture().latest[0].verdict == "equal"
    assert len(night.lying()) == 1


def test_a_file_that_was_damaged_is_found_and_told(night: Night) -> None:
    work(night.keeper())
    one = night.picture().latest[0]
    file = night.box.home.backups / one.name
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    night.box.sql("UPDATE backup SET verdict = '', checked_ms = NULL")
    work(night.keeper())
    (one,) = night.picture().latest
    assert (one.verdict, one.reason) == ("failed", "damaged")
    assert "not as it was written" in one.amiss
    assert night.warned() == {warnings.BACKUP_FAILED}
    assert night.told[warnings.BACKUP_FAILED].args == (("reason", "damaged"),)


def test_rows_that_do_not_come_back_are_found(night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A restore that loses rows and changes one."""
    from ramal.store import table_rows
    from ramal.vault import backup_stage, backup_work

    work(night.keeper())
    fill = table_rows.fill

    def forgetful(db: Any, *rest: Any) -> None:
        fill(db, *rest)
        db.execute("DELETE FROM held")
        db.execute("UPDATE user SET role = 'owner' WHERE name = 'ana'")

    monkeypatch.setattr(backup_stage.table_rows, "fill", forgetful)
    file = night.box.home.backups / night.lying()[0]
    found = backup_work.checked(night.box.home, file, tmp_path / "scratch")
    assert found.amiss[0].startswith("The table held has 0 rows, not ")
    assert "The rows of the table user came back changed." in found.amiss
    assert not (tmp_path / "scratch").exists()


def test_a_table_that_backups_overlook_is_found(night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ramal.store import table_rows
    from ramal.vault import backup_work

    tables = table_rows.tables
    monkeypatch.setattr(table_rows, "tables", lambda db: [one for one in tables(db) if one != "contact"])
    made = backup_work.made(night.box.home, tmp_path / "b", AT_MS)
    found = backup_work.checked(night.box.home, made.path, tmp_path / "scratch")
    assert found.amiss == ("The table contact is not in the backup.",)


def test_a_folder_that_cannot_be_written_is_told_and_tried_again_later(night: Night) -> None:
    folder = night.box.home.backups
    folder.parent.mkdir(exist_ok=True)
    folder.touch()
    keeper = night.keeper()
    keeper.round()
    assert [one.reason for one in night.picture().latest] == ["no-write"]
    assert night.warned() == {warnings.BACKUP_FAILED}
    assert work(keeper) == 0, "it waits before it tries again"
    folder.unlink()
    night.seconds += 301
    assert work(keeper) == 1
    assert night.warned() == set()
    assert night.picture().latest[0].verdict == "equal"


def test_after_two_days_without_a_good_one_people_are_told(night: Night) -> None:
    keeper = night.keeper()
    work(keeper)
    night.box.home.backup_key.write_text("damaged")
    night.now_ms += 3 * DAY_MS
    keeper.round()
    assert night.warned() == {warnings.BACKUP_LATE, warnings.BACKUP_FAILED}
    late = night.told[warnings.BACKUP_LATE].args
    assert late[0][0] == "days"
    assert int(late[0][1]) in (2, 3)
    assert night.picture().latest[0].reason == "no-key"


def test_old_ones_go_and_files_of_others_stay(night: Night) -> None:
    folder = night.box.home.backups
    folder.mkdir()
    now_ms = time.time_ns() // 1_000_000  # as the new one is named
    old = [name_of(now_ms - age * DAY_MS) for age in range(1, 60)]
    for name in old:
        (folder / name).write_bytes(b"old")
    (folder / "notes.txt").touch()
    # Eight days reach into the week before on every day of the week, and never into the one before that.
    night.office = replace(night.office, backup=(Backup(days=8, weeks=3, months=1),))
    work(night.keeper())
    lying = night.lying()
    assert len(lying) == 1 + 8 + 1
    assert "notes.txt" in lying
    assert set(old[:7]) < set(lying)


def test_what_somebody_removed_is_known_to_be_gone_until_it_is_back(night: Night, tmp_path: Path) -> None:
    keeper = night.keeper()
    work(keeper)
    file = night.box.home.backups / night.lying()[0]
    file.rename(tmp_path / "aside")
    keeper.round()
    assert night.picture().latest[0].gone_ms is not None
    (tmp_path / "aside").rename(file)
    keeper.round()
    assert night.picture().latest[0].gone_ms is None


# -- other places ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stick() -> Iterator[Path]:
    """A folder on another disk: the memory file system that every Linux mounts."""
    path = Path("/dev/shm") / f"ramal-test-{os.getpid()}" / "ramal"
    if path.parent.parent.stat().st_dev in (os.stat("/").st_dev, os.stat("/tmp").st_dev):
        pytest.skip("/dev/shm is no disk of its own here")
    yield path
    shutil.rmtree(path.parent, ignore_errors=True)


def test_a_stick_gets_every_backup_and_loses_old_ones(night: Night, stick: Path) -> None:
    night.office = replace(night.office, backup=(Backup(stick=str(stick), days=1, weeks=0, months=0),))
    stick.mkdir(parents=True)
    (stick / name_of(AT_MS - 9 * DAY_MS)).write_bytes(b"old")
    (stick / "photo.jpg").touch()
    keeper = night.keeper()
    assert work(keeper) == 2
    name = night.lying()[0]
    assert sorted(path.name for path in stick.iterdir()) == ["photo.jpg", name]
    assert (stick / name).read_bytes() == (night.box.home.backups / name).read_bytes()
    assert night.picture().places == {name: ("stick",)}
    assert night.warned() == set()
    (stick / name).unlink()  # another stick was plugged in
    assert work(keeper) == 1
    assert (stick / name).exists()


def test_the_stick_of_who_asked_does_not_wait_for_a_calm_box(night: Night, stick: Path) -> None:
    night.office = replace(night.office, backup=(Backup(stick=str(stick)),))
    stick.mkdir(parents=True)
    night.load = 50.0
    keeper = night.keeper()
    keeper.ask()
    assert work(keeper) == 2
    assert [path.name for path in stick.iterdir()] == list(night.lying())


def test_a_stick_loses_none_while_nobody_knows_what_day_it_is(night: Night, stick: Path) -> None:
    night.office = replace(night.office, backup=(Backup(stick=str(stick), days=1, weeks=0, months=0),))
    stick.mkdir(parents=True)
    old = stick / name_of(AT_MS - 9 * DAY_MS)
    old.write_bytes(b"old")
    keeper = Backups(replace(night.means(), trusted=lambda: False), load=lambda: 0.0, clock=lambda: night.seconds)
    work(keeper)
    assert night.lying()[0] in {path.name for path in stick.iterdir()}
    assert old.exists()


def test_a_stick_that_is_not_there_is_told_and_the_box_is_not_filled_instead(night: Night, tmp_path: Path) -> None:
    night.office = replace(night.office, backup=(Backup(stick=str(tmp_path / "media" / "stick")),))
    keeper = night.keeper()
    work(keeper)
    assert not (tmp_path / "media").exists()
    assert night.warned() == {warnings.BACKUP_AWAY}
    assert night.told[warnings.BACKUP_AWAY].args == (("place", "stick"), ("reason", "no-stick"))
    assert keeper.told()["away"] == {"stick": "no-stick"}
    assert night.picture().latest[0].verdict == "equal"


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[Server]:
    one = Server("sftp", tmp_path / "sftp").start()
    yield one
    one.stop()


def test_the_place_of_the_recordings_copies_gets_it_too(night: Night, sftp: Server) -> None:
    copy: Copy = sftp.copy()
    night.office = replace(night.office, copy=(copy,), backup=(Backup(off_box=True, days=1, weeks=0, months=0),))
    keeper = night.keeper()
    assert work(keeper) == 2
    first = night.lying()[0]
    there = {path.name: path.read_bytes() for path in sftp.root.rglob("*.ramal-backup")}
    assert there == {first: (night.box.home.backups / first).read_bytes()}
    night.now_ms += DAY_MS
    keeper.ask()
    assert work(keeper) == 2
    second = night.picture().latest[0].name
    # The worker names a backup by the machine's own clock, so both are of this minute: only the newest day is kept.
    assert {path.name for path in sftp.root.rglob("*.ramal-backup")} == {second}
    assert night.picture().places.get(second) == ("far",)
    sftp.stop()
    keeper.ask()
    work(keeper)
    assert night.warned() == {warnings.BACKUP_AWAY}


# -- the code ----------------------------------------------------------------------------------------------------------


def answer(future: "Future[Any] | Any") -> Any:
    return future.result(20) if isinstance(future, Future) else future


def test_the_code_is_told_noted_and_written_down_who_saw_it(night: Night) -> None:
    keeper = night.keeper()
    told = answer(keeper.code(Request("1", "backups.code", {"who": "ana"})))
    assert told["noted_ms"] == 0
    answer(keeper.noted(Request("2", "backups.noted", {"who": "ana"})))
    assert answer(keeper.code(Request("3", "backups.code", {"who": "ana"})))["noted_ms"] == night.now_ms
    work(keeper)
    key = backup_keys.load(night.box.home)[-1].recipe.key(told["code"])
    open_backup(night.box.home.backups / night.lying()[0], [key]).close()
    seen = night.read(lambda db: db.execute("SELECT who, what FROM audit ORDER BY id DESC LIMIT 3").fetchall())
    assert seen == [("ana", "backups.code"), ("ana", "backups.noted"), ("ana", "backups.code")]
