"""An older release meets a newer one's database: its own copy of before, with what it can read of the newer one."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box import prepare
from ramal.box.home import Home
from ramal.store import migrations, returning, settings
from ramal.store.db import DatabaseUnusable, open_writer
from ramal.store.ingest import Ingest
from ramal.store.returning import come_back
from tests.store.office_day import a_call, merge
from tests.web.box import demo_office

NEWER = "0099 tomorrow"
START_MS = 1_763_700_000_000
OLD_MIGRATIONS = migrations._migrations


def tomorrow(statements: Callable[[sqlite3.Connection], None]) -> Callable[[], object]:
    """The migrations of a release to come."""

    def known() -> object:
        found = OLD_MIGRATIONS()

        @found(name=NEWER)
        def newest(database: object) -> None:
            statements(database.conn)  # type: ignore[attr-defined]

        return found

    return known


def usual(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE audit ADD COLUMN more TEXT NOT NULL DEFAULT ''")
    db.execute("CREATE TABLE novelty (id INTEGER PRIMARY KEY) STRICT")


class Box:
    """A folder with a database and journals. ``upgrade`` is what a newer release does at its first start."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.log, self._patch = folder / "db" / "ramal.db", folder / "log", monkeypatch
        (self.log / "cel-custom").mkdir(parents=True)
        with closing(open_writer(self.path)) as db:
            migrations.migrate(db)
            settings.save(db, demo_office())
            db.execute("INSERT INTO audit (at_ms, who, what, detail) VALUES (1, 'owner', 'before', '')")
        self.serial = 0
        self.call()

    def call(self) -> None:
        """A call that Asterisk wrote down and the release in force read."""
        self.serial += 1
        cel, log = merge([a_call(random.Random(self.serial), self.serial, START_MS + self.serial * 600_000)])
        for name, lines in (("cel-custom/ramal.csv", cel), ("queue_log", log)):
            with (self.log / name).open("ab") as file:
                file.write(lines)
        self.read()

    def read(self) -> None:
        with closing(open_writer(self.path)) as db:
            ingest = Ingest(db, self.log, lambda: START_MS + 86_400_000)
            while ingest.step():
                pass

    def upgrade(self, statements: Callable[[sqlite3.Connection], None] = usual) -> None:
        self._patch.setattr(migrations, "_migrations", tomorrow(statements))
        with closing(open_writer(self.path)) as db:
            assert migrations.migrate(db) == [NEWER]
            db.execute("INSERT INTO audit (at_ms, who, what, detail) VALUES (2, 'owner', 'meanwhile', '')")
        self._patch.setattr(migrations, "_migrations", OLD_MIGRATIONS)

    def rows(self, query: str, path: Path | None = None) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(path or self.path)) as db:
            return db.execute(query).fetchall()

    def audit(self, path: Path | None = None) -> list[str]:
        return [str(what) for (what,) in self.rows("SELECT what FROM audit ORDER BY at_ms", path)]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, monkeypatch)


CALLS = "SELECT id, category, talk_ms FROM call ORDER BY key"


def test_a_database_of_this_release_is_left_alone(box: Box) -> None:
    before = box.path.read_bytes()
    assert come_back(box.path, box.log) is None
    assert come_back(box.path.with_name("none.db"), box.log) is None
    assert box.path.read_bytes() == before


def test_the_older_release_goes_on_with_what_it_can_read_and_the_newer_is_kept(box: Box) -> None:
    box.upgrade()
    box.call()  # answered while the newer release ran
    calls = box.rows(CALLS)
    assert len(calls) == 2
    found = come_back(box.path, box.log)
    assert found is not None
    assert (found.lost, found.refolded) == ((), 1)
    assert box.audit() == ["before", "meanwhile"]
    assert box.rows(CALLS) == calls
    assert box.audit(found.newer) == ["before", "meanwhile"]
    with closing(open_writer(box.path)) as db:
        assert migrations.migrate(db) == []
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert settings.load(db) == demo_office()
    box.call()  # and the journals are read on from where they were
    assert len(box.rows(CALLS)) == 3


def test_calls_the_newer_release_never_read_come_from_the_journals(box: Box) -> None:
    box.upgrade()
    cel, log = merge([a_call(random.Random(7), 7, START_MS + 7 * 600_000)])
    for name, lines in (("cel-custom/ramal.csv", cel), ("queue_log", log)):
        with (box.log / name).open("ab") as file:
            file.write(lines)
    come_back(box.path, box.log)
    box.read()
    assert len(box.rows(CALLS)) == 2


def test_rows_the_older_rules_do_not_allow_are_left_out_and_told(box: Box) -> None:
    def loosened(db: sqlite3.Connection) -> None:
        usual(db)
        db.execute("CREATE TABLE user2 AS SELECT * FROM user")
        db.execute("DROP TABLE user")
        db.execute("ALTER TABLE user2 RENAME TO user")
        db.execute("INSERT INTO user (name, role, password_hash) VALUES ('robo', 'machine', 'x')")

    box.upgrade(loosened)
    found = come_back(box.path, box.log)
    assert found is not None
    assert dict(found.lost) == {"user": 1}
    assert "Not taken over: 1 of user." in found.sentence()
    assert box.rows("SELECT name FROM user") == []
    assert box.audit() == ["before", "meanwhile"]


def test_an_office_only_the_newer_release_understands_is_left_for_the_one_before(box: Box) -> None:
    def odd(db: sqlite3.Connection) -> None:
        usual(db)
        db.execute("UPDATE setting SET body = '{'")

    box.upgrade(odd)
    with closing(open_writer(box.path)) as db, pytest.raises(Exception):  # noqa: B017  whatever it stumbles on
        settings.load(db)
    found = come_back(box.path, box.log)
    assert found is not None
    assert [table for table, _ in found.lost] == ["setting"]
    with closing(open_writer(box.path)) as db:
        assert settings.load(db) == demo_office()


def test_a_table_that_lost_a_column_keeps_its_older_rows(box: Box) -> None:
    def narrowed(db: sqlite3.Connection) -> None:
        usual(db)
        db.execute("INSERT INTO wall_screen (digest, name, made_by, made_ms) VALUES (x'00', 'Hall', '', 1)")
        db.execute("ALTER TABLE wall_screen RENAME COLUMN name TO called")

    box.upgrade(narrowed)
    found = come_back(box.path, box.log)
    assert found is not None
    assert dict(found.lost) == {"wall_screen": 1}


def test_without_a_whole_copy_of_before_nothing_is_changed(box: Box) -> None:
    box.upgrade()
    copy = box.path.with_name("ramal.db.before-0099")
    saved = copy.read_bytes()
    before = box.rows("SELECT * FROM audit")
    for spoil in (lambda: copy.write_bytes(saved[:5000]), lambda: copy.write_bytes(b"no"), copy.unlink):
        spoil()
        with pytest.raises(DatabaseUnusable, match=r"newer Ramal.*no whole copy"):
            come_back(box.path, box.log)
    assert box.rows("SELECT * FROM audit") == before


def test_a_cut_at_any_step_leaves_a_whole_database_and_begins_again(
    box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every call that changes the disk is made to be the last one; what is left is looked at, and the rest is done."""
    box.upgrade()
    box.call()
    calls = box.rows(CALLS)
    fresh = tmp_path / "fresh"
    shutil.copytree(box.path.parent, fresh)
    steps = 0
    for last in range(1, 40):
        shutil.rmtree(box.path.parent)
        shutil.copytree(fresh, box.path.parent)
        with monkeypatch.context() as patch:
            done = _cut_after(patch, last)
            try:
                come_back(box.path, box.log)
            except _Cut:
                steps += 1
            else:
                assert done() < last
                break
        assert box.rows("PRAGMA quick_check(1)") == [("ok",)]
        assert box.audit() == ["before", "meanwhile"]
        come_back(box.path, box.log)
        assert box.audit() == ["before", "meanwhile"]
        assert box.rows(CALLS) == calls
        with closing(open_writer(box.path)) as db:
            assert migrations.migrate(db) == []
    assert steps > 5


class _Cut(BaseException):
    """The plug was pulled."""


def _cut_after(patch: pytest.MonkeyPatch, last: int) -> Callable[[], int]:
    count = [0]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*words: object, **more: object) -> object:
            count[0] += 1
            if count[0] == last:
                raise _Cut
            return real(*words, **more)

        return step

    for owner, name in (
        (shutil, "copyfile"),
        (os, "link"),
        (os, "replace"),
        (returning, "_sync"),
        (returning, "_take_over"),
        (Path, "unlink"),
    ):
        patch.setattr(owner, name, counted(getattr(owner, name)))
    return lambda: count[0]


def test_old_newer_ones_do_not_fill_the_disk(box: Box) -> None:
    for n in range(4):
        box.path.with_name(f"ramal.db.newer-{n:04}").write_bytes(b"x")
    box.upgrade()
    come_back(box.path, box.log)
    kept = sorted(path.name for path in box.path.parent.glob("*.newer-*"))
    assert len(kept) == returning.NEWER_KEPT
    assert "ramal.db.newer-0099" in kept


def test_a_full_disk_leaves_the_newer_one_and_says_so(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.upgrade()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(DatabaseUnusable, match=r"No space left.*left as it was"):
            come_back(box.path, box.log)
    assert box.audit() == ["before", "meanwhile"]
    assert come_back(box.path, box.log) is not None


def test_what_starts_a_box_goes_back_before_anything_else(box: Box, tmp_path: Path) -> None:
    """``ramal prepare`` and ``ramal up`` begin with this."""
    box.upgrade()
    home = Home(tmp_path)
    home.prepare()
    said: list[str] = []
    assert prepare.office(home, None, said.append) == demo_office()
    assert "newer release's" in said[0]
    assert box.audit() == ["before", "meanwhile"]
    assert prepare.office(home, None, said.append) == demo_office()
    assert len(said) == 1
