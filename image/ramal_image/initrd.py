"""The initramfs: busybox, the modules that reach the root, and image/initramfs/init.

Law: written here byte by byte (cpio newc, one time stamp, one order), so that it is the same everywhere; the order of
the modules is worked out at build time from modules.dep, because busybox only has insmod. Main thread.
"""

import lzma
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ramal_image import ImageError, tools

WANTED = (
    # buses and disks: a virtual machine's, a Pi's, a small PC's
    *["virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "virtio_console", "virtio_rng"],
    *["sdhci_pci", "sdhci_acpi", "sdhci_iproc", "sdhci_brcmstb", "mmc_block", "bcm2835", "nvme", "ahci", "sd_mod"],
    *["usb_storage", "uas", "xhci_pci", "xhci_plat_hcd", "ehci_pci", "phy_brcm_usb_dvr"],
    *["reset_raspberrypi", "pcie_brcmstb", "rp1_pci", "clk_rp1", "pinctrl_rp1", "raspberrypi_cpufreq"],
    # file systems
    *["squashfs", "overlay", "ext4", "vfat", "nls_cp437", "nls_iso8859_1", "nls_ascii", "nls_utf8", "crc32c"],
    # what restarts a box that hangs
    *["bcm2835_wdt", "iTCO_wdt", "i6300esb"],
)
"""Module names; those that a kernel has built in, or not at all, are left out by ``order``."""
APPLETS = (
    *[
        "sh",
        "mount",
        "umount",
        "insmod",
        "switch_root",
        "chroot",
        "sleep",
        "cat",
        "echo",
        "ls",
        "mkdir",
        "ln",
        "grep",
        "sed",
        "cut",
        "tr",
        "head",
        "tail",
        "od",
        "dd",
        "sync",
    ],
    *[
        "basename",
        "dirname",
        "readlink",
        "reboot",
        "poweroff",
        "test",
        "expr",
        "wc",
        "touch",
        "rm",
        "mv",
        "cp",
        "stat",
        "uname",
        "date",
        "timeout",
        "watchdog",
    ],
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive: ``mode`` with its type bits; ``data`` a link's target or a file's bytes."""

    name: str
    mode: int
    data: bytes = b""
    rdev: tuple[int, int] = (0, 0)


def dependencies(text: str) -> Mapping[str, tuple[str, ...]]:
    """modules.dep: file, and the files it needs."""
    found = {}
    for line in text.splitlines():
        file, colon, needs = line.partition(":")
        if colon:
            found[file] = tuple(needs.split())
    return found


def module_name(file: str) -> str:
    """``kernel/fs/ext4/ext4.ko.xz`` is ``ext4``; dashes and underscores are the same to the kernel."""
    return PurePosixPath(file).name.partition(".ko")[0].replace("-", "_")


def order(wanted: Iterable[str], depends: Mapping[str, Sequence[str]]) -> list[str]:
    """The files to load, each after all that it needs, once; unknown names (built in) are left out."""
    by_name = {module_name(file): file for file in depends}
    result: list[str] = []

    def add(file: str, on_the_way: tuple[str, ...]) -> None:
        if file in result:
            return
        if file in on_the_way:
            raise ImageError(f"The kernel's modules need each other in a circle at {file}; no initramfs was made.")
        for need in depends.get(file, ()):
            add(need, (*on_the_way, file))
        result.append(file)

    for name in wanted:
        if name in by_name:
            add(by_name[name], ())
    return result


def entries(
    scripts: Mapping[str, bytes], busybox: bytes, modules: Mapping[str, bytes], loading: Sequence[str]
) -> list[Entry]:
    """The whole archive. ``scripts``: image/initramfs' files, ``init`` and what it sources from /lib/ramal;
    ``modules``: file name in /lib/modules and its bytes; ``loading``: those names in order."""
    folders = [
        "bin",
        "dev",
        "proc",
        "sys",
        "run",
        "mnt",
        "mnt/lower",
        "mnt/rw",
        "newroot",
        "lib",
        "lib/modules",
        "lib/ramal",
        "etc",
    ]
    found = [Entry(name, 0o040755) for name in folders]
    found += [Entry("dev/console", 0o020600, rdev=(5, 1)), Entry("dev/null", 0o020666, rdev=(1, 3))]
    found += [Entry("init", 0o100755, scripts["init"]), Entry("bin/busybox", 0o100755, busybox)]
    found += [Entry(f"lib/ramal/{name}", 0o100644, data) for name, data in sorted(scripts.items()) if name != "init"]
    found += [Entry(f"bin/{name}", 0o120777, b"busybox") for name in APPLETS]
    found += [Entry(f"lib/modules/{name}", 0o100644, data) for name, data in sorted(modules.items())]
    found.append(Entry("lib/modules/order", 0o100644, "".join(f"{name}\n" for name in loading).encode()))
    return found


def archive(items: Iterable[Entry], epoch: int) -> bytes:
    """cpio, newc format: everything root's, every time ``epoch`` (s), numbered in order."""
    out = bytearray()
    for number, item in enumerate([*items, Entry("TRAILER!!!", 0)], start=1):
        name = item.name.encode() + b"\0"
        time = 0 if item.name == "TRAILER!!!" else epoch
        links = 2 if item.mode & 0o170000 == 0o040000 else 1
        fields = (number, item.mode, 0, 0, links, time, len(item.data), 0, 0, *item.rdev, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4)
        out += item.data
        out += b"\0" * (-len(out) % 4)
    return bytes(out) + b"\0" * (-len(out) % 512)


def build(
    root: Path, kernel: str, busybox: Path, scripts: Path, out: Path, epoch: int, boards: Iterable[str] = ()
) -> int:
    """Write the initramfs for ``kernel`` of ``root`` to ``out`` (zstd); how many modules it holds. ``boards``: what the
    disks of the boards hang on, loaded before all others."""
    home = root / "usr/lib/modules" / kernel
    loading = order((*sorted(boards), *WANTED), dependencies((home / "modules.dep").read_text()))
    modules = {}
    for file in loading:
        data = (home / file).read_bytes()
        modules[f"{module_name(file)}.ko"] = lzma.decompress(data) if file.endswith(".xz") else data
    names = [f"{module_name(file)}.ko" for file in loading]
    texts = {path.name: path.read_bytes() for path in sorted(scripts.iterdir()) if path.suffix != ".md"}
    plain = archive(entries(texts, busybox.read_bytes(), modules, names), epoch)
    unpacked = out.with_suffix(".cpio")
    unpacked.write_bytes(plain)
    tools.run("zstd", "-q", "-19", "-T1", "-f", "--rm", unpacked, "-o", out)
    return len(loading)
