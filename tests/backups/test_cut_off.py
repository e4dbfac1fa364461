"""Killed before any act on a disk: a backup is whole or none, a home is the old one or the new one."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ramal.box.home import Home
from ramal.box.restore import restore
from ramal.vault.backup_file import open_backup
from tests.backups.grown import AT_MS, backup, everything, grown, keys_of, put
from tests.web.box import Box

ROOT = Path(__file__).parents[2]
KILLED = -9
CHANGING = ("audit", "sqlite_sequence")
CUTS = 20


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    one = grown(tmp_path / "one" / "home", calls=2)
    yield one
    one.close()


def child(what: str, home: Path, file: Path, last: int, *keys: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tests.backups.child", what, str(home), str(file), str(last), *keys]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)


def cuts(acts: int) -> list[int]:
    """Some from the whole course, and the last ones, in which things get their names."""
    return sorted({*range(1, acts, max(1, acts // (CUTS // 2))), *range(max(1, acts - CUTS // 2), acts + 1)})


def test_a_backup_is_whole_or_none(box: Box, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    first = backup(box, folder, AT_MS - 86_400_000)
    kept = first.path.read_bytes()
    acts = int(child("make", box.home.root, tmp_path / "other", 0).stdout)
    assert acts > 20
    for last in cuts(acts):
        assert child("make", box.home.root, folder, last).returncode == KILLED
        shutil.rmtree(folder / "warm")
        lying = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        assert lying[0] == first.path.name
        for name in lying:
            with closing(open_backup(folder / name, keys_of(box))) as reader:
                assert reader.manifest.rows == first.manifest.rows
            if name != first.path.name:
                (folder / name).unlink()
    assert first.path.read_bytes() == kept
    backup(box, folder)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")], "halves stay for ever"


def test_a_home_is_the_old_one_or_the_new_one(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    new = everything(box.home, CHANGING)
    box.sql("INSERT INTO held (uniqueid, line) VALUES ('after', x'00')")
    box.sql("DELETE FROM user WHERE name = 'ana'")
    put(box.home.own_prompts / "pt_BR" / "open" / "1795000000001.upload.wav", b"newer")
    old = everything(box.home, CHANGING)
    assert old != new
    pristine = tmp_path / "pristine"
    shutil.copytree(box.home.root.parent, pristine, symlinks=True)

    def begun(name: str) -> Home:
        shutil.copytree(pristine, tmp_path / name, symlinks=True)
        return Home(tmp_path / name / "home")

    said = child("restore", begun("whole").root, made.path, 0)
    assert said.returncode == 0, said.stderr
    acts = int(said.stdout)
    seen = {"old": 0, "new": 0}
    for last in cuts(acts):
        home = begun("cut")
        assert child("restore", home.root, made.path, last).returncode == KILLED
        now = everything(home, CHANGING)
        assert now in (old, new), f"neither, killed before act {last} of {acts}"
        seen["old" if now == old else "new"] += 1
        recording = home.recordings / "2026" / "11" / "22" / "1.ogg.sealed"
        assert recording.read_bytes() == b"a recording"
        with closing(open_backup(made.path, keys_of(box))) as reader:
            restore(reader, home, made.path.name, AT_MS)
        assert everything(home, CHANGING) == new
        before = [path for path in home.root.parent.iterdir() if "before-restore" in path.name]
        assert any(everything(Home(path), CHANGING) == old for path in before), "the old home is lost"
        assert recording.read_bytes() == b"a recording"
        assert {path.name for path in home.root.parent.iterdir()} == {
            *("home", "system"),
            *(path.name for path in before),
        }
        assert not (home.root / ".restoring").exists()
        shutil.rmtree(tmp_path / "cut")
    assert seen["old"] > 5
    assert seen["new"] > 1


def test_a_new_home_is_there_whole_or_not_at_all(box: Box, tmp_path: Path) -> None:
    made = backup(box, tmp_path / "backups")
    wanted = everything(box.home, CHANGING)
    home = Home(tmp_path / "two" / "home")
    acts = int(child("restore", home.root, made.path, 0, str(box.home.root)).stdout)
    for last in cuts(acts)[::2]:
        shutil.rmtree(home.root.parent, ignore_errors=True)
        assert child("restore", home.root, made.path, last, str(box.home.root)).returncode == KILLED
        assert not home.root.exists() or everything(home, CHANGING) == wanted
    with closing(open_backup(made.path, keys_of(box))) as reader:
        restore(reader, home, made.path.name, AT_MS)
    assert everything(home, CHANGING) == wanted
    assert not [path.name for path in home.root.parent.iterdir() if path.name.startswith(".")]
