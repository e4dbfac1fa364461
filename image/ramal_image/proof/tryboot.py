"""The module that asks a Pi's firmware for one start of the other slot, on the image's own kernel.

QEMU has no Pi 4 or 5, but its Pi 3 has the same mailbox, and writes down what it is asked and does not know. So this
shows that the kernel takes the module, that it finds the firmware, and that it sends the one question; what a firmware
does with it only a Pi can show.
"""

import subprocess
import time
from pathlib import Path

from ramal.provide.say import say
from ramal_image import ImageError, base, build, initrd, layout, module, tools
from ramal_image.proof.bench import BOOT_S, Bench

TREE = "bcm2837-rpi-3-b.dtb"
ASKED = {"asks": "0x00038064", "reads back": "0x00030064"}
REFUSED = "ramal: the kernel does not take the module"
_INIT = f"""#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sysfs /sys
insmod /{module.NAME}.ko || echo "{REFUSED}" > /dev/kmsg
once=/sys/module/{module.NAME}/parameters/once
echo 1 > $once && echo "ramal: asked" > /dev/kmsg
cat $once
echo x > $once 2> /dev/null || echo "ramal: a word that is no number is refused" > /dev/kmsg
sleep 2
while :; do sleep 60; done
"""
SAID = ("ramal: asked", "ramal: a word that is no number is refused")


def prove(bench: Bench) -> None:
    """ImageError with the console's end when the firmware was not asked. Nothing to prove where there is no module."""
    if bench.want.arch != "arm64":
        say("  nothing to do: only a Raspberry Pi has such a firmware")
        return
    folder = bench.folder
    root = folder / "module"
    tools.run("unsquashfs", "-q", "-n", "-f", "-d", root, bench.built.root, f"usr/lib/modules/*/{module.WHERE}")
    made = next(root.glob(f"usr/lib/modules/*/{module.WHERE}/{module.NAME}.ko"))
    tools.run("mcopy", "-n", "-o", "-i", f"{bench.built.image}@@{layout.BOOT_A.start}", "::kernel8.img", folder)
    tree, busybox = _beside(bench)
    initramfs = bench.folder / "initramfs.cpio"
    initramfs.write_bytes(_initramfs(made, busybox))
    _start(bench, initramfs, tree)


def _beside(bench: Bench) -> tuple[Path, Path]:
    """What is not in the image, from the layers it was made of: the Pi 3's device tree, and busybox."""
    packages = build.locked(bench.want.checkout, bench.want.arch)
    layers = base.provide(packages, bench.want.arch, build.BASE_EPOCH, build.cache(), bench.want.mirror)
    tools.run("tar", "--extract", "--file", layers[0], "--directory", bench.folder, "./usr/bin/busybox")
    tools.run("tar", "--extract", "--file", layers[1], "--directory", bench.folder, "--wildcards", f"*/{TREE}")
    return next(bench.folder.glob(f"usr/lib/modules/*/dtb/broadcom/{TREE}")), bench.folder / "usr/bin/busybox"


def _initramfs(made: Path, busybox: Path) -> bytes:
    items = initrd.entries({"init": _INIT.encode()}, busybox.read_bytes(), {}, ())
    items.append(initrd.Entry(f"{module.NAME}.ko", 0o100644, made.read_bytes()))
    items.append(initrd.Entry("dev/kmsg", 0o020600, rdev=(1, 11)))
    return initrd.archive(items, 0)


def _start(bench: Bench, initramfs: Path, tree: Path) -> None:
    console, heard = bench.folder / "console.log", bench.folder / "firmware.log"
    words = ["qemu-system-aarch64", "-M", "raspi3b", "-kernel", str(bench.folder / "kernel8.img"), "-dtb", str(tree)]
    words += ["-initrd", str(initramfs), "-append", "console=ttyAMA0,115200 loglevel=7 panic=10"]
    words += ["-display", "none", "-monitor", "none", "-serial", f"file:{console}", "-d", "unimp", "-D", str(heard)]
    process = subprocess.Popen([*words, "-no-reboot"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + BOOT_S
        while not all(word in _read(console) for word in SAID):
            if time.monotonic() > deadline or process.poll() is not None or REFUSED in _read(console):
                raise ImageError(
                    f"The module was not taken, or did not ask. The console's end:\n{_read(console)[-1500:]}"
                )
            time.sleep(1)
    finally:
        process.kill()
        process.wait()
    for what, number in ASKED.items():
        if f"unhandled tag {number}" not in _read(heard):
            raise ImageError(f"The firmware was never asked by {number} ({what}): {_read(heard)[-800:]}")
    say("  the image's kernel took the module, and the firmware's mailbox got the question for one try")


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
