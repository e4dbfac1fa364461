"""Root's part of putting a backup back: what is refused while calls go on, what is exchanged, what is told after."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramal.box.home import Home
from ramal.box.image import Image
from ramal.box.restoring import Restoring
from ramal.core import restoring
from ramal.core.restoring import Asked, Standing
from ramal.vault import backup_keys
from tests.backups.grown import AT_MS, backup, database, grown
from tests.box.test_reset import deep

UPLOAD = "0123456789abcdef" * 2 + ".ramal-backup"


class Machine:
    """An image's root: a new box in /data/ramal, and the backup of another one."""

    def __init__(self, root: Path) -> None:
        self.image, self.home = Image(root), Home(root / "data/ramal")
        for folder in ("run/ramal", "run/ramal-restore", "data/system", "data/ramal/updates"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.own = grown(self.home.root, calls=2)
        self.own.sql(
            "INSERT INTO user (name, role, password_hash, must_change, created_ms) VALUES ('new', 'agent', 'h', 0, 5)"
        )
        self.other = grown(root / "other" / "home", calls=7)
        self.code = backup_keys.load(self.other.home)[-1].code
        self.work = Restoring(self.image, self.home, lambda: AT_MS)

    def sent(self) -> None:
        """The other box's backup was sent to this one."""
        made = backup(self.other, self.image.root / "made")
        shutil.copy(made.path, self.image.updates / UPLOAD)

    def ask(self, act: restoring.Act = "restore", file: str = UPLOAD, code: str = "") -> bool:
        self.image.restore_request.write_text(restoring.asked_text(Asked(act, file, code, "owner", 5)))
        return self.work.check()

    @property
    def standing(self) -> Standing:
        return restoring.parse_standing(self.image.restore_standing.read_text())

    def close(self) -> None:
        self.own.close()
        self.other.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def users(box: Home) -> bytes:
    return b"".join(database(box.db)["user"])


def test_another_boxes_backup_takes_the_place_of_everything(machine: Machine) -> None:
    machine.sent()
    before = database(machine.own.home.db)
    assert machine.ask(code=machine.code)
    assert machine.standing.phase == "restoring"
    assert not machine.image.restore_request.exists(), "it held a code"
    assert machine.image.restore_go.stat().st_mode & 0o777 == 0o600
    assert database(machine.home.db) == before, "calls go on with the old home"
    assert machine.work.carry_out()
    assert b"new" not in users(machine.home)
    assert b"ana" in users(machine.home)
    standing = machine.standing
    assert standing.phase == "done"
    (name,) = standing.before
    assert database(machine.home.root.with_name(name) / "db/ramal.db") == before
    assert not machine.image.restore_go.exists()
    assert not list(machine.image.root.rglob(UPLOAD)), "what was sent is not needed again"
    assert not machine.work.carry_out(), "once"


def test_what_was_there_before_is_removed_when_asked_and_nothing_else(machine: Machine) -> None:
    machine.sent()
    assert machine.ask(code=machine.code)
    assert machine.work.carry_out()
    (machine.home.root.parent / "ramal.before-restore-of-mine").mkdir()
    kept = next((machine.home.recordings / "2026").rglob("*.sealed")).read_bytes()
    assert not machine.ask("forget", "")
    assert machine.standing == Standing("forgotten", at_ms=AT_MS)
    assert (machine.home.root.parent / "ramal.before-restore-of-mine").is_dir()
    assert next((machine.home.recordings / "2026").rglob("*.sealed")).read_bytes() == kept


def test_a_backup_of_this_box_opens_without_a_code(machine: Machine) -> None:
    made = backup(machine.own, machine.home.backups)
    machine.own.sql("DELETE FROM user WHERE name = 'new'")
    assert machine.ask(file=made.path.name)
    assert machine.work.carry_out()
    assert b"new" in users(machine.home)
    assert (machine.home.backups / made.path.name).is_file(), "only what was sent is dropped"


@pytest.mark.parametrize("code", ["", "abcd-2345"])
def test_a_wrong_code_is_refused_while_calls_go_on(machine: Machine, code: str) -> None:
    machine.sent()
    assert not machine.ask(code=code)
    assert (machine.standing.phase, machine.standing.code) == ("failed", "no-key")
    assert not machine.image.restore_go.exists(), "nothing is stopped"
    assert not (machine.image.updates / UPLOAD).exists()


@pytest.mark.parametrize("file", ["../../other/home/secrets/backup.key", "/etc/passwd", "ramal-2026.ramal-backup", ""])
def test_a_name_that_is_none_is_taken_away_and_nothing_follows(machine: Machine, file: str) -> None:
    assert not machine.ask(file=file)
    assert not machine.image.restore_request.exists()
    assert not machine.image.restore_standing.exists()


def test_a_link_is_followed_nowhere(machine: Machine) -> None:
    machine.sent()
    real = machine.image.root / "made" / "real"
    (machine.image.updates / UPLOAD).rename(real)
    (machine.image.updates / UPLOAD).symlink_to(real)
    assert not machine.ask(code=machine.code)
    assert machine.standing.code == "damaged"
    os.unlink(machine.image.restore_standing)
    (machine.image.root / "request").write_text(restoring.asked_text(Asked("forget", at_ms=5)))
    machine.image.restore_request.symlink_to(machine.image.root / "request")
    assert not machine.work.check()
    assert not machine.image.restore_standing.exists()


def test_what_breaks_between_the_look_and_the_exchange_leaves_the_old_home(machine: Machine) -> None:
    machine.sent()
    before = database(machine.home.db)
    assert machine.ask(code=machine.code)
    with (machine.image.updates / UPLOAD).open("r+b") as file:
        file.seek(-2000, os.SEEK_END)
        file.write(bytes(1000))
    assert not machine.work.carry_out()
    assert (machine.standing.phase, machine.standing.code) == ("failed", "damaged")
    assert database(machine.home.db) == before
    assert machine.standing.before == ()


def test_a_home_from_before_holds_no_recording_so_that_erasing_one_erases_it(machine: Machine) -> None:
    deep(machine.home.recordings, 1500)
    machine.sent()
    assert machine.ask(code=machine.code)
    assert machine.work.carry_out(), "no folder is too deep for it"
    beside = machine.home.root.parent
    (before,) = [path for path in beside.iterdir() if "before-restore" in path.name]
    assert not (before / "recordings").exists()
    recording = next((machine.home.recordings / "2026").rglob("*.sealed"))
    assert recording.stat().st_nlink == 1
    assert {path.name for path in beside.iterdir()} == {"ramal", "system", before.name}


def test_what_cannot_be_put_back_stops_no_calls(machine: Machine) -> None:
    machine.sent()
    with (machine.image.updates / UPLOAD).open("r+b") as file:
        file.seek(2000)
        file.write(bytes(1000))  # the list at the end is whole
    assert not machine.ask(code=machine.code)
    assert (machine.standing.phase, machine.standing.code) == ("failed", "damaged")
    assert not machine.image.restore_go.exists()
    assert {path.name for path in machine.home.root.parent.iterdir()} == {"ramal", "system"}


def test_pipes_where_keys_and_databases_should_be_keep_nobody(machine: Machine) -> None:
    machine.sent()
    assert machine.ask(code=machine.code)
    for path in (machine.home.recordings_key, machine.home.backup_key, machine.home.root / "asterisk/lib/pipe"):
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
    assert machine.work.carry_out()
    assert machine.standing.phase == "done"


def test_a_link_in_asterisks_place_brings_nothing_of_elsewhere(machine: Machine) -> None:
    machine.sent()
    elsewhere = machine.image.root / "elsewhere"
    for inner in ("lib", "log"):
        (elsewhere / inner).mkdir(parents=True)
        (elsewhere / inner / "roots").write_text("secret")
    shutil.rmtree(machine.home.root / "asterisk", ignore_errors=True)
    (machine.home.root / "asterisk").symlink_to(elsewhere)
    assert machine.ask(code=machine.code)
    assert machine.work.carry_out()
    assert not list(machine.home.root.rglob("roots"))
    assert (elsewhere / "log" / "roots").stat().st_nlink == 1


def test_a_code_is_in_no_words_about_a_request() -> None:
    assert "secret" not in repr(Asked("restore", UPLOAD, "secret"))
