"""USB sticks: which are in, and the updates on them. As root, on the thread of ``ramal update``.

Law: a stick is a stranger's. It is mounted read-only, without devices, programs or set-uid, as one of two file systems,
only while somebody looks for an update or installs one, and never a partition of the disk the box runs from. Paths of
the kernel's own tables are below the image's root, so that tests can lay their own.
"""

import contextlib
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from ramal.box.image import Image
from ramal.core.updates import is_stick_name
from ramal.errors import RamalError

DEPTH_FOLDERS = ("", "ramal")
"""Where on a stick updates are looked for: its top, and a folder of ours."""
PER_STICK = 20
NAMES_MAX = 2000
"""Of a folder on a stick no more names are read: it may hold any number."""
FILE_SYSTEMS = ("vfat", "exfat")
"""What sticks have. A stick does not choose which of the kernel's file systems reads it."""
_MOUNT = ("systemd-mount", "--collect", "--fsck=no", "--options=ro,nosuid,nodev,noexec")
"""Process 1 mounts: our own mounts would be seen by no other service, and it is RAUC's that reads the bundle."""
Runs = Callable[[list[str]], None]


def partitions(image: Image) -> list[str]:
    """Names of partitions (or whole disks without any) of USB disks that are in, such as ``sda1``."""
    found = []
    own = _own_disk(image)
    for disk in sorted((image.root / "sys/block").glob("*")):
        if disk.name == own or not _is_usb(disk):
            continue
        parts = sorted(part.name for part in disk.glob(f"{disk.name}*") if (part / "partition").exists())
        found += parts or [disk.name]
    return found


def bundles(image: Image, runs: Runs) -> list[Path]:
    """Every update on every stick. A stick that cannot be read is left out."""
    found: list[Path] = []
    for name in partitions(image):
        place = image.sticks / name
        with contextlib.suppress(RamalError, OSError):
            if not _is_mounted(image, place):
                place.mkdir(parents=True, exist_ok=True)
                _mount(image.root / "dev" / name, place, runs)
            for folder in DEPTH_FOLDERS:
                found += _updates_in(place / folder)
    return found


def _mount(device: Path, place: Path, runs: Runs) -> None:
    for kind in FILE_SYSTEMS[:-1]:
        with contextlib.suppress(RamalError):
            runs([*_MOUNT, f"--type={kind}", str(device), str(place)])
            return
    runs([*_MOUNT, f"--type={FILE_SYSTEMS[-1]}", str(device), str(place)])


def _updates_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            here = [one for one in islice(entries, NAMES_MAX) if is_stick_name(one.name)]
            return sorted(folder / one.name for one in here if one.is_file(follow_symlinks=False))[:PER_STICK]
    except FileNotFoundError:
        return []


def leave(image: Image, runs: Runs) -> None:
    """Let go of every stick, so that it can be pulled."""
    if not image.sticks.is_dir():
        return
    for place in sorted(image.sticks.iterdir()):
        with contextlib.suppress(RamalError, OSError):
            if _is_mounted(image, place):
                runs(["systemd-umount", str(place)])
            place.rmdir()


def _own_disk(image: Image) -> str:
    try:
        return (image.root / "run/ramal-initrd/disk").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _is_usb(disk: Path) -> bool:
    if disk.name.startswith(("loop", "ram", "zram", "nbd", "dm-")):
        return False
    with contextlib.suppress(OSError):
        return "/usb" in str(disk.resolve()) or (disk / "removable").read_text().strip() == "1"
    return False


def _is_mounted(image: Image, place: Path) -> bool:
    return str(place) in mount_points(image)


def mount_points(image: Image) -> set[str]:
    """Where something is mounted now."""
    try:
        lines = image.mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    words = (line.split(" ") for line in lines)
    return {one[4].replace("\\040", " ") for one in words if len(one) > 4}
