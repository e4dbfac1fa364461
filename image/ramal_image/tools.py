"""Other programs, run so that a failure is one sentence with the program's own last words. Any thread."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ramal_image import ImageError

NEEDED: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "zstd": "zstd",
    "dpkg-deb": "dpkg",
    "depmod": "kmod",
    "systemctl": "systemd",
}
"""Program: its Debian package."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(**more: str) -> dict[str, str]:
    """What a tool may see of ours: nothing that would make two builds differ (language, time zone, umask's friends)."""
    kept = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy") or key == "APT_CONFIG"}
    return {**kept, "PATH": _PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": os.environ.get("HOME", "/root"), **more}


def require(names: Mapping[str, str] = NEEDED) -> None:
    """ImageError with the whole list when programs are missing."""
    lacking = sorted({package for name, package in names.items() if shutil.which(name, path=_PATH) is None})
    if lacking:
        raise ImageError(
            f"This machine lacks {', '.join(lacking)}, so no image was built. "
            f"Run `apt-get install {' '.join(lacking)}` as root, then this again."
        )


def run(*words: str | Path, given: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run to the end; its standard output. ImageError with the last lines when it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        env=environment(**(env or {})),
    )
    if done.returncode != 0:
        words_said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()[-15:]
        raise ImageError(
            f"{Path(str(words[0])).name} failed ({done.returncode}):\n" + "\n".join(words_said) + "\n"
            "Nothing half made is kept. When the reason above is put right, run this again."
        )
    return done.stdout.decode(errors="replace")


def tree(folder: Path) -> list[Path]:
    """Everything below ``folder``, in one order for all machines (by the bytes of the names)."""
    return sorted(folder.rglob("*"), key=lambda path: os.fsencode(path))


def capped(words: Sequence[str], most: int = 6) -> str:
    """A list for a sentence: the first few, and how many more."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
