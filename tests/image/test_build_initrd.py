"""The initramfs: modules in an order that insmod can load, and an archive that is the same every time."""

import re
import subprocess
from pathlib import Path

import pytest

from ramal_image import ImageError, initrd, kernel
from ramal_image.initrd import Entry

DEP = """\
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/lib/crc16.ko.xz:
kernel/drivers/usb/storage/uas.ko.xz: kernel/drivers/usb/storage/usb-storage.ko.xz kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/usb/storage/usb-storage.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/scsi/scsi_mod.ko.xz: kernel/drivers/scsi/scsi_common.ko.xz
kernel/drivers/scsi/scsi_common.ko.xz:
kernel/drivers/gpu/drm/drm.ko.xz:
"""
SCRIPTS = Path(__file__).parents[2] / "image/initramfs"


def test_every_module_comes_after_all_that_it_needs_and_only_once() -> None:
    depends = initrd.dependencies(DEP)
    order = initrd.order(["uas", "ext4", "usb_storage", "uas"], depends)
    assert len(order) == len(set(order)) == 7
    for file in order:
        for need in depends[file]:
            assert order.index(need) < order.index(file)


def test_what_is_built_into_the_kernel_is_left_out() -> None:
    assert initrd.order(["virtio_blk", "crc16"], initrd.dependencies(DEP)) == ["kernel/lib/crc16.ko.xz"]


def test_dashes_and_underscores_name_the_same_module() -> None:
    assert initrd.order(["usb_storage"], initrd.dependencies(DEP))[-1].endswith("usb-storage.ko.xz")


def test_modules_in_a_circle_are_refused() -> None:
    with pytest.raises(ImageError):
        initrd.order(["a"], {"a.ko": ("b.ko",), "b.ko": ("a.ko",)})


def test_cutting_the_kernel_keeps_what_kept_modules_need() -> None:
    kept = kernel.kept(initrd.dependencies(DEP), ["drivers/usb/storage/"])
    assert "kernel/drivers/scsi/scsi_common.ko.xz" not in kept or "kernel/drivers/scsi/scsi_mod.ko.xz" in kept
    assert "kernel/drivers/scsi/scsi_mod.ko.xz" in kept
    assert "kernel/drivers/gpu/drm/drm.ko.xz" not in kept


def test_the_archive_is_one_that_cpio_unpacks(tmp_path: Path) -> None:
    plain = initrd.archive(
        initrd.entries({"init": b"#!/bin/sh\n", "data": b"d\n"}, b"box", {"a.ko": b"abc"}, ["a.ko"]), 5
    )
    subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], input=plain, cwd=tmp_path, check=True)
    assert (tmp_path / "init").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "lib/ramal/data").read_bytes() == b"d\n"
    assert (tmp_path / "lib/modules/order").read_text() == "a.ko\n"
    assert (tmp_path / "bin/sh").readlink() == Path("busybox")
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert int((tmp_path / "init").stat().st_mtime) == 5


def test_the_same_entries_give_the_same_bytes() -> None:
    entry = Entry("file", 0o100644, b"text")
    assert initrd.archive([entry], 7) == initrd.archive([entry], 7)
    assert initrd.archive([entry], 7) != initrd.archive([entry], 8)


def test_every_program_that_the_scripts_call_is_in_the_archive() -> None:
    text = "\n".join(
        line.split(" #")[0] for name in ("init", "data") for line in (SCRIPTS / name).read_text().splitlines()
    )
    own = set(re.findall(r"^(\w+)\(\)", text, re.MULTILINE))
    called = set(re.findall(r"(?:^|[|;&(`]|\bthen|\bdo|\|\||&&|\$\()\s*([a-z][a-z_0-9]+)(?=\s|$)", text, re.MULTILINE))
    shell = {
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "for",
        "while",
        "until",
        "do",
        "done",
        "case",
        "esac",
        "in",
        "continue",
        "break",
        "return",
        "exec",
        "echo",
        "printf",
        "read",
        "set",
        "test",
    }
    missing = {word for word in called if word in KNOWN_PROGRAMS} - set(initrd.APPLETS) - own - shell
    assert missing == set()


KNOWN_PROGRAMS = {
    "mount",
    "umount",
    "insmod",
    "switch_root",
    "chroot",
    "sleep",
    "cat",
    "mkdir",
    "ln",
    "grep",
    "sed",
    "cut",
    "tr",
    "head",
    "od",
    "dd",
    "sync",
    "basename",
    "dirname",
    "readlink",
    "reboot",
    "poweroff",
    "expr",
    "wc",
    "touch",
    "rm",
    "mv",
    "cp",
    "stat",
    "uname",
    "date",
    "printf",
    "tail",
    "awk",
    "find",
    "seq",
    "env",
    "blkid",
    "mdev",
}


def test_the_scripts_are_whole_for_the_shell_that_runs_them() -> None:
    for name in ("init", "data"):
        done = subprocess.run(["sh", "-n", SCRIPTS / name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
