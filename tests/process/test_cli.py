"""The command ``ramal`` as a person types it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ramal.alone import Alone
from ramal.app import Peers
from ramal.box.home import Home
from ramal.cli import DAEMON_DOWN, DONE, NOT_DONE
from ramal.core import office_file
from ramal.writer_lock import only_writer
from tests.process.conftest import OFFICE, ROOT, DaemonProcess
from tests.process.driver import render

Start = Callable[..., DaemonProcess]


def ramal(home: Home, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "ramal", "--home", str(home.root), *words], cwd=ROOT, input=given, capture_output=True,
        timeout=60, env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip


def said(result: subprocess.CompletedProcess[bytes]) -> str:
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return (result.stdout + result.stderr).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "my.toml"
    file.write_text(OFFICE)
    return file


def test_an_office_file_is_applied_and_comes_back_the_same(start: Start, home: Home, file: Path) -> None:
    start().up()
    applied = ramal(home, "apply", str(file))
    assert applied.returncode == DONE, said(applied)
    exported = ramal(home, "export")
    assert office_file.read(exported.stdout.decode()) == office_file.read(OFFICE)
    again = ramal(home, "apply", "-", given=exported.stdout)
    assert "Nothing to change" in said(again)


def test_mistakes_are_listed_with_file_and_line(start: Start, home: Home, file: Path) -> None:
    start().up()
    file.write_text(OFFICE.replace("4711", "x").replace('name = "support"', 'name = "!"'))
    refused = ramal(home, "apply", str(file))
    assert refused.returncode == NOT_DONE
    assert said(refused).count(f"{file}:") >= 2


def test_the_status_is_shown_as_text_and_as_json(start: Start, home: Home, file: Path) -> None:
    start().up()
    ramal(home, "apply", str(file))
    shown = said(ramal(home, "status"))
    assert "Demo" in shown
    assert "Ana" in shown
    assert json.loads(ramal(home, "status", "--json").stdout)["office"]["name"] == "Demo"


def test_without_a_daemon_the_status_says_what_still_works(home: Home) -> None:
    result = ramal(home, "status")
    assert result.returncode == DAEMON_DOWN
    assert "Calls go on" in said(result)


def test_the_home_may_be_named_after_the_command_too(home: Home) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ramal", "status", "--home", str(home.root)], cwd=ROOT, capture_output=True, timeout=60
    )
    assert result.returncode == DAEMON_DOWN


def test_without_a_daemon_the_office_is_exported_from_the_database(start: Start, home: Home, file: Path) -> None:
    daemon = start().up()
    ramal(home, "apply", str(file))
    daemon.kill()
    assert office_file.read(ramal(home, "export").stdout.decode()) == office_file.read(OFFICE)


def test_without_a_daemon_an_office_is_put_into_force_for_asterisks_next_start(home: Home) -> None:
    alone = Alone(home, Peers(render, lambda office: None))
    assert alone.apply(OFFICE, "o.toml")["changes"]
    assert alone.apply(alone.export()["toml"], "o.toml")["changes"] == []
    assert "Demo" in (home.asterisk_etc / "features.conf").read_text()


def test_a_daemon_that_holds_the_lock_and_does_not_answer_is_named(home: Home, file: Path) -> None:
    with only_writer(home):
        result = ramal(home, "export")
    assert result.returncode == NOT_DONE
    assert f"(process {os.getpid()})" in said(result)


@pytest.mark.parametrize("data", [None, b"\xff\xfe", b"x" * 1_000_000, b"[office\n"])
def test_a_file_that_is_no_office_is_a_sentence(start: Start, home: Home, file: Path, data: bytes | None) -> None:
    start().up()
    file.unlink() if data is None else file.write_bytes(data)
    result = ramal(home, "apply", str(file))
    assert result.returncode == NOT_DONE
    assert str(file) in said(result)


def test_a_wrong_word_is_wrong_usage(home: Home) -> None:
    assert ramal(home, "dance").returncode == 2
