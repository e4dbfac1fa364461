"""The root made into a box: users, units, mount points, names. What systemd/ holds goes in as it is.

Law: every folder of systemd/ has its place here or the build stops, so that nothing of it is silently left out; only
what ``systemd/enabled`` and ENABLED name starts by itself. Main thread.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ramal_image import ImageError, tools

UNITS = (".service", ".socket", ".timer", ".target", ".path", ".mount", ".slice")
FOLDERS: Mapping[str, str] = {
    "sysusers.d": "usr/lib/sysusers.d",
    "tmpfiles.d": "usr/lib/tmpfiles.d",
    "sysctl.d": "usr/lib/sysctl.d",
    "modules-load.d": "usr/lib/modules-load.d",
    "modprobe.d": "usr/lib/modprobe.d",
    "udev": "usr/lib/udev/rules.d",
    "network": "usr/lib/systemd/network",
    "networkd.conf.d": "usr/lib/systemd/networkd.conf.d",
    "resolved.conf.d": "usr/lib/systemd/resolved.conf.d",
    "timesyncd.conf.d": "usr/lib/systemd/timesyncd.conf.d",
    "system.conf.d": "usr/lib/systemd/system.conf.d",
    "journald.conf.d": "usr/lib/systemd/journald.conf.d",
    "dbus": "usr/share/dbus-1/system.d",
    "nftables": "usr/lib/ramal/nftables",
    "rauc": "etc/rauc",
    "initrd.d": "usr/lib/ramal/initrd.d",
    "ssh": "etc/ssh/sshd_config.d",
    "libexec": "usr/lib/ramal",
    "bin": "usr/lib/ramal",
}
EXECUTABLE = ("initrd.d", "libexec", "bin")
ENABLED = (
    *("systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service", "avahi-daemon.service"),
    *("getty@tty1.service", "rauc.service"),
)
"""Beside systemd/enabled: what the system itself needs."""
MASKED = ("asterisk.service", "systemd-networkd-wait-online.service", "systemd-firstboot.service",
          "systemd-hwdb-update.service", "ldconfig.service", "systemd-journal-catalog-update.service",
          "e2scrub_reap.service", "dpkg-db-backup.timer",
          "systemd-update-done.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount",
          "proc-sys-fs-binfmt_misc.mount", "sshd-unix-local.socket")  # fmt: skip
MOUNT_POINTS = ("data", "bootsel")


def furnish(checkout: Path, root: Path, arch: str, version: str, built: str, asterisk: str) -> None:
    """Everything that makes ``root`` a box of release ``version``."""
    for name in MOUNT_POINTS:
        (root / name).mkdir(exist_ok=True)
    units(checkout / "systemd", root)
    _users(root)
    _identity(root, arch, version, built)
    record = root / "usr/lib/ramal/peers.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"version": asterisk}) + "\n")
    _enable(checkout / "systemd/enabled", root)


def units(source: Path, root: Path) -> None:
    """Copy systemd/ to where it works: units, the folders of FOLDERS, and any other file to /usr/lib/ramal."""
    for item in sorted(source.iterdir()):
        if item.name in ("enabled", "avahi", "drop-ins", "__pycache__") or item.suffix == ".md":
            continue
        if item.is_file() and item.suffix in UNITS:
            _put(item, root / "usr/lib/systemd/system" / item.name)
        elif item.is_file():
            _put(item, root / "usr/lib/ramal" / item.name, 0o755 if os.access(item, os.X_OK) else 0o644)
        elif item.is_dir() and item.name.endswith(
            (".service.d", ".target.d", ".socket.d", ".timer.d", ".target.wants")
        ):
            _folder(item, root / "usr/lib/systemd/system" / item.name, 0o644)
        elif item.is_dir() and item.name in FOLDERS:
            _folder(item, root / FOLDERS[item.name], 0o755 if item.name in EXECUTABLE else 0o644)
        else:
            raise ImageError(
                f"systemd/{item.name} has no place in the image. Give it one in ramal_image.system.FOLDERS."
            )
    for folder in sorted(path for path in source.glob("drop-ins/*") if path.is_dir()):
        _folder(folder, root / "usr/lib/systemd/system" / folder.name, 0o644)
    avahi = source / "avahi"
    if avahi.is_dir():
        for file in sorted(avahi.iterdir()):
            _put(file, root / "etc/avahi" / ("services/" if file.suffix == ".service" else "") / file.name)


def _folder(source: Path, target: Path, mode: int) -> None:
    for file in sorted(path for path in source.iterdir() if path.is_file() and path.suffix != ".md"):
        _put(file, target / file.name, mode)


def _put(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _users(root: Path) -> None:
    tools.run("systemd-sysusers", f"--root={root}", env={"SOURCE_DATE_EPOCH": "0"})
    # It refuses a line with a word on stderr and goes on: a box without its users starts nothing.
    known = {line.split(":")[0] for line in (root / "etc/passwd").read_text().splitlines()}
    asked = [
        line.split() for file in (root / "usr/lib/sysusers.d").glob("ramal*") for line in file.read_text().splitlines()
    ]
    lacking = [words[1] for words in asked if words and words[0].rstrip("!") == "u" and words[1] not in known]
    if lacking:
        raise ImageError(f"systemd-sysusers did not make {tools.capped(lacking)}; look at systemd/sysusers.d.")
    shadow = root / "etc/shadow"
    lines = []
    for line in shadow.read_text().splitlines():
        fields = line.split(":")
        # Nobody logs in by a password, root least; the day of the last change is not today's.
        fields[1] = "!*" if fields[0] == "root" else fields[1]
        fields[2] = "20000"
        lines.append(":".join(fields))
    shadow.write_text("\n".join(lines) + "\n")
    shadow.chmod(0o640)


def _identity(root: Path, arch: str, version: str, built: str) -> None:
    etc = root / "etc"
    (etc / "ramal-release").write_text(f"VERSION={version}\nARCH={arch}\nBUILT={built}\n")
    (etc / "hostname").write_text("ramal\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 ramal\n::1 localhost ip6-localhost ip6-loopback\n")
    # Empty, not missing: a missing one is a "first boot" to systemd, which would reset what is enabled.
    (etc / "machine-id").write_text("")
    (etc / "fstab").write_text("# The initramfs mounts / (squashfs and memory), /data and /bootsel.\n")
    (etc / "resolv.conf").unlink(missing_ok=True)
    (etc / "resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (etc / "issue").write_text("Ramal \\n \\l\n\n")
    (etc / "motd").write_text("")
    keys = "".join(f"HostKey /data/system/ssh/ssh_host_{kind}_key\n" for kind in ("ed25519", "ecdsa"))
    folder = etc / "ssh/sshd_config.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "10-ramal.conf").write_text(f"{keys}PasswordAuthentication no\nKbdInteractiveAuthentication no\n")


def _enable(names: Path, root: Path) -> None:
    # What package scripts enabled in spite of the preset goes first.
    for folder in sorted((root / "etc/systemd/system").glob("*.wants")):
        shutil.rmtree(folder)
    listed = [line.split("#")[0].strip() for line in names.read_text().splitlines()]
    wanted = [*ENABLED, *filter(None, listed)]
    missing = [name for name in wanted if not _unit_there(root, name)]
    if missing:
        raise ImageError(f"{tools.capped(missing)} is to start by itself and is not in the image; nothing was built.")
    for name in wanted:
        tools.run("systemctl", f"--root={root}", "enable", name)
    for name in MASKED:
        link = root / "etc/systemd/system" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    (root / "etc/systemd/system/default.target").unlink(missing_ok=True)
    (root / "etc/systemd/system/default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")


def _unit_there(root: Path, name: str) -> bool:
    plain = re.sub(r"@.*\.", "@.", name)
    return any((root / folder / plain).exists() for folder in ("usr/lib/systemd/system", "etc/systemd/system"))


def asterisk_version(debian: str) -> str:
    """``1:22.10.1+dfsg+~cs6.17-1`` is ``22.10.1``."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", debian)
    if found is None:
        raise ImageError(f"Asterisk's version {debian!r} cannot be read; nothing was built.")
    return found[1]
