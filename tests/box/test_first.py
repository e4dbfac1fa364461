"""`ramal prepare`, before Asterisk at every start of the image: what it makes; nothing that it meets costs calls."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box import birth, claim, first
from ramal.box.home import Home
from ramal.core import office_file
from ramal.core.office import Office
from ramal.provide import Peers, prefix
from ramal.store import settings
from ramal.store.db import open_reader, open_writer
from ramal.vault import keys
from ramal.writer_lock import only_writer

OFFICE = (Path(__file__).parents[1] / "system" / "offices" / "small.toml").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for a unix socket's: a home with a long one keeps its sockets elsewhere."""
    with tempfile.TemporaryDirectory(prefix="ramal-", dir="/tmp") as folder:
        yield Path(folder)


def prepare(home: Home, where: Path | None = None) -> tuple[int, list[str]]:
    said: list[str] = []
    code = first.run(home, where or home.root / "nowhere", say=said.append)
    return code, said


def in_force(home: Home) -> str:
    return os.readlink(home.etc / "current")


def test_a_new_box_gets_all_that_asterisk_needs_and_speaks_nothing(home: Home) -> None:
    assert prepare(home)[0] == 0
    pjsip = (home.asterisk_etc / "pjsip.conf").read_text()
    assert "bind = 0.0.0.0:5060" in pjsip or "bind=0.0.0.0:5060" in pjsip.replace(" ", "")
    assert home.settings().page_port == 80
    assert home.in_force() == home.settings()
    with closing(open_reader(home.db)) as db:
        assert settings.load(db) == Office(name="Ramal")
    assert home.claim.exists()
    assert not (home.prompts / "machine").exists(), "speaking would keep callers waiting; the daemon does it"


def test_again_it_changes_nothing(home: Home) -> None:
    prepare(home)
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file() and path.suffix != ".db-wal"}
    code, said = prepare(home)
    assert code == 0
    assert len(said) == 1, said
    for path, data in before.items():
        if path.name not in ("ramal.db", "ramal.db-shm", "writer.lock"):
            assert path.read_bytes() == data, path
    assert in_force(home) == "generations/0001"


def test_the_office_in_force_is_what_asterisk_gets(home: Home) -> None:
    prepare(home)
    office = office_file.read(OFFICE, "small.toml", lambda: "s" * 24)
    with closing(open_writer(home.db)) as db:
        settings.save(db, office)
    prepare(home)
    assert "201" in (home.asterisk_etc / "pjsip.conf").read_text()


def test_secrets_are_shared_with_the_page_as_far_as_it_needs_them(home: Home) -> None:
    prepare(home)
    folder = home.root / "secrets"
    keys.add_new(home, 1)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o7777 == 0o2750
    assert modes == {"ami": 0o600, "phones": 0o600, "web-session": 0o640, "claim": 0o640, "recordings.key": 0o640}


def test_elsewhere_the_keys_of_recordings_are_the_owners_alone(home: Home) -> None:
    home.prepare()
    keys.add_new(home, 1)
    assert home.recordings_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["garbage", "newer", "no folder", "settings", "taken"])
def test_whatever_is_damaged_asterisk_starts_with_the_files_it_had_last(home: Home, damage: str) -> None:
    prepare(home)
    before = (home.asterisk_etc / "pjsip.conf").read_text()
    expected = 1
    lock = None
    match damage:
        case "garbage":
            home.db.write_bytes(b"no database " * 4096)
            for rest in home.db.parent.glob("ramal.db-*"):
                rest.unlink()
        case "newer":
            with closing(open_writer(home.db)) as db:
                db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('ramal', 'x', '')")
        case "no folder":
            shutil.rmtree(home.db.parent)
            home.db.parent.write_text("a file where the folder was")
        case "settings":
            home.settings_file.write_text("sip_port = nonsense")
        case "taken":
            lock, expected = only_writer(home), 0
    if lock is not None:
        with lock:
            code, said = prepare(home)
    else:
        code, said = prepare(home)
    assert said
    assert (code, (home.asterisk_etc / "pjsip.conf").read_text()) == (expected, before) or damage == "taken"
    assert (home.asterisk_etc / "asterisk.conf").exists()
    assert home.in_force().sip_bind == "0.0.0.0"


def test_a_new_box_with_a_database_that_cannot_be_made_still_has_an_asterisk(home: Home) -> None:
    home.prepare()
    shutil.rmtree(home.db.parent)
    home.db.parent.write_text("a file where the folder belongs")
    said: list[str] = []
    assert first.run(home, home.root / "nowhere", say=said.append) == 1
    assert (home.asterisk_etc / "asterisk.conf").exists()


def test_it_needs_no_network(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("taking the network away needs root")
    words = ["unshare", "-n", sys.executable, "-m", "ramal", "prepare", "--home", str(home.root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_sockets_go_to_memory_and_what_another_life_left_is_gone(short: Path) -> None:
    home, memory = Home(short / "home"), short / "memory"
    memory.mkdir()
    (home.root / "run" / "below").mkdir(parents=True)
    (home.root / "run" / "below" / "old.sock").write_text("")
    prepare(home, memory)
    assert (home.root / "run").resolve() == memory
    assert (memory / "settings.toml").exists()
    prepare(home, memory)
    elsewhere = short / "elsewhere"
    elsewhere.mkdir()
    prepare(home, elsewhere)
    assert (home.root / "run").resolve() == elsewhere
    assert sorted(path.name for path in home.root.iterdir() if path.name.startswith(".run")) == []


def test_the_console_shows_the_code_until_the_box_is_claimed(home: Home) -> None:
    prepare(home)
    code = claim.ensure(home)
    assert code is not None
    assert code in home.issue.read_text()
    with closing(sqlite3.connect(home.db)) as db:
        db.execute("UPDATE user SET must_change = 0")
        db.commit()
    prepare(home)
    assert not home.issue.exists()
    assert not home.claim.exists()


def test_on_the_image_the_machine_itself_holds_the_programs(tmp_path: Path) -> None:
    record = tmp_path / "peers.json"
    record.write_text('{"version": "22.10.1"}')
    root, own, version = prefix.find(image=record)
    assert (root, version) == (Path("/"), "22.10.1")
    assert own is not None
    found = Peers(root, own.path, version)
    assert found.argv("sh", "-c", "true")[-2:] == ["-c", "true"]
    assert "bwrap" not in " ".join(found.argv("sh", "-c", "true"))
    assert found.sounds == Path("/usr/share/asterisk/sounds")


def test_a_box_is_born_once(tmp_path: Path) -> None:
    system, machine = tmp_path / "system", tmp_path / "machine-id"
    machine.write_text("0123456789abcdef0123456789abcdef\n")
    assert birth.main(system, machine) == 0
    born = {path: path.read_bytes() for path in system.rglob("*") if path.is_file()}
    assert (system / "machine-id").read_text() == machine.read_text()
    assert (system / "first-boot").exists()
    machine.write_text("f" * 32 + "\n")
    assert birth.main(system, machine) == 0
    assert {path: path.read_bytes() for path in system.rglob("*") if path.is_file()} == born
    if shutil.which("ssh-keygen"):
        assert (system / "ssh" / "ssh_host_ed25519_key").stat().st_mode & 0o077 == 0


def test_a_birth_that_was_cut_off_is_taken_up(tmp_path: Path) -> None:
    system = tmp_path / "system"
    (system / "ssh").mkdir(parents=True)
    (system / "ssh" / ".ed25519").write_text("half a key")
    (system / ".machine-id").write_text("half")
    machine = tmp_path / "machine-id"
    machine.write_text("0123456789abcdef0123456789abcdef\n")
    assert birth.main(system, machine) == 0
    assert (system / "first-boot").exists()
    assert "half" not in (system / "machine-id").read_text()
