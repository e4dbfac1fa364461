"""A full disk under a real daemon: Asterisk is told ahead that new calls are not recorded, and that they are again.
Holds by command, with and without a daemon. Removing from a disk on which not one byte is left."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ramal.box.home import Home
from ramal.cli import DONE, NOT_DONE
from tests.fakes.ami_peer import AmiPeer
from tests.process.conftest import OFFICE, ROOT, DaemonProcess
from tests.process.test_cli import ramal, said
from tests.until import until

Start = Callable[..., DaemonProcess]


def alone(size_mb: int, folder: Path) -> list[str]:
    """A view of the files in which ``folder`` is a small disk of its own."""
    bwrap = shutil.which("bwrap")
    assert bwrap, "bubblewrap is one of the things make test provides"
    disk = ["--size", str(size_mb << 20), "--tmpfs", str(folder)]
    return [bwrap, "--dev-bind", "/", "/", *disk, "--die-with-parent", "--"]


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def test_a_full_disk_stops_recording_ahead_and_room_brings_it_back(start: Start, home: Home, asterisk: AmiPeer) -> None:
    asterisk.answers["DBPut"] = asterisk.answers["DBDel"] = asterisk.accept
    daemon = start(alone(64, home.recordings)).up()
    daemon.ask("apply", toml=OFFICE, file="o.toml")
    stuff = Path(f"/proc/{daemon.ask('ping')['pid']}/root{home.recordings}") / "stuff"
    fill(stuff)
    until(lambda: "recording-stopped" in [one["code"] for one in daemon.live()["warnings"]], 20)

    def put() -> list[tuple[str, str]]:
        told = [one for one in asterisk.named("DBPut") if one.get("Family") == "ramal-record"]
        return [(one.get("Key"), one.get("Val")) for one in told]

    until(put, 10, "Asterisk is told ahead")
    key, value = put()[-1]
    assert key == "full"
    assert int(value) > daemon.live()["at_ms"] // 1000 + 3600, "for hours, also when the daemon is dead"
    assert "NOT recorded (room)" in daemon.log

    def taken_back() -> int:
        return [one.get("Key") for one in asterisk.named("DBDel")].count("full")

    before = taken_back()
    stuff.unlink()
    until(lambda: "recording-stopped" not in [one["code"] for one in daemon.live()["warnings"]], 20)
    until(lambda: taken_back() > before, 10, "it is taken back")
    assert "new calls are recorded" in daemon.log


def test_a_hold_is_put_and_released_by_command_with_and_without_a_daemon(start: Start, home: Home) -> None:
    daemon = start().ready()
    daemon.ask("apply", toml=OFFICE, file="o.toml")
    hold = ("recordings", "hold", "number", "11 98765-4321", "--why", "processo 123", "--until", "2099-12-31")
    done = ramal(home, *hold)
    assert done.returncode == DONE, said(done)
    assert "Hold 1 is in force: number +5511987654321" in said(done)
    assert "2099-12-31" in said(ramal(home, "recordings", "holds"))
    assert "Recordings:" in said(ramal(home, "status"))
    daemon.kill()
    queue = ramal(home, "recordings", "hold", "queue", "sales", "--from", "2026-11-01", "--why", "acordo")
    assert queue.returncode == DONE, said(queue)
    assert ramal(home, "recordings", "release", "1").returncode == DONE
    again = ramal(home, "recordings", "release", "1")
    assert again.returncode == NOT_DONE
    assert "has ended already" in said(again)
    rows = [json.loads(line) for line in said(ramal(home, "recordings", "holds", "--json")).splitlines()]
    assert [(row["kind"], row["released_ms"] is None) for row in rows] == [("queue", True), ("number", False)]
    for wrong, sentence in (
        (("hold", "number", "twelve", "--why", "x"), "no telephone number"),
        (("hold", "queue", "sales", "--why", "x", "--from", "soon"), "no day"),
    ):
        refused = ramal(home, "recordings", *wrong)
        assert refused.returncode == NOT_DONE
        assert sentence in said(refused)


@pytest.mark.parametrize("ballast", [True, False])
def test_what_is_past_its_time_goes_from_a_disk_without_one_free_byte(tmp_path: Path, ballast: bool) -> None:
    """History and recordings on one disk, full: writing down that one goes needs the room that was kept aside."""
    words = [sys.executable, "-m", "tests.process.full_disk", str(tmp_path), "with" if ballast else "without"]
    done = subprocess.run([*alone(48, tmp_path), *words], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["free_before"] == 0
    if ballast:
        assert told["gone"] == 20, told
        assert told["left"] == 0
        assert told["flaws"] == []
    else:
        assert told["gone"] == 0, "or this test shows nothing"
