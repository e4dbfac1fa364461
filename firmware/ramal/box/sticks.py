"""USB sticks: which are in, and the updates on them. As root, on the thread of ``ramal update``.

Law: a stick is a stranger's. It is mounted read-only, without devices, programs or set-uid, only while somebody looks
for an update or installs one, and never a partition of the disk the box runs from. Paths of the kernel's own tables
are below the image's root, so that tests can lay their own.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from ramal.box.image import Image
from ramal.core.updates import is_stick_name
from ramal.errors import RamalError

DEPTH_FOLDERS = ("", "ramal")
"""Where on a stick updates are looked for: its top, and a folder of ours."""
PER_STICK = 20
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
                runs([*_MOUNT, str(image.root / "dev" / name), str(place)])
            for folder in DEPTH_FOLDERS:
                here = sorted(path for path in (place / folder).glob("*.raucb") if is_stick_name(path.name))
                found += [path for path in here if path.is_file() and not path.is_symlink()][:PER_STICK]
    return found


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
