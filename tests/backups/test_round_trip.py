"""What goes into a backup comes out of it, on the same box or another, also a newer one."""

import json
import os
import random
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ramal.box.home import Home
from ramal.box.restore import restore
from ramal.core import office_file
from ramal.store import migrations, table_rows
from ramal.store import settings as office_rows
from ramal.store.db import PAGE_BYTES, open_reader, open_writer
from ramal.vault import backup_file, backup_keys, backup_stage, keys
from ramal.vault.backup_file import BackupRefused, open_backup
from ramal.vault.cipher import Unsealer
from tests.backups.grown import AT_MS, backup, database, everything, files, found_by, grown, keys_of, put
from tests.web.box import Box, answered_call, demo_office


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    one = grown(tmp_path / "one" / "home")
    yield one
    one.close()


def test_on_other_hardware_everything_is_equal_and_only_the_code_is_needed(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    code = backup_keys.load(box.home)[-1].code
    other = Home(tmp_path / "two" / "home")
    typed = " ".join(code[at : at + 5].upper() for at in range(0, len(code), 5))
    with closing(open_backup(made.path, [backup_file.recipe_of(made.path).key(typed)])) as reader:
        done = restore(reader, other, made.path.name, AT_MS)
    before, after = database(box.home.db), database(other.db)
    assert after.pop("audit")[:-1] == before.pop("audit")  # and that it was restored
    assert b"'letter',3" in before["sqlite_sequence"]
    assert after == before
    assert files(other) == files(box.home)
    assert done.before is None
    assert done.network is not None
    assert done.network.read_bytes() == box.home.network_file.read_bytes()
    assert not other.network_file.exists()
    assert not (other.root / "recordings" / "2026").exists()
    assert found_by(other.db, "5511970001234") == found_by(box.home.db, "5511970001234") != []
    assert keys.load(other).current == keys.load(box.home).current
    with closing(open_reader(other.db)) as db:
        assert office_rows.load(db) == demo_office()
        assert db.execute("PRAGMA page_size").fetchone() == (PAGE_BYTES,)


def test_the_counters_of_rows_go_on_where_they_were(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    with closing(open_backup(made.path, keys_of(box))) as reader:
        assert backup_stage.stage(reader, tmp_path / "scratch").equal
    assert database(tmp_path / "scratch/db/ramal.db") == database(box.home.db)


def test_put_back_where_it_came_from_recordings_journals_and_newer_keys_stay(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    before = everything(box.home, ("audit", "sqlite_sequence"))
    newer = keys.add_new(box.home, AT_MS)
    code = backup_keys.add_new(box.home, AT_MS)
    box.sql(
        "INSERT INTO subject_request (kind, at_ms, who, state, number, names, ended_ms)"
        " VALUES ('erase', ?, 'owner', 'done', '', '', ?)",
        *(AT_MS + 5, AT_MS + 9),
    )
    box.add_history([answered_call(99_777, AT_MS, "+5511988887777")])
    put(box.home.recordings / "2026" / "11" / "23" / "2.ogg.sealed", b"a newer recording")
    put(box.home.own_prompts / "pt_BR" / "open" / "1795000000001.upload.wav", b"newer")
    changed = everything(box.home)
    with closing(open_backup(made.path, keys_of(box))) as reader:
        done = restore(reader, box.home, made.path.name, AT_MS)
    tables, laid = everything(box.home, ("audit", "sqlite_sequence"))
    assert tables == before[0]
    secrets = ("secrets/recordings.key", "secrets/backup.key")
    assert {name: laid[name] for name in laid if name not in secrets} == {
        name: before[1][name] for name in before[1] if name not in secrets
    }
    assert newer.id in keys.load(box.home).keys
    assert len(keys.load(box.home).keys) == 2
    assert backup_keys.load(box.home)[-1] == code
    assert len(backup_keys.load(box.home)) == 2
    assert done.erased == 1, "who was erased since is back, and that has to be told"
    assert (box.home.recordings / "2026/11/23/2.ogg.sealed").read_bytes() == b"a newer recording"
    assert done.before is not None
    assert everything(Home(done.before)) == changed
    assert sorted(path.name for path in box.home.root.parent.iterdir()) == sorted(["home", done.before.name, "system"])
    # The journals came along, and what they say since the backup is read again.
    box.add_history([])
    assert box.sql("SELECT count(*) FROM call WHERE caller = '+5511988887777'") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_puts_back_belongs_to_whom_it_belonged(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    for path in (box.home.root, *box.home.root.rglob("*")):
        os.chown(path, 12_345, 12_346, follow_symlinks=False)
    os.chown(box.home.db.parent, 12_345, 12_347)
    os.chmod(box.home.root, 0o2750)
    (box.home.own_music / "calm" / "Ünï côde (1).wav").unlink()  # it comes back, and nobody knows whose it was
    with closing(open_backup(made.path, keys_of(box))) as reader:
        restore(reader, box.home, made.path.name, AT_MS)
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in box.home.root.rglob("*")}
    assert owners == {(12_345, 12_346), (12_345, 12_347)}
    assert (box.home.root.stat().st_uid, box.home.root.stat().st_mode & 0o7777) == (12_345, 0o2750)
    assert (box.home.own_music / "calm" / "Ünï côde (1).wav").exists()


def test_it_can_be_looked_into_with_a_zip_program(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    with made.path.open("rb") as file:
        plain = Unsealer(
            cast(IO[bytes], backup_file._Behind(file, backup_file.HEAD_BYTES)),  # type: ignore[arg-type]
            made.bytes - backup_file.HEAD_BYTES,
            {one.id: one for one in keys_of(box)}.get,
        )
        with zipfile.ZipFile(cast(IO[bytes], plain)) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            text = archive.read("office.toml").decode("utf-8")
            rows = [json.loads(line) for line in archive.read("tables/user.jsonl").splitlines()]
    assert manifest["format"] == 1
    assert manifest["ramal"] == "1.2.3"
    assert len(manifest["migrations"]) >= 4
    assert office_file.read(text) == demo_office()
    assert rows[0][:2] == ["name", "role"]
    assert [row[0] for row in rows[1:]] == ["ana", "owner"]
    body = made.path.read_bytes()
    assert b"owner" not in body
    assert b"manifest" not in body


def test_two_backups_of_the_same_have_no_bytes_in_common(box: Box, tmp_path: Path) -> None:
    first, second = backup(box, tmp_path / "backups"), backup(box, tmp_path / "backups")
    assert first.path != second.path
    assert first.path.read_bytes()[200:400] != second.path.read_bytes()[200:400]


def test_a_backup_is_of_one_moment_though_the_daemon_goes_on_writing(box: Box, tmp_path: Path) -> None:
    """Rows are written between two tables being read; none of them is in it."""
    with closing(open_reader(box.home.db)) as db, closing(open_writer(box.home.db)) as writer:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM audit").fetchone()
        writer.execute("INSERT INTO audit (at_ms, who, what, detail) VALUES (9, 'late', 'late', 'late')")
        assert not any(b"late" in line for line in table_rows.lines(db, "audit"))
    made = backup(box, tmp_path / "backups")
    with (
        closing(open_backup(made.path, keys_of(box))) as reader,
        reader.opened(reader.part("tables/audit.jsonl")) as part,
    ):
        assert b"late" in b"".join(part.blocks())


def test_links_and_pipes_in_the_home_are_left_out_and_told(box: Box, tmp_path: Path) -> None:
    os.symlink("/etc/passwd", box.home.own_prompts / "stolen.wav")
    os.mkfifo(box.home.own_music / "pipe")
    made = backup(box, tmp_path / "backups")
    assert len(made.manifest.left_out) == 2
    assert "own/music/pipe" in " ".join(made.manifest.left_out)
    assert not [part for part in made.manifest.parts if "stolen" in part.name or "pipe" in part.name]


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), TEXT, st.binary(max_size=60)), max_size=20),
    st.lists(st.binary(min_size=1, max_size=80), unique=True, max_size=10),
    st.dictionaries(
        st.text("abcXYZ-_09é ", min_size=1, max_size=12).map(str.strip).filter(bool), st.binary(max_size=200)
    ),
)
def test_any_rows_and_sounds_come_back(
    tmp_path: Path, audit: list[tuple[int, str, bytes]], held: list[bytes], sounds: dict[str, bytes]
) -> None:
    work = tmp_path / f"{random.getrandbits(64):x}"
    box = Box(work / "home")
    with closing(open_writer(box.home.db)) as db:
        for at_ms, text, raw in audit:
            db.execute(
                "INSERT INTO audit (at_ms, who, what, detail) VALUES (?, ?, '', CAST(? AS TEXT))", (at_ms, text, raw)
            )
        for line in held:
            db.execute("INSERT INTO held (uniqueid, line) VALUES ('', ?)", (line,))
        db.execute("DELETE FROM held WHERE id % 3 = 0")
    for name, data in sounds.items():
        put(box.home.own_music / "calm" / name, data)
    made = backup(box, work / "backups")
    with closing(open_backup(made.path, keys_of(box))) as reader:
        assert backup_stage.stage(reader, work / "scratch").amiss == ()
    assert everything(Home(work / "scratch")) == everything(box.home)
    shutil.rmtree(work)


# -- versions ----------------------------------------------------------------------------------------------------------


def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this Ramal knows one migration more."""
    original = migrations._migrations

    def known():  # type: ignore[no-untyped-def]
        ours = original()

        @ours(name="0099 tomorrow")
        def tomorrow(database) -> None:  # type: ignore[no-untyped-def]
            database.execute("ALTER TABLE user ADD COLUMN pet TEXT NOT NULL DEFAULT 'cat'")

        return ours

    monkeypatch.setattr(migrations, "_migrations", known)


def test_a_newer_version_reads_it_by_running_its_migrations(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backup(box, tmp_path / "backups")
    newer(monkeypatch)
    other = Home(tmp_path / "two")
    with closing(open_backup(made.path, keys_of(box))) as reader:
        done = restore(reader, other, made.path.name, AT_MS)
    assert done.comparison.migrated == ("0099 tomorrow",)
    assert done.comparison.equal
    with closing(open_writer(other.db)) as db:
        assert db.execute("SELECT name, pet FROM user ORDER BY name").fetchall() == [("ana", "cat"), ("owner", "cat")]
        assert migrations.migrate(db) == []


def test_an_older_version_refuses_it_with_a_sentence(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as later:
        newer(later)
        with closing(open_writer(box.home.db)) as db:
            migrations.migrate(db)
        made = backup(box, tmp_path / "backups")
    other = Home(tmp_path / "two")
    with (
        closing(open_backup(made.path, keys_of(box))) as reader,
        pytest.raises(BackupRefused, match=r"newer Ramal.*0099 tomorrow.*Nothing was changed.*up to date"),
    ):
        restore(reader, other, made.path.name, AT_MS)
    assert [path.name for path in tmp_path.iterdir() if "two" in path.name] == []


def test_a_backup_of_a_released_schema_becomes_todays(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that only ever knew the first two migrations, with rows that the later ones change."""
    all_of_them = migrations._migrations
    names = [entry.name for entry in all_of_them()._migrations]

    def first_two():  # type: ignore[no-untyped-def]
        ours = all_of_them()
        del ours._migrations[2:]
        return ours

    old = Home(tmp_path / "old" / "home")
    old.prepare()
    with monkeypatch.context() as then:
        then.setattr(migrations, "_migrations", first_two)
        with closing(open_writer(old.db)) as db:
            migrations.migrate(db)
            office_rows.save(db, demo_office())
            db.execute("INSERT INTO recording VALUES (7, 'talk', 'a.wav', 5, 6, 7, 8, x'00', 'short')")
        made = backup_make_of(old, tmp_path / "backups")
    assert made.manifest.migrations == tuple(names[:2])
    other = Home(tmp_path / "two")
    with closing(open_backup(made.path, [one.key for one in backup_keys.load(old)])) as reader:
        done = restore(reader, other, made.path.name, AT_MS)
    assert done.comparison.migrated == tuple(names[2:])
    with closing(open_reader(other.db)) as db:
        assert db.execute("SELECT id, path, state FROM recording").fetchall() == [(7, "a.wav", "short")]
        assert table_rows.known_migrations(db) == tuple(names)


def backup_make_of(home: Home, folder: Path):  # type: ignore[no-untyped-def]
    from ramal.vault import backup_make

    return backup_make.make(home, folder, backup_keys.obtain(home, AT_MS), AT_MS, "0.9")
