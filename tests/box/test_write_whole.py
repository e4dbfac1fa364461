"""A file that is replaced whole: nothing that was laid in its way is written through, and its owner is told in time."""

import os
import stat
from pathlib import Path

import pytest

from ramal.box.home import Home, write_whole
from ramal.core.clock import Facts
from ramal.ops import machine

RAMAL = 880


def laid_in_the_way(path: Path, target: Path) -> None:
    """What a user of this folder can foresee of root's writing: the name of its temporary file."""
    path.with_name(f".{path.name}.{os.getpid()}").symlink_to(target)


def test_a_link_in_the_way_is_not_written_through(tmp_path: Path) -> None:
    target, path = tmp_path / "precious", tmp_path / "clock.json"
    target.write_text("root's")
    laid_in_the_way(path, target)
    write_whole(path, "new", 0o640)
    assert target.read_text() == "root's"
    assert (path.read_text(), path.is_symlink()) == ("new", False)


def test_a_pipe_in_the_way_makes_nobody_wait(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    os.mkfifo(path.with_name(f".{path.name}.{os.getpid()}"))
    write_whole(path, "new", 0o640)
    assert path.read_text() == "new"


def test_the_text_is_on_the_disk_before_its_name_and_the_name_when_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "claim", []
    path.write_text("old")

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, "new", 0o640)
    assert seen == [("file", "old"), ("folder", "new")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_the_clock_s_mark_to_the_home_s_user(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    os.chown(home.root, RAMAL, RAMAL)
    machine.keep_mark(home, Facts("one", 1, 2, box=True), "none", "", 0)
    found = machine.mark_file(home).stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (RAMAL, RAMAL, 0o640)


def test_a_pipe_where_the_clock_s_mark_was_makes_nobody_wait_at_the_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    os.mkfifo(machine.mark_file(home))
    assert machine.read_mark(home) is None
