"""The boot selection on a disk: RAUC's backend, the sector in place, and what a full try does to real files.

Emulated here: ``mount -o remount`` and ``systemctl reboot`` (noted down, not run), the kernel's command line, and the
mounted boot selector (a folder with a 512-byte file). The sector itself is also overwritten inside a real FAT32 image.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ramal import cli
from ramal.box import slots as edge
from ramal.box.image import Image
from ramal.box.slots import Boot, NotAnImage, overwrite
from ramal.core import slots
from ramal.core.slots import Autoboot, Note, SlotsRefused, Trying
from ramal.errors import RamalError


class Machine:
    """An image's files below a folder."""

    def __init__(self, root: Path) -> None:
        self.image = Image(root)
        self.ran: list[str] = []
        self.boot = Boot(self.image, self.run, lambda: 1_795_000_000_000)
        for folder in ("etc", "proc/self", "bootsel", "data/system", "dev/virtio-ports", "run"):
            (root / folder).mkdir(parents=True)
        self.image.release.write_text("VERSION=1.0.0\nARCH=amd64\nBUILT=2026-11-22\n")
        self.image.autoboot.write_bytes(slots.render_autoboot("A"))
        self.starts("A")

    def run(self, argv: list[str]) -> None:
        self.ran.append(" ".join(word.replace(str(self.image.root), "") for word in argv))

    def starts(self, slot: str, version: str = "1.0.0") -> None:
        self.image.command_line.write_text(f"quiet ramal.slot={slot} panic=10\n")
        self.image.release.write_text(f"VERSION={version}\nARCH=amd64\n")

    def port(self) -> Path:
        port = self.image.tryboot_flags[0]
        port.touch()
        return port


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def asked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """``ramal slot …`` as RAUC runs it: exit code and standard output."""
    monkeypatch.setenv("RAMAL_IMAGE_ROOT", str(machine.image.root))
    monkeypatch.setenv("RAMAL_HOME", str(machine.image.root / "home"))

    def ask(*words: str) -> tuple[int, str]:
        code = cli.main(["slot", *words])
        return code, capsys.readouterr().out

    return ask


def test_rauc_is_answered_in_one_word(machine: Machine, asked: Callable[..., tuple[int, str]]) -> None:
    assert asked("get-current") == (0, "A\n")
    assert asked("get-primary") == (0, "A\n")
    assert asked("get-state", "A") == (0, "good\n")
    assert asked("get-state", "B") == (0, "bad\n")


def test_an_installation_arms_the_other_slot_and_leaves_the_boot_sector_alone(
    machine: Machine, asked: Callable[..., tuple[int, str]]
) -> None:
    before = machine.image.autoboot.read_bytes()
    assert asked("set-state", "B", "bad") == (0, "")
    assert machine.boot.facts().note("B").state == "writing"
    assert asked("get-state", "B") == (0, "bad\n")
    assert asked("set-primary", "B") == (0, "")
    assert asked("get-primary") == (0, "B\n")
    assert asked("get-state", "B") == (0, "good\n")
    assert machine.boot.facts().trying == Trying("B", "armed")
    assert asked("set-primary", "A") == (0, "")
    assert asked("get-primary") == (0, "A\n")
    assert machine.image.autoboot.read_bytes() == before


@pytest.mark.parametrize(
    "words", [("set-state", "A", "bad"), ("set-state", "B", "good"), ("set-state", "B", "fine"), ("set-primary",)]
)
def test_what_must_not_be_is_refused_by_its_exit_code(
    words: tuple[str, ...], machine: Machine, asked: Callable[..., tuple[int, str]]
) -> None:
    assert asked(*words) == (1, "")
    assert machine.boot.facts().trying is None


def test_while_on_trial_rauc_may_write_neither_slot(machine: Machine, asked: Callable[..., tuple[int, str]]) -> None:
    machine.starts("B")
    assert asked("set-state", "A", "bad")[0] == 1
    assert asked("set-primary", "A")[0] == 1


def test_a_whole_try_that_is_kept(machine: Machine) -> None:
    boot, port = machine.boot, machine.port()
    with boot.alone():
        boot.carry_out(slots.before_writing(boot.facts(), "B", 1))
        boot.carry_out(slots.written(boot.facts(), "B", 2))
        boot.carry_out(slots.named(boot.facts(), "B", "1.1.0", 3))
        boot.carry_out(slots.try_now(boot.facts(), 4))
    assert port.read_text() == "tryboot\n"
    assert machine.ran == ["systemctl reboot"]
    machine.starts("B", "1.1.0")
    inode = machine.image.autoboot.stat().st_ino
    with boot.alone():
        assert slots.after_boot(boot.facts(), 5) == ()
        boot.carry_out(slots.good(boot.facts(), "1.1.0", 6))
    assert machine.ran[1:] == ["mount -o remount,rw /bootsel", "mount -o remount,ro /bootsel"]
    assert machine.image.autoboot.stat().st_ino == inode
    assert os.listdir(machine.image.bootsel) == ["autoboot.txt"]
    assert boot.facts().autoboot == Autoboot("B", "A")
    assert boot.facts().note("B") == Note("good", "1.1.0", at_ms=6)
    assert [entry.what for entry in boot.history()] == ["kept", "started", "installed"]


def test_the_pi_module_gets_its_own_word(machine: Machine) -> None:
    parameter = machine.image.tryboot_flags[1]
    parameter.parent.mkdir(parents=True)
    parameter.touch()
    machine.boot.carry_out((slots.Reboot(once=True),))
    assert parameter.read_text() == "1\n"


def test_without_a_way_to_try_nothing_is_restarted(machine: Machine) -> None:
    with pytest.raises(RamalError, match="no way to start the other release once"):
        machine.boot.carry_out((slots.Reboot(once=True),))
    assert machine.ran == []
    with machine.boot.alone():
        machine.boot.carry_out(slots.written(machine.boot.facts(), "B", 1))
        with pytest.raises(RamalError, match="no way"):
            machine.boot.carry_out(slots.try_now(machine.boot.facts(), 2))
    assert machine.boot.facts().note("B").tries == 0


def test_a_machine_without_an_image_says_how_it_is_updated(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="with git"):
        Boot(Image(tmp_path)).facts()


def test_a_sector_is_never_made_longer_nor_made(tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"[all]\n")
    with pytest.raises(RamalError, match="shorter than 512"):
        overwrite(short, slots.render_autoboot("B"))
    assert short.read_bytes() == b"[all]\n"
    with pytest.raises(FileNotFoundError):
        overwrite(tmp_path / "none", slots.render_autoboot("B"))
    assert not (tmp_path / "none").exists()


def test_a_sector_that_does_not_read_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "autoboot.txt"
    path.write_bytes(slots.render_autoboot("A"))
    monkeypatch.setattr(os, "pread", lambda *_: b"other")
    with pytest.raises(RamalError, match="does not read back"):
        overwrite(path, slots.render_autoboot("B"))


@pytest.mark.skipif(not (shutil.which("mkfs.vfat") and shutil.which("mcopy")), reason="no mtools or dosfstools")
def test_the_sector_in_a_real_fat_leaves_it_clean(tmp_path: Path) -> None:
    """The file's one sector is found in the image and written over as ``overwrite`` does through the mounted file."""
    disk, file = tmp_path / "p1.img", tmp_path / "autoboot.txt"
    with disk.open("wb") as made:
        made.truncate(64 << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", "BOOTSEL", str(disk)], check=True, capture_output=True)
    file.write_bytes(slots.render_autoboot("A"))
    subprocess.run(["mcopy", "-i", str(disk), str(file), "::autoboot.txt"], check=True)
    at = disk.read_bytes().find(slots.render_autoboot("A"))
    assert at > 0
    assert at % slots.SECTOR == 0
    with disk.open("r+b") as written:
        os.pwrite(written.fileno(), slots.render_autoboot("B"), at)
    read = subprocess.run(["mtype", "-i", str(disk), "::autoboot.txt"], check=True, capture_output=True).stdout
    assert slots.parse_autoboot(read) == Autoboot("B", "A")
    subprocess.run(["fsck.vfat", "-n", str(disk)], check=True, capture_output=True)


def test_notes_can_be_read_by_the_daemon_and_survive_a_torn_tail(machine: Machine) -> None:
    boot = machine.boot
    with boot.alone():
        boot.carry_out(slots.written(boot.facts(), "B", 1))
        (machine.image.slots / "history.jsonl").write_text('{"at_ms": 1, "what": "in')
        boot.carry_out(slots.failed("B", "1.1", "signature", 7))
    assert [entry.why for entry in boot.history()] == ["signature"]
    assert (machine.image.slots / "B").stat().st_mode & 0o777 == 0o644


def test_the_history_does_not_grow_without_end(machine: Machine) -> None:
    boot = machine.boot
    with boot.alone():
        for n in range(40):
            boot.carry_out(slots.failed("B", "1.1", "x" * 300 + str(n), n) * 20)
    assert (machine.image.slots / "history.jsonl").stat().st_size < 2 * edge.HISTORY_BYTES
    assert boot.history(1)[0].why.endswith("x")


def test_two_commands_do_not_change_the_selection_at_once(machine: Machine) -> None:
    """The second process waits for the first one's lock."""
    code = (
        "import sys; from pathlib import Path; from ramal.box.image import Image; from ramal.box.slots import Boot\n"
        "b = Boot(Image(Path(sys.argv[1])))\n"
        "print('here', flush=True)\n"
        "with b.alone(): print('in', flush=True)\n"
    )
    with machine.boot.alone():
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(machine.image.root)], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "here\n"
        assert other.poll() is None
    assert other.stdout.read() == "in\n"
    assert other.wait(10) == 0
    other.stdout.close()


def test_the_owner_sees_both_slots(machine: Machine, asked: Callable[..., tuple[int, str]]) -> None:
    boot = machine.boot
    with boot.alone():
        boot.carry_out(slots.good(boot.facts(), "1.0.0", 1))
        boot.carry_out(slots.written(boot.facts(), "B", 2))
    code, said = asked("status")
    assert code == 0
    assert said.splitlines() == ["A  1.0.0  good  runs, boots by itself", "B  ?  new  is to be tried"]
    table = json.loads(asked("status", "--json")[1])
    assert (table["running"], table["armed"], table["on_trial"]) == ("A", "B", False)


def test_going_back_needs_a_release_that_was_healthy(machine: Machine) -> None:
    with pytest.raises(SlotsRefused):
        slots.back(machine.boot.facts(), 1)
