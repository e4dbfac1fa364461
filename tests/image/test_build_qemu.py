"""The board and the disk of the image's proofs, without any virtual machine."""

import os
import random
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from ramal_image import ImageError, autoboot, disk, layout
from ramal_image.qemu import firmware, vm, volume
from ramal_image.qemu.firmware import Board, Booted
from ramal_image.qemu.vm import Forward, Machine
from ramal_image.qemu.volume import SECTOR, Cache, Volume

MACHINE = Machine("amd64", Path("k"), Path("i"), "console=ttyS0", "card.img", forwards=[Forward("tcp", 8080, 80)])


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A card that holds the boot selector and slot A's boot partition."""
    selector, boot, card = tmp_path / "sel", tmp_path / "boot", tmp_path / "card.img"
    disk.bootsel(selector, "1", "amd64", 1_000_000_000)
    files = {}
    for name, text in (("kernel8.img", "K"), ("initramfs.zst", "I"), ("cmdline.txt", "console=serial0 ramal.slot=A\n")):
        (tmp_path / name).write_text(text)
        files[name] = tmp_path / name
    (tmp_path / "config.txt").write_text("[all]\nkernel=kernel8.img\ninitramfs initramfs.zst followkernel\n")
    disk.fat(boot, layout.BOOT_A, "B", "12345678", files | {"config.txt": tmp_path / "config.txt"}, 1_000_000_000)
    disk.assemble(card, "1", "amd64", {layout.BOOTSEL: selector, layout.BOOT_A: boot})
    return Board(card, MACHINE, tmp_path)


def test_the_loader_boots_what_is_usual_and_a_try_only_once(board: Board) -> None:
    assert board.choose() == Booted(2, tried=False)
    board.tryboot = True
    assert board.choose() == Booted(3, tried=True)
    assert board.choose() == Booted(2, tried=False)


def test_what_the_box_wrote_over_the_sector_is_what_boots_next(board: Board) -> None:
    with board.image.open("r+b") as file:
        whole = file.read(layout.BOOTSEL.start + layout.BOOTSEL.size)
        at = whole.index(autoboot.text(autoboot.Choice(2, 3)))
        file.seek(at)
        file.write(autoboot.text(autoboot.Choice(3, 2)))
    assert board.choose() == Booted(3, tried=False)


def test_the_one_shot_flag_is_read_after_the_machine_ended(board: Board) -> None:
    (board.scratch / "tryboot").write_bytes(b"tryboot\n")
    board.ended()
    assert board.tryboot
    (board.scratch / "tryboot").write_bytes(b"")
    board.ended()
    assert not board.tryboot


def test_the_image_has_the_partitions_where_the_arithmetic_says(board: Board) -> None:
    shown = subprocess.run(["sfdisk", "--dump", board.image], capture_output=True, text=True, check=True).stdout
    for part in layout.PARTITIONS:
        line = next(line for line in shown.splitlines() if f'name="{part.name}"' in line)
        assert f"start={part.start // 512:12d}".replace(" ", "") in line.replace(" ", "")
    assert f"label-id: {layout.guid('1', 'amd64', 'disk')}" in shown


def test_a_card_that_was_never_started_says_that_its_data_is_to_be_made(board: Board) -> None:
    with board.image.open("rb") as file:
        file.seek(layout.STATE_OFFSET)
        assert file.read(SECTOR) == layout.state_sector(layout.STATE_NEW)


def test_the_same_card_is_made_twice_byte_for_byte(tmp_path: Path) -> None:
    for name in ("one", "two"):
        disk.bootsel(tmp_path / name, "1", "arm64", 1_000_000_000)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_config_and_command_line_are_read_as_the_loader_does() -> None:
    text = "# a\n[pi5]\nkernel=other.img\n[all]\nkernel=kernel8.img\ninitramfs initramfs.zst followkernel\n"
    assert firmware.settings(text) == {"kernel": "kernel8.img", "initramfs": "initramfs.zst followkernel"}
    assert firmware.command_line("console=serial0,115200 quiet\n\n", "arm64") == "console=ttyAMA0,115200 quiet"


def test_qemus_command_line_forwards_ports_on_loopback_only() -> None:
    words = vm.argv(MACHINE, Path("/s"))
    assert words[0] == "qemu-system-x86_64"
    assert "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:8080-:80" in words
    assert "tcg,thread=multi" in words
    assert "-no-reboot" in words


def test_a_machine_that_ends_before_it_said_anything_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "qemu-system-x86_64"
    stand_in.write_text("#!/bin/sh\necho no such machine >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ImageError, match="no such machine"):
        vm.start(MACHINE)


def _cache(tmp_path: Path, seed: int = 1, size: int = 64 * SECTOR) -> Cache:
    path = tmp_path / "disk"
    path.write_bytes(bytes(size))
    return Cache(os.open(path, os.O_RDWR), size, random.Random(seed))


def test_a_write_is_seen_at_once_and_lasts_only_when_flushed(tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.write(SECTOR, b"a" * SECTOR)
    assert cache.read(SECTOR, SECTOR) == b"a" * SECTOR
    assert (tmp_path / "disk").read_bytes() == bytes(64 * SECTOR)
    cache.flush()
    assert (tmp_path / "disk").read_bytes()[SECTOR : 2 * SECTOR] == b"a" * SECTOR
    os.close(cache.file)


def test_later_writes_lie_over_earlier_ones(tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.write(0, b"a" * 2 * SECTOR)
    cache.write(SECTOR, b"b" * SECTOR)
    assert cache.read(0, 3 * SECTOR) == b"a" * SECTOR + b"b" * SECTOR + bytes(SECTOR)
    os.close(cache.file)


def test_a_cut_keeps_what_was_flushed_and_loses_tears_and_keeps_of_the_rest(tmp_path: Path) -> None:
    cache = _cache(tmp_path, seed=3)
    cache.write(0, b"f" * SECTOR)
    cache.flush()
    for at in range(1, 60, 3):
        cache.write(at * SECTOR, bytes([at]) * 3 * SECTOR)
    cache.cut()
    data = (tmp_path / "disk").read_bytes()
    assert data[:SECTOR] == b"f" * SECTOR
    assert cache.counts.lost > 0
    assert cache.counts.kept > 0
    assert cache.counts.torn > 0
    assert cache.counts.lost + cache.counts.kept + cache.counts.torn == 20
    for at in range(64):  # a sector is whole, or as it was
        assert len(set(data[at * SECTOR : (at + 1) * SECTOR])) == 1
    os.close(cache.file)


def _talk(line: socket.socket) -> int:
    """The client's side of the greeting (NBD_OPT_EXPORT_NAME); the size."""
    assert line.recv(18, socket.MSG_WAITALL)[:8] == b"NBDMAGIC"
    line.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 0))
    size, _ = struct.unpack(">QH", line.recv(10, socket.MSG_WAITALL))
    return int(size)


def _ask(line: socket.socket, kind: int, offset: int = 0, data: bytes = b"", length: int = 0) -> bytes:
    line.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 7, offset, len(data) or length) + data)
    head = line.recv(16, socket.MSG_WAITALL)
    if len(head) < 16:
        return b"gone"
    return line.recv(length, socket.MSG_WAITALL) if kind == 0 else b""


def test_the_disk_serves_a_client_and_drops_it_at_the_write_it_was_told(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    image.write_bytes(bytes(16 * SECTOR))
    served = Volume(image, tmp_path / "socket", seed=1)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(tmp_path / "socket"))
        assert _talk(line) == 16 * SECTOR
        assert _ask(line, volume._WRITE, 0, b"x" * SECTOR) == b""
        assert _ask(line, volume._READ, 0, length=SECTOR) == b"x" * SECTOR
        assert image.read_bytes() == bytes(16 * SECTOR)
        assert _ask(line, volume._FLUSH) == b""
        assert image.read_bytes()[:SECTOR] == b"x" * SECTOR
        served.cut_after(2)
        assert _ask(line, volume._WRITE, SECTOR, b"y" * SECTOR) == b""
        assert not served.cut_reached.is_set()
        assert _ask(line, volume._WRITE, 2 * SECTOR, b"z" * SECTOR) == b"gone"
        assert served.cut_reached.is_set()
    counts = served.cut()
    assert counts.lost + counts.kept + counts.torn == 2
    served.close()
    assert image.read_bytes()[:SECTOR] == b"x" * SECTOR


def test_only_a_fault_of_qemu_before_the_image_ran_is_begun_again() -> None:
    fell = "[    1.054297] Oops: int3: 0000 [#2] SMP PTI\nKernel panic - not syncing: Fatal exception in interrupt"
    assert vm.fell_over(fell)
    assert not vm.fell_over("ramal-initrd: root=/dev/vda4 slot=A up=9.95\n" + fell)
    assert not vm.fell_over("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100")
