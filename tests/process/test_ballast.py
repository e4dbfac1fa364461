"""Room that is held on a real small disk, filled to its last byte, and let go by the process that does it on a box."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ramal.box import ballast
from ramal.box.home import Home
from ramal.core import ballast as rule
from tests.process.conftest import ROOT
from tests.process.test_keeping import alone, fill
from tests.until import until

PULSE = (
    "import time; real = time.sleep; time.sleep = lambda s: real(s / 200); from ramal.box import pulse; pulse.main()"
)
"""The box's own process, which looks every 30 s, in a hurry."""


def test_a_full_disk_gets_its_room_back_without_a_daemon(tmp_path: Path) -> None:
    home = Home(root=tmp_path / "box")
    home.prepare()
    command = [*alone((rule.TAKE_ABOVE >> 20) + 64, home.ballast.parent), sys.executable, "-c", PULSE]
    environment = os.environ | {"RAMAL_HOME": str(home.root), "PYTHONPATH": str(ROOT / "firmware")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    assert process.stderr
    try:
        assert b"are held for the day it is full" in process.stderr.readline()
        child = until(lambda: _children(process.pid), 10, "the process in its own view of the files")[0]
        folder = Path(f"/proc/{child}/root{home.ballast.parent}")
        assert (folder / "room").stat().st_blocks * 512 >= rule.BYTES, "held, not only promised"
        fill(folder / "stuff")
        assert (disk := os.statvfs(folder)).f_bavail * disk.f_frsize < 1 << 16
        assert b"are let go, so that calls go on" in process.stderr.readline()
        (folder / "needed").write_bytes(bytes(rule.BYTES // 2))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait()
        process.stderr.close()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(root=tmp_path)
    home.ballast.parent.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("whole")
    home.ballast.with_suffix(".part").symlink_to(victim)
    monkeypatch.setattr(rule, "TAKE_ABOVE", 0)
    monkeypatch.setattr(rule, "BYTES", 4096)
    assert "held" in ballast.look(home)
    assert victim.read_text() == "whole"
    assert home.ballast.stat().st_size == 4096
    monkeypatch.setattr(rule, "LET_GO_BELOW", 1 << 60)
    assert "let go" in ballast.look(home)
    assert not home.ballast.exists()
    assert ballast.look(Home(root=tmp_path / "nowhere")) == ""


def _children(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [deeper for child in found for deeper in (_children(child) or [child])]
