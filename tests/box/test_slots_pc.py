"""A try of the other release on a PC: one sector beside autoboot.txt, written by a unit that may mount for it.

Emulated: systemd (what its unit runs is run here), the mounted boot selector (a folder with two 512-byte files) and
GRUB (``ramal_image.envblk`` says what it would start).
"""

import argparse
from pathlib import Path

import pytest

from ramal.box.slots import Boot, run
from ramal.core import slots
from ramal.errors import RamalError
from ramal_image import envblk
from tests.box.test_slots import Machine

UNIT = Path(__file__).parents[2] / "systemd/ramal-try@.service"


class Pc(Machine):
    """Started by GRUB. ``obeys``: whether the unit does what it is asked; ``before``: what is called before it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.obeys, self.mounted = True, list[str]()
        self.image.slots.mkdir()
        self.image.try_env.write_bytes(slots.render_try(None))
        self.image.autoboot.write_bytes(slots.render_autoboot("A", for_grub=True))
        self.starts("A")

    def run(self, argv: list[str]) -> None:
        super().run(argv)
        if argv[:2] == ["systemctl", "start"] and self.obeys:
            act = argv[2].removeprefix("ramal-try@").removesuffix(".service")
            assert run(Boot(self.image, self.unit), argparse.Namespace(act=act, slot="", state="")) == 0

    def unit(self, argv: list[str]) -> None:
        self.mounted.append(" ".join(word.replace(str(self.image.root), "") for word in argv))

    def starts(self, slot: str, version: str = "1.0.0") -> None:
        super().starts(slot, version)
        self.image.command_line.write_text(f"quiet ramal.slot={slot} panic=10 ramal.loader=grub ramal.bootsel=1-2\n")

    def next_start(self) -> envblk.Start:
        return envblk.start(self.image.autoboot.read_bytes(), self.image.try_env.read_bytes())

    def arm(self) -> None:
        self.boot.carry_out(slots.before_writing(self.boot.facts(), "B", 1))
        self.boot.carry_out(slots.written(self.boot.facts(), "B", 2))


@pytest.fixture
def pc(tmp_path: Path) -> Pc:
    return Pc(tmp_path)


def test_a_try_is_written_in_place_and_then_the_box_restarts(pc: Pc) -> None:
    inode = pc.image.try_env.stat().st_ino
    pc.arm()
    assert not pc.next_start().once
    pc.boot.carry_out(slots.try_now(pc.boot.facts(), 3))
    assert pc.ran == ["systemctl start ramal-try@once.service", "systemctl reboot"]
    assert pc.mounted == ["mount -o remount,rw /bootsel", "mount -o remount,ro /bootsel"]
    assert (pc.next_start().order[0], pc.next_start().once) == (3, True)
    assert pc.image.try_env.stat().st_ino == inode
    assert pc.image.try_env.stat().st_size == slots.SECTOR
    assert pc.image.autoboot.read_bytes() == slots.render_autoboot("A", for_grub=True)


def test_what_is_kept_is_what_grub_starts_from_then_on_and_a_try_then_means_the_other_one(pc: Pc) -> None:
    pc.starts("B")
    pc.boot.carry_out(slots.good(pc.boot.facts(), "1.1.0", 4))
    assert pc.next_start().order[0] == 3
    assert pc.image.autoboot.read_bytes() == slots.render_autoboot("B", for_grub=True)
    pc.boot.carry_out(slots.before_writing(pc.boot.facts(), "A", 5))
    pc.boot.carry_out(slots.written(pc.boot.facts(), "A", 6))
    pc.boot.carry_out(slots.try_now(pc.boot.facts(), 7))
    assert (pc.next_start().order[0], pc.next_start().once) == (2, True)


def test_a_flag_that_was_not_written_restarts_nothing(pc: Pc) -> None:
    pc.arm()
    pc.obeys = False
    with pytest.raises(RamalError, match="Nothing was restarted"):
        pc.boot.carry_out(slots.try_now(pc.boot.facts(), 3))
    assert "systemctl reboot" not in pc.ran


def test_a_try_whose_restart_never_came_is_taken_back_before_the_slot_is_written_over(pc: Pc) -> None:
    pc.arm()
    pc.image.try_env.write_bytes(slots.render_try("B"))
    seen: list[bool] = []
    plan = slots.before_writing(pc.boot.facts(), "B", 8)

    def runs(argv: list[str]) -> None:
        seen.append(pc.boot.facts().note("B").state == "new")
        pc.run(argv)

    whole = Boot(pc.image, runs)
    whole.carry_out(plan)
    assert seen == [True], "the flag goes first: no note was written yet"
    assert not pc.next_start().once
    assert pc.boot.facts().note("B").state == "writing"


def test_a_try_that_cannot_be_taken_back_leaves_the_slot_as_it_is(pc: Pc) -> None:
    pc.arm()
    pc.image.try_env.write_bytes(slots.render_try("B"))
    pc.obeys = False
    with pytest.raises(RamalError):
        pc.boot.carry_out(slots.before_writing(pc.boot.facts(), "B", 8))
    assert pc.boot.facts().note("B").state == "new"


def test_without_the_sector_a_try_is_refused_and_nothing_is_noted(pc: Pc) -> None:
    pc.arm()
    pc.image.try_env.unlink()
    pc.port()  # QEMU's port is there too, and is not what takes the next start
    before = pc.boot.facts()
    with pytest.raises(RamalError, match="no way to start"):
        pc.boot.carry_out(slots.try_now(before, 3))
    assert pc.boot.facts() == before


def test_the_same_image_behind_the_emulated_pi_loader_tries_by_its_port(pc: Pc) -> None:
    pc.arm()
    pc.image.command_line.write_text("quiet ramal.slot=A\n")
    port = pc.port()
    pc.boot.carry_out(slots.try_now(pc.boot.facts(), 3))
    assert port.read_text() == "tryboot\n"
    assert pc.image.try_env.read_bytes() == slots.render_try(None)


def test_a_flag_whose_selector_cannot_be_read_tries_nothing(pc: Pc) -> None:
    pc.image.autoboot.write_bytes(bytes(512))
    assert run(Boot(pc.image, pc.unit), argparse.Namespace(act="once", slot="", state="")) == 0
    assert pc.image.try_env.read_bytes() == slots.render_try(None)


def test_a_machine_without_the_flag_says_so_and_leaves_the_partition_read_only(pc: Pc) -> None:
    pc.image.try_env.unlink()
    with pytest.raises(RamalError, match="one-shot flag could not be written"):
        Boot(pc.image, pc.unit).write_try("B")
    assert not pc.image.try_env.exists()
    assert pc.mounted[-1] == "mount -o remount,ro /bootsel"


def test_a_pis_selector_gets_no_heading(pc: Pc) -> None:
    pc.image.release.write_text("VERSION=1.0.0\nARCH=arm64\n")
    pc.boot.carry_out((slots.WriteAutoboot("B"),))
    assert pc.image.autoboot.read_bytes() == slots.render_autoboot("B")


def test_the_unit_runs_the_two_acts_and_may_mount() -> None:
    text = UNIT.read_text()
    assert "ExecStart=/opt/ramal/bin/ramal slot %i\n" in text
    assert "CapabilityBoundingSet=CAP_SYS_ADMIN\n" in text
    assert "SystemCallFilter=@mount\n" in text
