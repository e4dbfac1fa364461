"""What a Raspberry Pi's loader finds on a boot partition, and the module that asks it for the other slot once."""

from pathlib import Path

import pytest

from ramal.box.image import Image
from ramal_image import ImageError, base, blobs, build, debs, kernel, module
from ramal_image.qemu import firmware

IMAGE = Path(__file__).parents[2] / "image"
LOCK = debs.read((IMAGE / "packages-arm64.lock").read_text())
ASKED = {
    "Pi 4": ("bcm2711-rpi-4-b.dtb", "bcm2711-rpi-4-b.dtb"),
    "Pi 400": ("bcm2711-rpi-400.dtb", "bcm2711-rpi-400.dtb"),
    "CM4": ("bcm2711-rpi-cm4-io.dtb", "bcm2711-rpi-cm4.dtb"),
    "Pi 5": ("bcm2712-rpi-5-b.dtb", "bcm2712-rpi-5-b.dtb"),
    "Pi 5, second stepping": ("bcm2712-d-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb"),
}
"""Board: the name that its loader asks for with upstream_kernel=1, and without."""


@pytest.mark.parametrize("board", sorted(ASKED))
def test_every_board_finds_its_device_tree_under_either_name(board: str, tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "boot"
    trees = root / "usr/lib/modules/7.2/dtb/broadcom"
    trees.mkdir(parents=True)
    for name in kernel.TREES:
        (trees / name).write_text(name)
    (trees / "bcm2837-rpi-3-b.dtb").write_text("not for us")
    (root / "boot").mkdir()
    (root / "boot/vmlinuz-7.2").write_text("K")
    for name in (*blobs.TAKEN["raspi-firmware"], blobs.PI_TERMS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    kernel.keep_terms(root)
    kernel.take(root, "7.2", "arm64", out)
    upstream, downstream = ASKED[board]
    assert (out / upstream).read_text() == (out / downstream).read_text() == upstream
    assert {"kernel8.img", "start4.elf", "fixup4.dat", "LICENCE.txt"} < {path.name for path in out.iterdir()}
    assert not list(out.glob("bcm2837*"))
    assert not (root / blobs.PI_LOADER).exists()


def test_a_kernel_without_a_boards_device_tree_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/modules/7.2/dtb/broadcom").mkdir(parents=True)
    (tmp_path / "usr/lib/modules/7.2/modules.dep").touch()
    with pytest.raises(ImageError, match="bcm2711-rpi-4-b"):
        kernel.boards(tmp_path, "7.2", "arm64")


def test_the_loaders_settings_name_the_files_that_are_there_and_mainlines_kernel() -> None:
    found = firmware.settings(build.CONFIG_TXT)
    assert found["kernel"] == "kernel8.img"
    assert found["initramfs"] == "initramfs.zst followkernel"
    assert found["arm_64bit"] == found["enable_uart"] == found["upstream_kernel"] == "1"
    assert 30 <= int(found["kernel_watchdog_timeout"]) <= 120
    assert all(len(line) < 98 for line in build.CONFIG_TXT.splitlines() if not line.startswith("#"))


def test_a_pi_4s_and_a_pi_5s_serial_port_are_both_consoles() -> None:
    words = build.command_line("arm64", "A").split()
    assert [word for word in words if word.startswith("console=")] == [
        "console=tty1",
        "console=ttyS1,115200",  # a Pi 4's and CM4's header; a Pi 5 has none of that name
        "console=serial0,115200",  # its loader's word for a Pi 5's debug socket
    ]


def test_the_module_is_compiled_for_the_kernel_of_the_same_lock() -> None:
    binaries = [deb.name.removeprefix("linux-binary-") for deb in LOCK if deb.name.startswith("linux-binary-")]
    assert [module.version(deb for deb in LOCK if deb.group == "build")] == binaries


def test_the_box_writes_to_the_parameter_that_the_module_has() -> None:
    source = (IMAGE / f"module/{module.NAME}.c").read_text()
    assert "module_param_cb(once," in source
    assert "0x00038064" in source
    assert Path(f"/sys/module/{module.NAME}/parameters/once") in Image().tryboot_flags
    assert f"{module.NAME}.o" in (IMAGE / "module/Kbuild").read_text()


def test_a_module_of_another_kernel_does_not_get_into_the_image(tmp_path: Path) -> None:
    made = tmp_path / "made.ko"
    made.write_bytes(b"\x7fELF...\0vermagic=7.2.12+deb14-arm64 SMP preempt\0")
    module.put(made, tmp_path / "root", "7.2.12+deb14-arm64")
    assert (tmp_path / "root/usr/lib/modules/7.2.12+deb14-arm64/updates/ramal_tryboot.ko").exists()
    with pytest.raises(ImageError, match="another kernel"):
        module.put(made, tmp_path / "root", "7.2.13+deb14-arm64")


def test_our_own_module_stays_when_the_kernels_are_cut() -> None:
    depends = {"updates/ramal_tryboot.ko": (), "kernel/drivers/isdn/x.ko": ()}
    assert kernel.kept(depends) == {"updates/ramal_tryboot.ko"}


def test_of_a_makers_package_only_the_named_files_are_taken(tmp_path: Path) -> None:
    for name in ("usr/lib/firmware/rtl_nic/a.fw", "usr/lib/firmware/rtw88/b.bin", "etc/kernel/postinst.d/hook"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    base.reduce(tmp_path, blobs.TAKEN["firmware-realtek"], "firmware-realtek")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.fw"]
    with pytest.raises(ImageError, match="start4"):
        base.reduce(tmp_path, blobs.TAKEN["raspi-firmware"], "raspi-firmware")


def test_the_base_layer_is_not_installed_anew_for_a_new_kernel_or_compiler(tmp_path: Path) -> None:
    some = [deb for deb in LOCK if deb.group == "root"]
    key = debs.key(some, "arm64", base.RECIPE, "0")
    (tmp_path / f"base-arm64-{key}.tar").touch()
    beside = [deb for deb in LOCK if deb.group in base.BESIDE]
    (tmp_path / f"beside-arm64-{debs.key(beside, 'arm64', base.RECIPE, '0')}.tar").touch()
    newer = [deb if deb.group != "build" else debs.Deb(*(*_fields(deb)[:4], "ff" * 32, 1)) for deb in LOCK]
    layers = base.provide(newer, "arm64", 0, tmp_path)
    assert [path.name.split("-")[0] for path in layers] == ["base", "beside"]


def _fields(deb: debs.Deb) -> tuple[str, str, str, str, str, int]:
    return deb.group, deb.name, deb.version, deb.arch, deb.sha256, deb.size
