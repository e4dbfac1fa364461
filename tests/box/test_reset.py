"""Back to the box as it came: what goes, what a legal hold keeps, and a power cut at every removal in between.

On real homes: recordings encrypted by the real keeper, a real database, the product's own verification afterwards.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

import ramal_web
from ramal.box import claim, first, reset
from ramal.box.as_owner import as_owner
from ramal.box.home import Home
from ramal.box.network import Network
from ramal.box.network import Places as NetworkPlaces
from ramal.box.reset import Places, ResetRefused, ResetUnfinished, ask, carry_out
from ramal.control.client import Control
from ramal.core.office import Office, Phone
from ramal.errors import RamalError
from ramal.store import holds, settings, users
from ramal.store.db import open_reader, open_writer, transaction
from ramal.store.holds import Wish
from ramal.store.ledger import TAKES
from ramal.vault import removal
from ramal.vault.keys import fsync_folder
from ramal.vault.sound import open_sound
from ramal.writer_lock import only_writer
from tests.vault.shelf import Shelf, spoken, stereo_wav
from tests.vault.test_keep import flaws, keeper

COUNT, HELD = 6, (1, 4)


class Full:
    """A home with an office, an owner, recordings of which two are held, backups, and what the system keeps."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root / "ramal")
        self.places = Places(root / "system", root / "backups")

    @property
    def ids(self) -> list[int]:
        return list(json.loads((self.places.system / "ids.json").read_text()))

    def fill(self) -> None:
        shelf = Shelf.at(self.home.root)
        ids = [shelf.put(stereo_wav(spoken(3, 300.0 + 50 * n), spoken(3, 900.0))) for n in range(COUNT)]
        while keeper(shelf).round():
            pass
        ids.append(shelf.put(stereo_wav(spoken(2, 500.0), spoken(2, 700.0))))  # one that is still a wav
        shelf.write(lambda db: settings.save(db, Office(name="Old", phones=(Phone("201", "A", "x" * 24),))))
        for n in HELD:
            (call,) = shelf.read(
                lambda db, n=n: db.execute("SELECT id FROM call WHERE key = ?", (ids[n] // 16,)).fetchone()
            )
            shelf.write(lambda db, call=call: holds.add(db, shelf.now_ms, "owner", Wish("call", call, "a lawsuit")))
        shelf.write(lambda db: users.add(db, 1, "x", users.NewUser("ana", "supervisor", "", claim.hashed("x" * 12))))
        shelf.close()
        self.places.backups.mkdir()
        (self.places.backups / "night.backup").write_text("everything")
        (self.places.system / "ssh").mkdir(parents=True)
        (self.places.system / "slots").mkdir()
        for name in ("network.toml", "first-boot", "machine-id", "ssh/ssh_host_ed25519_key", "slots/state"):
            (self.places.system / name).write_text("x")
        (self.home.root / "own" / "prompts" / "mine.wav").write_text("mine")
        (self.places.system / "ids.json").write_text(json.dumps(ids))

    def wish(self, also_held: bool = False) -> None:
        self.places.wanted.write_text(json.dumps({"also_held": also_held}))

    def count(self, table: str) -> int:
        with closing(open_reader(self.home.db)) as db:
            return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def heard(self, recording: int) -> int:
        with closing(open_reader(self.home.db)) as db:
            sound = open_sound(self.home, db, recording)
            with sound.file as file:
                return len(file.read())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("full")
    Full(root).fill()
    return root


@pytest.fixture
def full(made: Path, tmp_path: Path) -> Full:
    shutil.copytree(made, tmp_path / "data", symlinks=True)
    return Full(tmp_path / "data")


def look_as_it_came(full: Full) -> None:
    assert not (full.home.root / "own").exists()
    assert list(full.places.backups.iterdir()) == []
    left = {path.name for path in full.places.system.iterdir()} - {"ids.json"}
    assert left == {"machine-id", "slots"}, "the number of the box and the slots' state are not the office's"


def look_at_what_is_held(full: Full) -> None:
    ids = full.ids
    assert {full.ids.index(number) for (number,) in _rows(full, "SELECT id FROM recording")} == set(HELD)
    assert full.count("call") == len(HELD)
    assert full.count("hold") == len(HELD)
    for table in ("user", "setting", "audit", "contact"):
        assert full.count(table) == 0, table
    for n in HELD:
        assert full.heard(ids[n]) > 1000, "it can be listened to, so its key is there too"
    files = [path for path in full.home.recordings.rglob("*") if path.is_file() and ".vault" not in path.parts]
    assert len(files) == len(HELD)
    shelf = Shelf.at(full.home.root)
    try:
        assert flaws(shelf) == [], "the catalogue's chain tells what went, and is whole"
    finally:
        shelf.close()


def _rows(full: Full, query: str) -> list[tuple[int]]:
    with closing(open_reader(full.home.db)) as db:
        return db.execute(query).fetchall()


def test_a_factory_reset_leaves_what_is_under_a_hold_and_nothing_else(full: Full) -> None:
    full.wish()
    assert "2 recordings" in carry_out(full.home, full.places)[0]
    look_as_it_came(full)
    look_at_what_is_held(full)
    data = b"".join(path.read_bytes() for path in full.home.root.rglob("*") if path.is_file())
    for word in (b"Old", b"ana"):
        assert word not in data, "not even in a free page"
    assert carry_out(full.home, full.places) == [], "once"


def test_what_is_left_is_a_box_that_starts_and_can_be_claimed(full: Full) -> None:
    full.wish()
    carry_out(full.home, full.places)
    assert first.run(full.home, full.home.root / "nowhere", say=lambda sentence: None) == 0
    assert claim.ensure(full.home) is not None
    with closing(open_reader(full.home.db)) as db:
        assert settings.load(db) == Office(name="Ramal")
    look_at_what_is_held_after_start(full)


def look_at_what_is_held_after_start(full: Full) -> None:
    assert full.count("call") == len(HELD)
    for n in HELD:
        assert full.heard(full.ids[n]) > 1000


def test_what_was_asked_for_twice_removes_what_is_held_too(full: Full) -> None:
    full.wish(also_held=True)
    carry_out(full.home, full.places)
    look_as_it_came(full)
    assert list(full.home.root.iterdir()) == []


def test_without_a_hold_everything_goes(full: Full) -> None:
    with closing(open_writer(full.home.db)) as db:
        db.execute("UPDATE hold SET released_ms = 1, released_who = 'owner'")
    full.wish()
    carry_out(full.home, full.places)
    assert list(full.home.root.iterdir()) == []


def test_whoever_has_only_the_page_ends_the_holds_there_and_is_told_so(full: Full) -> None:
    """Nobody can type a command on a box of ours."""
    way = "end their holds in the page first (“Keeping recordings”)"
    for also_held, sure in ((0, False), (1, True)):
        with pytest.raises(ResetRefused) as told:
            ask(full.home, full.places, also_held, sure)
        assert way in str(told.value)
    page = (Path(ramal_web.__file__).parent / "templates/keeping/index.html").read_text()
    assert '{{ _("Keeping recordings") }}' in page
    assert '{{ _("End the hold") }}' in page
    full.wish()
    assert way in " ".join(carry_out(full.home, full.places))
    with closing(open_writer(full.home.db)) as db, transaction(db):
        for hold in holds.every(db):
            holds.release(db, 1, "owner", hold.id)
    full.wish()
    assert way not in " ".join(carry_out(full.home, full.places))
    assert list(full.home.root.iterdir()) == []


def test_a_hold_whose_day_may_have_passed_still_holds(full: Full) -> None:
    with closing(open_writer(full.home.db)) as db:
        db.execute("UPDATE hold SET until_ms = at_ms + 1")
    full.wish()
    carry_out(full.home, full.places)
    look_at_what_is_held(full)


def test_when_nobody_can_tell_what_is_held_nothing_is_removed(full: Full) -> None:
    full.home.db.write_bytes(b"this is no database " * 1000)
    before = sorted(path for path in full.home.root.rglob("*") if path.is_file())
    full.wish()
    with pytest.raises(ResetRefused, match="Nothing was removed"):
        carry_out(full.home, full.places)
    there = set(full.home.root.rglob("*"))
    assert [path for path in before if path not in there and path.name not in ("ramal.db-wal", "ramal.db-shm")] == []
    assert not full.places.wanted.exists(), "or the box would refuse at every start"


MANY, DAYS = 3000, 10


def crowd(full: Full) -> None:
    """Put very many recordings beside the others, over a few days."""
    for day in range(DAYS):
        (full.home.recordings / "2025" / "03" / f"{day:02}").mkdir(parents=True)
    with closing(open_writer(full.home.db)) as db, transaction(db):
        for n in range(MANY):
            key, path = 1_740_000_000 * 2048 + n, f"recordings/2025/03/{n * DAYS // MANY:02}/{n}.wav"
            (full.home.root / path).write_bytes(b"x")
            db.execute(
                "INSERT INTO call (key, id, direction, category, started_ms, ended_ms, line, number, caller,"
                " caller_name, menu, queue, agent, phone, hangup_by, missed, has_message)"
                " VALUES (?, ?, 'in', 'answered', 1, 2, '', '', '', '', '', '', '', '', '', '', 0)",
                (key, f"17400.{n}"),
            )
            db.execute(
                "INSERT INTO recording (id, kind, path, started_ms, duration_ms, bytes, sha256, state)"
                " VALUES (?, 'talk', ?, 1, 1000, 1, NULL, 'short')",
                (key * TAKES, path),
            )


def test_thousands_of_recordings_cost_few_commits_and_syncs(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a card one of either takes some 30 ms: as many as recordings, and no start would see the end of it."""
    crowd(full)
    commits, syncs = list[str](), list[Path]()

    def opened(path: Path) -> sqlite3.Connection:
        db = open_writer(path)
        db.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)
        return db

    def synced(folder: Path) -> None:
        syncs.append(folder)
        fsync_folder(folder)

    monkeypatch.setattr(reset, "open_writer", opened)
    monkeypatch.setattr(removal, "fsync_folder", synced)
    full.wish()
    carry_out(full.home, full.places)
    look_as_it_came(full)
    look_at_what_is_held(full)
    assert 0 < len(commits) < MANY // 100
    assert DAYS <= len(syncs) < MANY // 100


def stick(full: Full) -> None:
    """Have the database refuse in the middle: behind the first batch's files."""
    with closing(open_writer(full.home.db)) as db:
        db.execute(
            "CREATE TRIGGER stuck BEFORE DELETE ON sound WHEN (SELECT count(*) FROM sound WHERE gone_ms IS NULL) <= 2"
            " BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        )


def test_a_reset_that_stops_half_way_says_so_and_goes_on_at_the_next_start(full: Full) -> None:
    stick(full)
    full.wish()
    with pytest.raises(ResetUnfinished, match="may be gone already") as told:
        carry_out(full.home, full.places)
    assert "Nothing was removed" not in str(told.value)
    assert len([path for path in full.home.recordings.rglob("*.*") if path.is_file()]) < COUNT
    for n in HELD:
        assert full.heard(full.ids[n]) > 1000
    with closing(open_writer(full.home.db)) as db:
        db.execute("DROP TRIGGER stuck")
    carry_out(full.home, full.places)
    look_as_it_came(full)
    look_at_what_is_held(full)


def test_what_an_earlier_start_removed_is_not_denied(full: Full) -> None:
    stick(full)
    full.wish()
    with pytest.raises(ResetUnfinished):
        carry_out(full.home, full.places)
    full.home.db.write_bytes(b"this is no database " * 1000)
    with pytest.raises(ResetUnfinished) as told:
        carry_out(full.home, full.places)
    assert "Nothing was removed" not in str(told.value)


def test_a_reset_that_never_comes_to_its_end_does_not_keep_every_start_waiting(full: Full) -> None:
    stick(full)
    full.wish()
    for left in reversed(range(reset.STARTS_MAX)):
        with pytest.raises(ResetUnfinished, match="next start goes on" if left else "Ask for it once more"):
            carry_out(full.home, full.places)
        assert full.places.wanted.exists() == bool(left)
    assert carry_out(full.home, full.places) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another")
def test_a_look_that_takes_too_long_leaves_the_wish(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(full)
    monkeypatch.setattr(reset, "as_owner", partial(as_owner, longest_s=0.2))
    full.wish()
    with closing(open_writer(full.home.db)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ResetUnfinished, match="next start goes on"):
            carry_out(full.home, full.places)
    monkeypatch.undo()
    carry_out(full.home, full.places)
    look_as_it_came(full)
    look_at_what_is_held(full)


def test_nothing_is_done_that_was_not_asked_for(full: Full) -> None:
    assert carry_out(full.home, full.places) == []
    assert full.count("call") == COUNT + 1


@pytest.mark.parametrize(
    ("also_held", "sure", "word"),
    [(0, False, "--sure"), (1, True, "--also-held --also-held"), (2, False, "--sure")],
)
def test_a_factory_reset_has_to_be_meant(full: Full, also_held: int, sure: bool, word: str) -> None:
    with pytest.raises(ResetRefused, match=word):
        ask(full.home, full.places, also_held, sure)
    assert not full.places.wanted.exists()


def test_asking_says_what_stays_and_asking_twice_takes_that_too(full: Full) -> None:
    assert "2 calls under a hold stay" in ask(full.home, full.places, 0, True)
    assert json.loads(full.places.wanted.read_text())["also_held"] is False
    ask(full.home, full.places, 2, True)
    assert json.loads(full.places.wanted.read_text())["also_held"] is True


def test_a_wish_that_was_torn_keeps_what_is_held(full: Full) -> None:
    full.places.wanted.write_text('{"also_he')
    carry_out(full.home, full.places)
    look_at_what_is_held(full)


@pytest.mark.parametrize("text", ["", "4711\n", "[]", "null"])
def test_what_is_no_wish_resets_nothing_and_is_put_away(full: Full, text: str) -> None:
    full.places.wanted.write_text(text)
    assert carry_out(full.home, full.places) == []
    assert full.count("call") == COUNT + 1
    assert not full.places.wanted.exists()


def test_a_wish_that_is_a_link_to_anothers_file_is_none(full: Full) -> None:
    (full.home.root / "planted").write_text("{}")
    full.places.wanted.symlink_to(full.home.root / "planted")
    assert carry_out(full.home, full.places) == []
    full.places.wanted.unlink()
    os.link(full.home.root / "planted", full.places.wanted)
    assert carry_out(full.home, full.places) == []
    assert full.count("call") == COUNT + 1


@pytest.mark.parametrize("made", [os.symlink, os.link])
def test_the_lock_of_a_home_is_no_way_to_another_file(tmp_path: Path, made: Callable[[Path, Path], None]) -> None:
    (tmp_path / "home").mkdir()
    home = Home(tmp_path / "home")
    other = tmp_path / "reset.json"
    other.write_text("mine")
    made(other, home.writer_lock)
    with pytest.raises(RamalError, match="Nothing was started"), only_writer(home):
        pass
    assert other.read_text() == "mine"
    if made is os.symlink:
        other.unlink()
        with pytest.raises(RamalError), only_writer(home):
            pass
        assert not other.exists(), "root would have made it"


def test_no_folder_is_too_deep_and_no_home_from_before_a_restore_stays(full: Full) -> None:
    deep(full.home.root / "own", 1500)
    deep(full.home.recordings, 1500)
    deep(full.home.root.with_name("ramal.before-restore-20261122-100000"), 3)
    deep(full.home.root.with_name(".ramal.restoring"), 1500)
    full.wish()
    carry_out(full.home, full.places)
    look_as_it_came(full)
    look_at_what_is_held(full)
    assert {path.name for path in full.home.root.parent.iterdir()} == {"ramal", "system", "backups"}


def deep(folder: Path, levels: int) -> None:
    """A chain of folders, deeper than a path may be long."""
    folder.mkdir(exist_ok=True)
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("abcdef", dir_fd=at)
        inner = os.open("abcdef", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("secret", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def give_away(full: Full) -> None:
    """Have the home belong to another than root, who can reach it."""
    for above in (one for one in full.home.root.parents if len(one.parts) > 2):
        above.chmod(0o755)
    for path in (full.home.root, *full.home.root.rglob("*")):
        os.chown(path, 12_345, 12_345, follow_symlinks=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another")
def test_root_does_not_open_the_homes_database(full: Full) -> None:
    give_away(full)
    opened = ["sqlite3.connect", os.getpid(), 0]

    def watch(event: str, _: object) -> None:
        if event == opened[0] and os.getpid() == opened[1] and opened[2] == 0:
            opened[2] = 1

    sys.addaudithook(watch)
    full.wish()
    carry_out(full.home, full.places)
    assert opened[2] == 0
    opened[2] = 1
    look_as_it_came(full)
    look_at_what_is_held(full)


CUT = """
import os, sys
from pathlib import Path
from ramal.box.home import Home
from ramal.box.reset import Places, carry_out
left = int(sys.argv[2])
def watch(event, args):
    global left
    if event in sys.argv[3:]:
        left -= 1
        if left < 0:
            os._exit(9)
root = Path(sys.argv[1])
sys.addaudithook(watch)
carry_out(Home(root / "ramal"), Places(root / "system", root / "backups"))
print(left)
"""


def test_a_power_cut_at_any_removal_is_taken_up_at_the_next_start(made: Path, tmp_path: Path) -> None:
    cut, at = 0, 0
    while True:
        root = tmp_path / f"cut-{at}"
        shutil.copytree(made, root, symlinks=True)
        full = Full(root)
        full.wish()
        done = subprocess.run(
            [sys.executable, "-c", CUT, str(root), str(at), "os.remove", "os.rmdir", "shutil.rmtree"],
            env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 9), done.stderr
        if done.returncode == 9:
            cut += 1
            assert full.places.wanted.exists()
            for n in HELD:
                assert full.heard(full.ids[n]) > 1000
            carry_out(full.home, full.places)
        look_as_it_came(full)
        look_at_what_is_held(full)
        if done.returncode == 0:
            break
        shutil.rmtree(root)
        at += 1 if at < 8 else 7
    assert cut > 8


def test_a_power_cut_between_database_and_recordings_is_taken_up_too(made: Path, tmp_path: Path) -> None:
    """Without a hold the database goes before the recordings, and then nobody could tell any more."""
    at, code = 0, 9
    while code:
        root = tmp_path / f"cut-{at}"
        shutil.copytree(made, root, symlinks=True)
        full = Full(root)
        with closing(open_writer(full.home.db)) as db:
            db.execute("UPDATE hold SET released_ms = 1, released_who = 'owner'")
        full.wish()
        code = subprocess.run(
            [sys.executable, "-c", CUT, str(root), str(at), "os.rename"], timeout=60, check=False
        ).returncode
        assert code in (0, 9)
        carry_out(full.home, full.places)
        assert list(full.home.root.iterdir()) == []
        shutil.rmtree(root)
        at += 1
    assert at > 6


def test_a_new_owners_code_makes_the_old_password_worth_nothing(full: Full) -> None:
    first.run(full.home, full.home.root / "nowhere", say=lambda sentence: None)
    with closing(open_writer(full.home.db)) as db:
        users.set_password(db, "owner", claim.hashed("the owner's own words"))
    assert claim.ensure(full.home) is None
    code = reset.owner(full.home).rpartition(" ")[2]
    with closing(open_reader(full.home.db)) as db:
        assert db.execute("SELECT must_change FROM user WHERE name = 'owner'").fetchone() == (1,)
    assert claim.ensure(full.home) == code
    assert not Control(full.home.control_sock)._path.exists()


def test_the_network_returns_to_dhcp_for_good(tmp_path: Path) -> None:
    places = NetworkPlaces(tmp_path / "network.toml", tmp_path / "trial.toml", tmp_path / "networkd")
    places.kept.write_text('mode = "static"')
    places.trial.write_text("x")
    assert "DHCP again" in reset.network(Network(places, lambda words: None))
    assert not places.kept.exists()
    assert "DHCP=yes" in (places.networkd / "10-ramal.network").read_text()


def test_a_refusal_is_one_of_ours() -> None:
    assert issubclass(ResetRefused, RamalError)
    assert sqlite3.sqlite_version_info >= (3, 37)
