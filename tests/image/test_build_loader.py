"""How a PC starts: what lies on its first partition, and what GRUB makes of every sector that the box can write.

GRUB itself is modelled here (``ramal_image.envblk``, from its source); the proof ``uefi`` holds the same model against
the real one. Where the machine has grub-common, its own tools check the script and the files too.
"""

import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest

from ramal.core import slots
from ramal.core.slots import Slot
from ramal_image import ImageError, autoboot, debs, disk, envblk, layout, loader
from ramal_image.autoboot import Choice
from ramal_image.debs import Deb
from ramal_image.qemu import vm
from ramal_image.qemu.firmware import command_line
from ramal_image.qemu.vm import Machine

CHECKOUT = Path(__file__).parents[2]
SCRIPT = CHECKOUT / "image/loader/grub.cfg"
EVERY_TRY: tuple[Slot | None, ...] = (None, "A", "B")
EDITENV = shutil.which("grub-editenv")
CHECK = shutil.which("grub-script-check")


@pytest.mark.parametrize("default", slots.SLOTS)
def test_grub_and_a_pi_read_the_same_partition_in_the_same_sector(default: Slot) -> None:
    sector = slots.render_autoboot(default, for_grub=True)
    assert len(sector) == slots.SECTOR
    assert envblk.load(sector, "boot_partition") == str(slots.PARTITION[default])
    assert autoboot.read(sector).usual == slots.PARTITION[default]
    assert autoboot.read(sector) == autoboot.read(slots.render_autoboot(default))
    assert slots.parse_autoboot(sector) == slots.parse_autoboot(slots.render_autoboot(default))


def test_only_the_line_of_all_is_a_boot_partition_to_grub() -> None:
    """Its names run over ends of lines to the next “=”: the other line's name is another one."""
    assert list(envblk.pairs(slots.render_autoboot("A", for_grub=True))) == [
        ("[all]\ntryboot_a_b", "1"),
        ("boot_partition", "2"),
        ("[tryboot]\nboot_partition", "3"),
    ]


def test_a_pis_sector_has_no_heading_and_stays_as_it_was() -> None:
    assert slots.render_autoboot("A").startswith(b"[all]\n")
    assert autoboot.text(Choice(2, 3)) == slots.render_autoboot("A")
    assert autoboot.text(Choice(2, 3), "amd64") == slots.render_autoboot("A", for_grub=True)


def test_a_sector_torn_between_two_texts_starts_what_one_of_them_named() -> None:
    old, new = (slots.render_autoboot(slot, for_grub=True) for slot in slots.SLOTS)
    for at in range(slots.SECTOR + 1):
        for torn in (new[:at] + old[at:], old[:at] + new[at:]):
            assert envblk.load(torn, "boot_partition") in ("2", "3")


@pytest.mark.parametrize(("default", "wanted"), list(product(slots.SLOTS, EVERY_TRY)))
def test_a_try_is_started_first_and_is_taken_back_before(default: Slot, wanted: Slot | None) -> None:
    usual = slots.PARTITION[default]
    found = envblk.start(slots.render_autoboot(default, True), slots.render_try(wanted))
    assert found.once == (wanted is not None)
    assert found.order[0] == (slots.PARTITION[wanted] if wanted else usual)
    assert found.order[-2:] == (usual, 5 - usual)
    assert found.try_env == slots.render_try(None)
    assert slots.parse_try(found.try_env) is None
    again = envblk.start(slots.render_autoboot(default, True), found.try_env)
    assert (again.order[0], again.once) == (usual, False)


def test_on_a_disk_that_does_not_take_the_write_nothing_is_tried() -> None:
    found = envblk.start(slots.render_autoboot("A", True), slots.render_try("B"), writes=False)
    assert (found.order[0], found.once) == (2, False)


@pytest.mark.parametrize("flag", [b"", bytes(512), b"#" * 512, b"try=3\n", envblk.HEADING + b"try=3"])
def test_a_flag_that_is_none_tries_nothing(flag: bytes) -> None:
    assert envblk.start(slots.render_autoboot("B", True), flag) == envblk.Start((3, 2), False, flag)
    assert slots.parse_try(flag) is None


@pytest.mark.parametrize("selector", [b"", bytes(512), b"\n" * 512, slots.render_autoboot("B"), envblk.HEADING * 3])
def test_a_selector_that_cannot_be_read_starts_what_a_new_disk_starts(selector: bytes) -> None:
    assert envblk.start(selector, slots.render_try(None)).order == (2, 3)


@pytest.mark.parametrize("wanted", EVERY_TRY)
def test_the_box_reads_its_own_flag(wanted: Slot | None) -> None:
    sector = slots.render_try(wanted)
    assert len(sector) == slots.SECTOR
    assert slots.parse_try(sector) == wanted
    assert envblk.load(sector, "try") == (str(slots.PARTITION[wanted]) if wanted else "0")
    assert slots.render_try(None) == loader.NO_TRY


@pytest.mark.skipif(EDITENV is None, reason="no grub-common on this machine")
@pytest.mark.parametrize("default", slots.SLOTS)
def test_grubs_own_tool_reads_the_same(default: Slot, tmp_path: Path) -> None:
    for name, data in (("s", slots.render_autoboot(default, True)), ("t", slots.render_try("B"))):
        (tmp_path / name).write_bytes(data)
        done = subprocess.run([str(EDITENV), tmp_path / name, "list"], capture_output=True, text=True, check=True)
        assert done.stdout == "".join(f"{key}={value}\n" for key, value in envblk.pairs(data))
    subprocess.run([str(EDITENV), tmp_path / "t", "set", "try=0"], check=True)
    assert (tmp_path / "t").read_bytes() == envblk.save(slots.render_try("B"), "try", "0") == slots.render_try(None)


@pytest.mark.skipif(CHECK is None, reason="no grub-common on this machine")
def test_grubs_own_tool_takes_the_script() -> None:
    subprocess.run([str(CHECK), SCRIPT], check=True)


def test_the_script_takes_a_try_back_and_reads_that_back_before_anything_is_started() -> None:
    lines = [line.strip() for line in SCRIPT.read_text().splitlines() if line.strip() and not line.startswith("#")]
    begins = lines.index('start $once ", once"')
    saved = next(number for number, line in enumerate(lines) if "save_env" in line)
    assert lines[saved : saved + 4] == [
        'if save_env -f "($root)/try.env" try; then',
        "unset try",
        'load_env -f "($root)/try.env" try',
        'if [ "$try" = 0 ]; then',
    ]
    assert saved < begins
    assert [line for line in lines if line.startswith("start ")] == [
        'start $once ", once"',
        "start $usual",
        "start $other",
    ]
    assert lines.count("boot") == 1, "only the function starts anything"


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", debs.ARCHITECTURES)
def test_the_command_line_is_what_either_loader_makes_of_its_file(arch: str) -> None:
    line = "console=tty1 quiet gpt panic=10 ramal.slot=A systemd.tty.term.console=dumb"
    text = loader.command_line_file(arch, line)
    assert loader.command_line_of(text) == line == command_line(text, arch)
    assert text.count("ramal.slot=A") == 1, "the bundle's hook puts the slot's letter there"
    if arch == "amd64":
        assert envblk.load(text.encode(), "cmdline") == line
    else:
        assert text == f"{line}\n"


@pytest.mark.parametrize("line", ["two\nlines", "back\\slash"])
def test_a_command_line_that_grub_would_read_otherwise_is_refused(line: str) -> None:
    with pytest.raises(ImageError):
        loader.command_line_file("amd64", line)


# -- the first partition -----------------------------------------------------------------------------------------------


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    for number, (here, _) in enumerate(loader.TAKEN.values()):
        path = tmp_path / "unpacked" / here
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([number + 1]) * 5000)
    return tmp_path / "unpacked"


def test_a_pcs_first_partition_holds_the_loader_where_firmware_shim_and_grub_look(
    unpacked: Path, tmp_path: Path
) -> None:
    files = loader.files("amd64", unpacked, CHECKOUT, tmp_path / "first")
    assert list(files)[:2] == ["autoboot.txt", "try.env"], "what is written lies before what is not"
    assert set(files) == {
        "autoboot.txt", "try.env", "EFI/debian/grub.cfg", "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi",
    }  # fmt: skip
    out = tmp_path / "first.vfat"
    disk.bootsel(out, "1", "amd64", 1_000_000_000, files)
    for name, source in files.items():
        there = subprocess.run(["mtype", "-i", out, f"::{name}"], capture_output=True, check=True).stdout
        assert there == source.read_bytes(), name
    shown = subprocess.run(["mdir", "-/", "-i", out, "::"], capture_output=True, text=True, check=True).stdout
    assert shown.count("2001-09-09") == len(files) + 3 + 6, f"times are given, those of folders too: {shown}"
    whole = out.read_bytes()
    for sector in (slots.render_autoboot("A", True), loader.NO_TRY):
        assert whole.count(sector) == 1
        assert whole.index(sector) % layout.SECTOR == 0


def test_a_pis_first_partition_holds_autoboot_alone(unpacked: Path, tmp_path: Path) -> None:
    files = loader.files("arm64", unpacked, CHECKOUT, tmp_path / "first")
    assert {name: path.read_bytes() for name, path in files.items()} == {"autoboot.txt": slots.render_autoboot("A")}


def test_a_package_without_its_file_stops_the_build(unpacked: Path, tmp_path: Path) -> None:
    (unpacked / loader.TAKEN["shim-signed"][0]).unlink()
    with pytest.raises(ImageError, match="BOOTX64"):
        loader.files("amd64", unpacked, CHECKOUT, tmp_path / "first")


def test_a_lock_without_the_loader_stops_the_build(tmp_path: Path) -> None:
    other = Deb("root", "asterisk", "1", "amd64", "ab" * 32, 5)
    with pytest.raises(ImageError, match="grub-efi-amd64-signed, shim-signed"):
        loader.unpack([other], "amd64", tmp_path, tmp_path / "unpacked")
    assert loader.unpack([other], "arm64", tmp_path, tmp_path / "unpacked") == []


def test_the_committed_lock_has_the_loader_and_installs_nothing_of_it() -> None:
    locked = debs.read((CHECKOUT / "image/packages-amd64.lock").read_text())
    assert {deb.name for deb in locked if deb.group == "loader"} == set(loader.TAKEN) == set(debs.LOADER["amd64"])
    assert not [deb.name for deb in locked if deb.group != "loader" and deb.name.startswith(("grub", "shim"))]


def test_only_a_pcs_first_partition_is_an_efi_system_partition() -> None:
    for arch in debs.ARCHITECTURES:
        lines = layout.sfdisk_script("1", arch).splitlines()
        kinds = {part.number: part.type(arch) for part in layout.PARTITIONS}
        assert (kinds[1] == layout.ESP_TYPE) == (arch == "amd64")
        assert (kinds[2], kinds[3]) == (layout.FAT_TYPE, layout.FAT_TYPE)
        assert sum(layout.ESP_TYPE in line for line in lines) == (1 if arch == "amd64" else 0)


def test_a_machine_with_a_uefi_is_given_no_kernel() -> None:
    words = vm.argv(
        Machine("amd64", Path("k"), Path("i"), "x", "card", pflash=(Path("c"), Path("v")), disk_model="nvme,serial=1"),
        Path("s"),
    )
    assert not {"-kernel", "-initrd", "-append"} & set(words)
    assert "if=pflash,format=raw,file=c,readonly=on" in words
    assert "if=pflash,format=raw,file=v" in words
    assert "nvme,serial=1,drive=disk" in words


def test_a_pc_without_uefi_is_told_so_by_the_first_sector_and_the_partition_table_stays(tmp_path: Path) -> None:
    code = loader.legacy()
    assert len(code) == 440
    assert code.index(loader.LEGACY.encode()) == 0x19, "where the code looks for it (0x7c19)"
    assert code[-1] == 0
    for arch in debs.ARCHITECTURES:
        disk.assemble(tmp_path / arch, "1", arch, {})
        with (tmp_path / arch).open("rb") as file:
            first = file.read(512)
        assert (first[:440] == code) == (arch == "amd64")
        assert first[450] == 0xEE, "the protective entry"
        assert first[-2:] == b"\x55\xaa"
