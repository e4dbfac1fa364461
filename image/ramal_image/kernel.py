"""The kernel in the root: which of its modules a box can need, and their index made anew.

Law: what is kept keeps what it needs (modules.dep), so a cut can never leave a module that does not load. Main thread.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ramal_image import ImageError, blobs, initrd, tools, tree

KEPT = (
    *("updates/", "arch/", "crypto/", "lib/", "block/", "mm/", "security/"),
    *(f"fs/{name}/" for name in ("ext4", "jbd2", "fat", "nls", "squashfs", "overlayfs", "exfat", "fuse", "autofs")),
    *(f"net/{name}/" for name in ("netfilter", "ipv4", "ipv6", "8021q", "bridge", "core", "packet", "unix", "llc")),
    *("net/802/", "net/sched/", "net/key/", "net/tls/", "drivers/net/mdio/", "drivers/net/phy/", "drivers/net/pcs/"),
    *("drivers/net/usb/", "drivers/net/virtio_net", "drivers/net/net_failover", "drivers/net/mii", "drivers/net/dummy"),
    *("drivers/net/veth", "drivers/net/tun"),
    *(
        f"drivers/net/ethernet/{name}/"
        for name in ("broadcom/genet", "cadence", "realtek", "intel/e1000", "intel/e1000e", "intel/igb", "intel/igc")
    ),
    "drivers/gpu/drm/vc4/",  # a Pi's screen, where the claim code is read
    *(
        f"drivers/{name}/"
        for name in (
            *("mmc", "nvme", "usb/host", "usb/core", "usb/common", "usb/dwc2", "usb/dwc3", "usb/storage", "usb/serial"),
            *("usb/class", "usb/phy", "usb/roles", "gpio", "pinctrl/bcm", "clk", "watchdog", "rtc", "i2c", "spi"),
            *("hwmon", "virtio", "block", "char", "tty", "md", "ata", "mfd", "reset", "pci", "phy", "firmware", "pwm"),
            *("regulator", "thermal", "cpufreq", "leds", "nvmem", "misc/rp1", "soc", "mailbox", "dma", "extcon"),
            *("input/misc", "input/serio", "hid/usbhid", "acpi", "power/reset", "base", "cdrom", "bluetooth"),
        )
        if name != "bluetooth"
    ),
    *("drivers/scsi/scsi_mod", "drivers/scsi/scsi_common", "drivers/scsi/sd_mod", "drivers/scsi/sg."),
    *("drivers/scsi/virtio_scsi", "drivers/hid/hid-generic", "drivers/hid/hid.", "drivers/net/sungem_phy"),
    *("drivers/iio/industrialio.", "drivers/platform/x86/wmi."),
)
"""Beginnings of module paths below kernel/."""
TREES: Mapping[str, Sequence[str]] = {
    "bcm2711-rpi-4-b.dtb": (),
    "bcm2711-rpi-400.dtb": (),
    "bcm2711-rpi-cm4-io.dtb": ("bcm2711-rpi-cm4.dtb",),
    "bcm2712-rpi-5-b.dtb": (),
    "bcm2712-d-rpi-5-b.dtb": ("bcm2712d0-rpi-5-b.dtb",),
}
"""Mainline's device trees, and the names under which the maker's own kernel ships the same board's: a loader looks for
the one or the other (``upstream_kernel`` in config.txt). Mainline has none for a CM5."""
BLOBS = (
    "drivers/md/bcache",
    "drivers/block/drbd",
    "drivers/usb/serial/keyspan",
    "drivers/md/dm-vdo",
    "drivers/char/ipmi",
)
"""Left out of the above: large, and no box's."""


def version(root: Path) -> str:
    """The one kernel of ``root``; ImageError when there is none or more."""
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise ImageError(f"The root holds the kernels {found}, and an image has exactly one. Run `make image-lock`.")
    return found[0]


def boards(root: Path, name: str, arch: str) -> tuple[set[str], set[str]]:
    """The modules of the boards' devices, by the kernel's own device trees: all of them, and those a disk hangs on.
    Nothing where a kernel needs no device tree. Indexes the modules first."""
    home = root / "usr/lib/modules" / name
    if not (home / "modules.dep").exists():
        tools.run("depmod", "--basedir", root, name)
    trees = [home / "dtb/broadcom" / file for file in TREES] if arch == "arm64" else []
    missing = [file.name for file in trees if not file.exists()]
    if missing:
        raise ImageError(f"The kernel's packages have no {tools.capped(missing)} any more, so a board would not start.")
    return tree.modules(home, trees), tree.modules(home, trees, tree.DISKS)


def kept(
    depends: Mapping[str, Sequence[str]], beginnings: Sequence[str] = KEPT, names: Collection[str] = ()
) -> set[str]:
    """The files of modules.dep that stay: those wanted (by path or by name) and, with each, all that it needs."""
    stay: set[str] = set()
    for file, needs in depends.items():
        inner = file.removeprefix("kernel/")
        wanted = inner.startswith(tuple(beginnings)) and not inner.startswith(BLOBS)
        if wanted or initrd.module_name(file) in (*initrd.WANTED, *names):
            stay.update((file, *needs))
    return stay


def trim(root: Path, name: str, names: Collection[str] = ()) -> tuple[int, int]:
    """Remove the other modules than those of KEPT and ``names``, and index what is left; how many stay, and how many
    there were. Indexed before (``boards``)."""
    home = root / "usr/lib/modules" / name
    depends = initrd.dependencies((home / "modules.dep").read_text())
    stay = kept(depends, names=names)
    for file in depends:
        if file not in stay:
            (home / file).unlink(missing_ok=True)
    for folder in sorted((path for path in home.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    tools.run("depmod", "--basedir", root, name)
    return len(stay), len(depends)


def keep_terms(root: Path) -> None:
    """Before the documentation is cut: the terms of the Pi's loader go where the loader goes."""
    if (root / blobs.PI_LOADER).exists():
        shutil.copyfile(root / blobs.PI_TERMS, root / blobs.PI_LOADER / "LICENCE.txt")


def take(root: Path, name: str, arch: str, folder: Path) -> Path:
    """Move the kernel (and arm64's device trees and second loader) out of ``root`` into ``folder``; the kernel's file.

    A squashfs does not hold what only the loader reads."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        path for path in (root / f"boot/vmlinuz-{name}", root / f"usr/lib/modules/{name}/vmlinuz") if path.exists()
    ]
    if not found:
        raise ImageError(f"The packages of kernel {name} hold no kernel; nothing was built.")
    shutil.copyfile(found[0], folder / "kernel8.img")
    trees = root / "usr/lib/modules" / name / "dtb"
    if arch == "arm64":
        _trees(trees / "broadcom", folder)
        for file in sorted((root / blobs.PI_LOADER).iterdir()):
            shutil.copyfile(file, folder / file.name)
    for path in found:
        path.unlink()
    shutil.rmtree(trees, ignore_errors=True)
    shutil.rmtree(root / "boot", ignore_errors=True)
    shutil.rmtree(root / blobs.PI_LOADER, ignore_errors=True)
    return folder / "kernel8.img"


def _trees(source: Path, folder: Path) -> None:
    """The device trees of the boards that an image is for, under every name that a board's loader asks for."""
    for name, others in TREES.items():
        for each in (name, *others):
            shutil.copyfile(source / name, folder / each)
