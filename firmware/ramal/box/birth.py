"""``python -m ramal.box.birth``: what a box has once and keeps for ever, made as root at the very first start.

Law: each thing is made whole or not at all and never made twice; the mark comes last, so that a power cut at any
instant only means that the rest is made at the next start. Imports the standard library only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

SYSTEM = Path("/data/system")
KINDS = ("ed25519", "ecdsa")
_ID = re.compile(r"[0-9a-f]{32}\n?\Z")


def main(system: Path = SYSTEM, machine_id: Path = Path("/etc/machine-id")) -> int:
    """0; 1 when a key could not be made (said on stderr; it is tried again at the next start)."""
    system.mkdir(mode=0o755, parents=True, exist_ok=True)
    _machine_id(system / "machine-id", machine_id)
    whole = _ssh_keys(system / "ssh")
    if whole:
        _whole(system / "first-boot", "", 0o644)
    return 0 if whole else 1


def _machine_id(kept: Path, running: Path) -> None:
    """Keep the number this start has: the initramfs lays it into every later one."""
    if kept.exists() and kept.stat().st_size > 0:
        return
    try:
        text = running.read_text(encoding="ascii")
    except OSError:
        return
    if _ID.match(text):
        _whole(kept, text, 0o444)


def _ssh_keys(folder: Path) -> bool:
    """Host keys of the box's own; True where there is no ssh at all."""
    keygen = next((path for path in (Path("/usr/bin/ssh-keygen"),) if path.exists()), None)
    if keygen is None:
        return True
    folder.mkdir(mode=0o700, exist_ok=True)
    for kind in KINDS:
        key = folder / f"ssh_host_{kind}_key"
        if _whole_key(key):
            continue
        part = folder / f".{kind}"
        for rest in (part, part.with_name(f"{part.name}.pub")):
            rest.unlink(missing_ok=True)
        done = subprocess.run(
            [keygen, "-q", "-t", kind, "-N", "", "-C", "ramal", "-f", part], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            print(f"ramal: no {kind} host key: {done.stderr.strip()}", file=sys.stderr)
            return False
        public = part.with_name(f"{part.name}.pub")
        for made in (public, part):
            _sync(made)
        os.replace(public, folder / f"{key.name}.pub")
        os.replace(part, key)
        _sync(folder)
    return True


def _whole_key(key: Path) -> bool:
    """Whether it is there with its bytes: a power cut leaves an empty file where names came before them."""
    try:
        return key.stat().st_size > 0 and key.with_name(f"{key.name}.pub").stat().st_size > 0
    except OSError:
        return False


def _whole(path: Path, text: str, mode: int) -> None:
    part = path.with_name(f".{path.name}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
