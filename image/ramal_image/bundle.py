"""Signed update bundles, the keys they are signed with, and RAUC's configuration of the box.

Runs in the image's build, on its thread. Law: both slots get the same bytes; only ``cmdline.txt`` names its slot, and
the bundle's own hook writes that, on the slot that does not run. The boot selector's partition is no slot: no bundle
reaches it. Keys made here are of one build (``make_keys``); a release is signed with keys that were never on a build
machine's disk longer than that, and the keyring on the box trusts two authorities, so that one can be replaced.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ramal_image import ImageError

ARCHITECTURES = ("arm64", "amd64")
BACKEND = "/usr/lib/ramal/boot-backend"
TRIAL_OVER = "/usr/lib/ramal/trial-over"
KEYRING = "/etc/rauc/keyring.pem"
SYSTEM_CONF = "/etc/rauc/system.conf"
STATUS = "/data/system/rauc.status"
BUNDLE_MAX = 1 << 30
"""Bytes. What a box takes from anywhere."""
DEVICE = "/dev/ramal/{part}"
"""The initramfs links the partitions of the disk it booted from there: another disk may have the same names."""
DAYS = 3650
TOOL_S = 900.0

_HOOK = r"""#!/bin/sh
# Runs on the box that installs, beside RAUC: the boot partition just written learns which slot it is.
set -e
case "$1" in
slot-post-install)
    [ "$RAUC_SLOT_CLASS" = boot ] || exit 0
    case "$RAUC_SLOT_BOOTNAME" in A|B) ;; *) echo "no slot: $RAUC_SLOT_BOOTNAME" >&2; exit 1;; esac
    there="$RAUC_SLOT_MOUNT_POINT/cmdline.txt"
    sed "s/ramal\.slot=[AB]/ramal.slot=$RAUC_SLOT_BOOTNAME/" "$there" > "$there.new"
    grep -q "ramal\.slot=$RAUC_SLOT_BOOTNAME" "$there.new" || { echo "no ramal.slot in cmdline.txt" >&2; exit 1; }
    sync "$there.new"
    mv -f "$there.new" "$there"
    sync
    ;;
esac
exit 0
"""


_TRIAL_OVER = r"""#!/bin/sh
# A release that runs on trial and was not kept until now said nothing of itself: back to the one that boots by itself.
root="$RAMAL_IMAGE_ROOT"
slot=$(sed -n 's/.*ramal\.slot=\([AB]\).*/\1/p' "$root/proc/cmdline")
default=$(sed -n 's/^boot_partition=\([23]\).*/\1/p' "$root/bootsel/autoboot.txt" | head -n 1)
trying=$(cat "$root/data/system/slots/trying" 2> /dev/null)
case "$slot$default" in
A2 | B3) exit 0 ;;
A3 | B2) ;;
*) [ "$trying" = "$slot started" ] || exit 0 ;;
esac
echo "Slot $slot is still on trial and was not found well: starting the release before."
exec ${RAMAL_RESTART:-systemctl reboot}
"""


class BundleFailed(ImageError):
    """A bundle or its keys could not be made; the text is what the tool said."""


@dataclass(frozen=True, slots=True)
class Keys:
    """A signing certificate and its key, and the keyring a box verifies with (two authorities)."""

    certificate: Path
    key: Path
    keyring: Path


def make_keys(folder: Path) -> Keys:
    """Two authorities and a signer under the first, of this build alone; existing ones in ``folder`` are kept.

    The second authority's key lies beside (``next.key``): what a release after a lost first key is signed under.
    """
    keys = Keys(folder / "signer.pem", folder / "signer.key", folder / "keyring.pem")
    if all(path.exists() for path in (keys.certificate, keys.key, keys.keyring)):
        return keys
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, words in (("root", "Ramal development root"), ("next", "Ramal development root, next")):
        _authority(folder, name, words)
    _signer(folder, "root", keys)
    keys.keyring.write_bytes((folder / "root.pem").read_bytes() + (folder / "next.pem").read_bytes())
    return keys


def signer_of(folder: Path, authority: str) -> Keys:
    """Another signer under the ``root`` or ``next`` authority of ``folder``, with the same keyring."""
    keys = Keys(folder / f"signer-{authority}.pem", folder / f"signer-{authority}.key", folder / "keyring.pem")
    _signer(folder, authority, keys)
    return keys


def _authority(folder: Path, name: str, words: str) -> None:
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"),
        *("-days", str(DAYS), "-subj", f"/O=Ramal/CN={words}", "-keyout", str(folder / f"{name}.key")),
        *("-out", str(folder / f"{name}.pem"), "-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    (folder / f"{name}.key").chmod(0o600)


def _signer(folder: Path, authority: str, keys: Keys) -> None:
    request, extensions = folder / "signer.csr", folder / "signer.ext"
    extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n")
    _openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"),
        *("-subj", "/O=Ramal/CN=Ramal development signer", "-keyout", str(keys.key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-CA", str(folder / f"{authority}.pem"), "-CAkey"),
        *(str(folder / f"{authority}.key"), "-CAcreateserial", "-days", str(DAYS), "-sha256"),
        *("-extfile", str(extensions), "-out", str(keys.certificate)),
    )
    keys.key.chmod(0o600)
    request.unlink()
    extensions.unlink()


def compatible(arch: str) -> str:
    """What a bundle and a box must have in common."""
    if arch not in ARCHITECTURES:
        raise BundleFailed(f"there is no image for {arch!r}; there are {', '.join(ARCHITECTURES)}")
    return f"ramal-{arch}"


def manifest(arch: str, version: str) -> str:
    """``manifest.raucm``: a boot partition and a root, verified block by block while they are read."""
    return f"""[update]
compatible={compatible(arch)}
version={version}

[bundle]
format=verity

[hooks]
filename=hook.sh

[image.boot]
filename=boot.vfat
hooks=post-install

[image.rootfs]
filename=rootfs.img
"""


def make_bundle(arch: str, version: str, boot: Path, rootfs: Path, keys: Keys, bundle: Path) -> Path:
    """Make ``bundle`` of a FAT boot partition and a squashfs root; BundleFailed with what RAUC said.

    The inputs are linked where they can be, else copied, into a folder beside ``bundle``.
    """
    if not version or any(mark.isspace() or not mark.isprintable() for mark in version):
        raise BundleFailed(f"{version!r} is no version")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.unlink(missing_ok=True)  # RAUC refuses to write over one
    with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".bundle-") as made:
        folder = Path(made) / "content"
        folder.mkdir()
        for source, name in ((boot, "boot.vfat"), (rootfs, "rootfs.img")):
            _lay(source, folder / name)
        (folder / "manifest.raucm").write_text(manifest(arch, version))
        (folder / "hook.sh").write_text(_HOOK)
        (folder / "hook.sh").chmod(0o755)
        _run("rauc", f"--cert={keys.certificate}", f"--key={keys.key}", "bundle", str(folder), str(bundle))
    return bundle


def system_conf(arch: str, device: str = DEVICE) -> str:
    """``/etc/rauc/system.conf``. ``device``: where a partition is found, with ``{part}`` for boot-a, boot-b, root-a,
    root-b.

    The signature is verified at the time it was made: a box without a clock can be updated.
    """
    parts = {part: device.format(part=part) for part in ("boot-a", "boot-b", "root-a", "root-b")}
    slots = "".join(
        f"""
[slot.boot.{number}]
device={parts[f"boot-{letter.lower()}"]}
type=vfat
bootname={letter}

[slot.rootfs.{number}]
device={parts[f"root-{letter.lower()}"]}
type=raw
parent=boot.{number}
"""
        for number, letter in enumerate("AB")
    )
    return f"""[system]
compatible={compatible(arch)}
bootloader=custom
statusfile={STATUS}
bundle-formats=verity
max-bundle-download-size={BUNDLE_MAX}

[handlers]
bootloader-custom-backend={BACKEND}

[keyring]
path={KEYRING}
use-bundle-signing-time=true
{slots}"""


def files(arch: str, keys: Keys, device: str = DEVICE) -> Mapping[str, tuple[str, int]]:
    """What updates need in the root: path → text and mode."""
    return {
        SYSTEM_CONF: (system_conf(arch, device), 0o644),
        KEYRING: (keys.keyring.read_text(), 0o644),
        TRIAL_OVER: (_TRIAL_OVER, 0o755),
        BACKEND: ('#!/bin/sh\nexec /opt/ramal/bin/ramal slot "$@"\n', 0o755),
    }


def _lay(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _openssl(*words: str) -> None:
    _run("openssl", *words)


def _run(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TOOL_S, check=False)
    except FileNotFoundError as error:
        raise BundleFailed(f"{argv[0]} is not on this machine: apt-get install {argv[0]}") from error
    if done.returncode:
        raise BundleFailed(f"{' '.join(argv[:2])}: {(done.stderr or done.stdout).strip()}")
