"""What the console says is root's copy: agetty, which is root, opens nothing that another user laid."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ramal.box.claim import tell_console
from ramal.box.home import Home
from ramal.box.issue import SHOWN, SOURCE, TEXT_MAX, copy
from tests.image.test_units import UNITS, unit


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    return tmp_path / "ramal.issue"


def test_the_claim_code_is_shown_and_goes_when_it_does(tmp_path: Path, shown: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    tell_console(home, "12-34")
    assert copy(home.issue, shown)
    assert shown.read_text() == home.issue.read_text()
    home.issue.unlink()
    assert not copy(home.issue, shown)
    assert not shown.exists()
    assert not copy(home.issue, shown)


LAYS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", LAYS)
def test_what_is_no_text_is_not_shown_and_not_waited_for(tmp_path: Path, shown: Path, kind: str) -> None:
    LAYS[kind](tmp_path / "issue")
    assert not copy(tmp_path / "issue", shown)
    assert not shown.exists()


def test_a_text_gives_neither_the_terminal_nor_agetty_orders(tmp_path: Path, shown: Path) -> None:
    (tmp_path / "issue").write_bytes(b"a \x1b[2J\xff\x9b http://\\4 \\S{/etc/shadow} \\\\4 b\n" + b"x" * 100_000)
    assert copy(tmp_path / "issue", shown)
    text = shown.read_text()
    assert text.startswith("a [2J http://\\4 S{/etc/shadow} \\4 b\n")
    assert len(text) <= TEXT_MAX


def test_agetty_reads_root_s_copy_and_no_link_to_the_home(tmp_path: Path) -> None:
    assert "ramal.issue" not in (UNITS / "tmpfiles.d/ramal.conf").read_text(encoding="utf-8")
    assert unit("ramal-issue.path")["PathChanged"] == [str(SOURCE)]
    assert unit("ramal-issue.service")["ReadWritePaths"] == [str(SHOWN.parent)]
    assert unit("ramal-issue.service")["CapabilityBoundingSet"] == []
