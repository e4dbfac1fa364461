"""The host's own packages: which are missing, why they are needed, and apt to install them.

Law: nothing is installed that was not first named with its reason, and nothing at all is done when nothing is missing.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide.say import say

# A user's PATH on Debian leaves these out; root's has them.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class HostError(RamalError):
    """The machine lacks something that the set-up may not or cannot install."""


@dataclass(frozen=True, slots=True)
class Need:
    """One host package: its Debian name, how to see that it is there, and the reason a person is told."""

    package: str
    present: Callable[[], bool]
    why: str


def program(name: str) -> Path | None:
    """The host's program of that name, also where only root's PATH would find it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}")
    return Path(found) if found else None


def tied(command: Sequence[str]) -> list[str]:
    """The command line of a child that ends when this thread does, however that ends: none works on unwatched."""
    setpriv = program("setpriv")
    return [*((str(setpriv), "--pdeathsig", "TERM", "--") if setpriv else ()), *command]


def _has_venv() -> bool:
    importlib.invalidate_caches()
    return all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip"))


def _tool(package: str, name: str, why: str) -> Need:
    return Need(package, lambda: program(name) is not None, why)


BOX_TOOLS: tuple[Need, ...] = (
    _tool("mtools", "mcopy", "fills the image's boot partitions"),
    _tool("dosfstools", "mkfs.vfat", "makes the image's boot partitions"),
    _tool("fdisk", "sfdisk", "lays out the image's partitions"),
    _tool("cpio", "cpio", "packs what the image starts with"),
    _tool("nftables", "nft", "reads the box's packet filter"),
    _tool("iproute2", "ip", "gives a test or a proof a network of its own"),
    _tool("rauc", "rauc", "signs and reads the box's updates"),
    _tool("openssl", "openssl", "makes the keys that sign the box's updates"),
    _tool("grub-common", "grub-script-check", "reads what a PC's loader runs"),
    _tool("systemd", "systemd-analyze", "judges the box's units"),
)
"""What the tests and the image both need."""


RUN_NEEDS: tuple[Need, ...] = (
    Need("python3-venv", _has_venv, "makes .venv, where the Python packages of this checkout go"),
    Need("bubblewrap", lambda: program("bwrap") is not None, "runs Asterisk and the phones out of their own folder"),
    Need(
        "ca-certificates",
        lambda: Path("/etc/ssl/certs/ca-certificates.crt").exists(),
        "checks whom the downloads come from",
    ),
    Need(
        "debian-archive-keyring",
        lambda: any(Path("/usr/share/keyrings").glob("debian-archive-keyring.*")),
        "checks Debian's signatures on Asterisk and the phones",
    ),
    # The host's own: Debian 12 and 13 have it, the frozen mirror that the peers come from does not.
    Need("rclone", lambda: program("rclone") is not None, "copies recordings to a disk outside the box, when you want"),
)

TEST_NEEDS: tuple[Need, ...] = (
    *RUN_NEEDS,
    _tool("git", "git", "tells the tests which files belong to the project"),
    _tool("chromium", "chromium", "the pages are tested in a real browser"),
    *BOX_TOOLS,
    # Its package begins to serve the machine's network, which a person may not want: elsewhere its tests are skipped.
    Need(
        "samba",
        lambda: "CI" not in os.environ or program("smbd") is not None,
        "copies to a Windows share are tested with a real one (on CI only; elsewhere install samba to have it)",
    ),
)


IMAGE_NEEDS: tuple[Need, ...] = (
    *BOX_TOOLS,
    _tool("git", "git", "tells which files belong to the product"),
    _tool("squashfs-tools", "mksquashfs", "packs the image's system"),
    _tool("e2fsprogs", "mke2fs", "makes the image's data partition"),
    _tool("kmod", "depmod", "chooses the image's kernel modules"),
    _tool("mmdebstrap", "mmdebstrap", "unpacks the image's Debian packages"),
    _tool("zstd", "zstd", "packs the image's first file system"),
    _tool("xz-utils", "xz", "packs the image for download"),
)


_FOREIGN = (
    _tool("qemu-user-static", "qemu-aarch64-static", "installs the Raspberry Pi's packages here"),
    _tool("binfmt-support", "update-binfmts", "has the kernel start that for the Raspberry Pi's programs"),
    _tool("arch-test", "arch-test", "tells whether it does"),
)
"""For packages of another processor than this machine's."""


def needs_of(arch: str, proofs: bool) -> tuple[Need, ...]:
    """What an image for ``arch`` needs too: programs of that processor; with ``proofs`` a machine to run it."""
    found: list[Need] = []
    if arch == "arm64":
        if platform.machine() != "aarch64":
            found += _FOREIGN
        if proofs:
            found.append(_tool("qemu-system-arm", "qemu-system-aarch64", "runs the image for the Raspberry Pi"))
    elif proofs:
        found.append(_tool("qemu-system-x86", "qemu-system-x86_64", "runs the image"))
        found.append(Need("ovmf", lambda: Path("/usr/share/OVMF").is_dir(), "starts the image as a PC does"))
    return tuple(found)


def missing(needs: Sequence[Need]) -> tuple[Need, ...]:
    """Those of ``needs`` that the machine does not have; looks at files only."""
    return tuple(need for need in needs if not need.present())


def provide(needs: Sequence[Need]) -> None:
    """Install what is missing, through sudo where we are not root. HostError says what a person can do instead."""
    lacking = missing(needs)
    if not lacking:
        return
    say("this machine lacks:")
    for need in lacking:
        print(f"  {need.package:<24} {need.why}", flush=True)
    packages = [need.package for need in lacking]
    install(packages, as_root(packages, os.geteuid()))
    still = missing(needs)
    if still:
        raise HostError(
            f"apt installed {', '.join(need.package for need in still)}, and {sys.executable} still does not see it. "
            "When python3 is not Debian's own, run again with PYTHON=/usr/bin/python3."
        )


def as_root(packages: Sequence[str], uid: int) -> list[str]:
    """The words that user ``uid`` puts before a command that needs root; HostError when there is no way to it."""
    by_hand = f"apt-get install {' '.join(packages)}"
    if program("apt-get") is None:
        raise HostError(
            f"Installing needs apt-get, and this machine has none. Install the counterparts of "
            f"{', '.join(packages)} in your system's way and run this again; nothing was changed."
        )
    if uid == 0:
        return []
    sudo = program("sudo")
    if sudo is None:
        raise HostError(
            f"Installing needs root, and this machine has no sudo; nothing was changed. "
            f"Have root run `{by_hand}`, then run this again as yourself."
        )
    say(f"installing them with sudo; it may ask for your password (or have root run `{by_hand}`)")
    return [str(sudo)]


def install(packages: Sequence[str], root: Sequence[str]) -> None:
    """apt-get install, with apt-get update first only where the package lists are missing or turn out to be old."""
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    apt += ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    install_them = [*apt, "install", "-y", "--no-install-recommends", *packages]
    updated = False
    if not _known(packages):
        say("apt's package lists are missing: apt-get update")
        _run([*apt, "update"], packages)
        updated = True
    say(f"apt-get install {' '.join(packages)}")
    if subprocess.run(install_them, stdin=subprocess.DEVNULL).returncode == 0:
        return
    if not updated:
        # A list from last month names files that the mirror no longer has.
        say("that failed; once more with fresh package lists")
        _run([*apt, "update"], packages)
        if subprocess.run(install_them, stdin=subprocess.DEVNULL).returncode == 0:
            return
    raise HostError(
        f"apt-get could not install {', '.join(packages)}; its own words are above. Ramal itself is untouched. "
        "Put apt right (`apt-get install -f`, the network, the disk) and run this again."
    )


def _run(command: Sequence[str], packages: Sequence[str]) -> None:
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
        raise HostError(
            f"apt-get update failed; its own words are above. Without it {', '.join(packages)} cannot be installed. "
            "Look at the network and at the apt sources of this machine, then run this again."
        )


def _known(packages: Sequence[str]) -> bool:
    # A package that lists know only by name (something depends on it) has no candidate version.
    shown = subprocess.run(
        ["apt-cache", "policy", *packages], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    ).stdout
    candidates = [line for line in shown.splitlines() if line.strip().startswith("Candidate:")]
    return len(candidates) == len(packages) and not any("(none)" in line for line in candidates)
