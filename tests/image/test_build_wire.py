"""The proofs' own network and shell, as far as they are arithmetic; and what the box's files must hold for them."""

import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ramal_image import ImageError, build, bundle, cuts, kernel, system
from ramal_image.proof import power, releases
from ramal_image.qemu import shell, vm, wire

ROOT = Path(__file__).parents[2]


def _dhcp(kind: int) -> bytes:
    head = struct.pack(">BBBB", 1, 1, 6, 0) + b"\x11\x22\x33\x44" + bytes(2) + b"\x80\x00" + bytes(16)
    return head + b"\x52\x54\x00\x12\x34\x56" + bytes(10) + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, kind, 255])


@pytest.mark.parametrize(("asked", "answered"), [(1, 2), (3, 5)])
def test_a_box_that_asks_for_an_address_gets_the_one_there_is(asked: int, answered: int) -> None:
    reply = wire.answer(_dhcp(asked))
    assert reply is not None
    assert reply[0] == 2
    assert reply[4:8] == b"\x11\x22\x33\x44"
    assert reply[16:20] == socket.inet_aton(wire.BOX)
    assert reply[28:34] == b"\x52\x54\x00\x12\x34\x56"
    assert bytes([53, 1, answered]) in reply[240:]
    assert bytes([1, 4, 255, 255, 255, 0]) in reply[240:]


@pytest.mark.parametrize("junk", [b"", bytes(239), bytes(300), _dhcp(7), _dhcp(1)[:240] + b"\x35"])
def test_what_is_no_question_gets_no_answer(junk: bytes) -> None:
    assert wire.answer(junk) is None


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_shell_is_opened_by_the_harness_and_by_nothing_in_the_image(arch: str) -> None:
    assert "debug_shell" not in build.command_line(arch, "A")
    assert shell.PORT[arch] in shell.switch(arch)
    assert "debug_shell" not in (ROOT / "image/initramfs/init").read_text()
    listed = (ROOT / "systemd/enabled").read_text()
    assert "debug-shell" not in listed
    assert not {name for name in system.ENABLED if "debug" in name}


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_each_slots_command_line_names_its_slot_and_the_bundles_hook_can_change_it(arch: str) -> None:
    line = build.command_line(arch, "A")
    assert line.count("ramal.slot=A") == 1
    assert "\n" not in line
    assert " gpt " in line
    assert "panic=" in line
    assert r"s/ramal\.slot=[AB]/" in bundle._HOOK


def test_a_proof_with_a_tap_forwards_no_port_of_this_machine() -> None:
    words = vm.argv(vm.Machine("arm64", Path("k"), Path("i"), "", "d", tap="ramal0"), Path("/s"))
    assert "tap,ifname=ramal0,script=no,downscript=no,model=virtio-net-pci" in words
    assert not [word for word in words if "hostfwd" in word]


def test_whatever_is_in_systemd_has_its_place_in_the_image(tmp_path: Path) -> None:
    system.units(ROOT / "systemd", tmp_path)
    for name in filter(
        None, (line.split("#")[0].strip() for line in (ROOT / "systemd/enabled").read_text().splitlines())
    ):
        assert (tmp_path / "usr/lib/systemd/system" / name).is_file(), name


def test_a_folder_of_systemd_without_a_place_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "systemd/surprise.d").mkdir(parents=True)
    with pytest.raises(ImageError, match=r"surprise\.d"):
        system.units(tmp_path / "systemd", tmp_path / "root")


def test_the_cuts_take_compilers_package_managers_and_nothing_through_a_link(tmp_path: Path) -> None:
    for name in ("usr/bin/apt-get", "usr/bin/dpkg", "usr/bin/perl", "usr/bin/python3.14", "var/lib/dpkg/status"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (tmp_path / "usr/share").mkdir()
    (tmp_path / "usr/share/doc").symlink_to(kept)
    cuts.cut(tmp_path)
    assert sorted(path.name for path in (tmp_path / "usr/bin").iterdir()) == ["python3.14"]
    assert (kept / "file").exists()
    assert not (tmp_path / "usr/share/doc").is_symlink()
    assert not (tmp_path / "var/lib/dpkg").exists()


def test_no_program_keeps_its_set_user_id_bit(tmp_path: Path) -> None:
    path = tmp_path / "su"
    path.write_text("x")
    path.chmod(0o4755)
    assert cuts.setuid(tmp_path) == [Path("su")]
    assert path.stat().st_mode & 0o7777 == 0o755


def test_debians_version_of_asterisk_becomes_asterisks_own() -> None:
    assert system.asterisk_version("1:22.10.1+dfsg+~cs6.17.60671434-1") == "22.10.1"
    with pytest.raises(ImageError):
        system.asterisk_version("unknown")


def test_two_kernels_in_one_root_are_refused(tmp_path: Path) -> None:
    for name in ("7.2.12", "7.2.13"):
        (tmp_path / "usr/lib/modules" / name).mkdir(parents=True)
    with pytest.raises(ImageError):
        kernel.version(tmp_path)


def test_the_power_proofs_program_reaches_the_box_whole_in_lines_that_a_terminal_takes() -> None:
    compile(power.WRITER, "writer", "exec")
    *lines, _ = power.typed()
    program = "import base64,os,zlib;print(zlib.decompress(base64.b64decode(os.environ['w'])).decode())"
    script = "\n".join([*lines[1:], f'export w; {sys.executable} -c "{program}"'])
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert told.stdout.strip() == power.WRITER.strip()
    assert max(len(line) for line in power.typed()) < 250


def test_the_release_that_never_starts_differs_from_a_good_one_by_one_word_of_its_command_line() -> None:
    assert releases.NEVER.startswith("ramal.init=")
    assert len(releases.NEVER.split()) == 1
