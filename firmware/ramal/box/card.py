"""``python -m ramal.box.card``: what somebody wrote on the card, for a box whose owner is locked out.

A file ``ramal-reset.txt`` on the first partition (FAT, which every computer opens) with the word ``network``, ``owner``
or ``factory``. Runs as root at the start, before the network and before anything uses the home. Law: who can write it
holds the box; it is done once, however often the box starts with it (the partition is never written here, so what was
done is remembered by its text); recordings under a legal hold survive it. Standard library, and little of it.
"""

import hashlib
import os
import secrets
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

_BYTES_MAX = 4096
WORDS = ("network", "owner", "factory")


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie on a box."""

    card: Path = Path("/bootsel/ramal-reset.txt")
    system: Path = Path("/data/system")
    home: Path = Path("/data/ramal")

    @property
    def done(self) -> Path:
        """What was done last, by its text's hash."""
        return self.system / "reset-done"

    @property
    def claim_anew(self) -> Path:
        """For ``ramal prepare``, which speaks with the database."""
        return self.home / "claim-anew"


def carry_out(places: Places) -> str:
    """Do what the card says, once; a sentence, or "" when nothing is to be done. OSError of the data disk."""
    try:
        with places.card.open("rb") as file:
            text = file.read(_BYTES_MAX)
    except OSError:
        return ""
    mark = hashlib.sha256(text).hexdigest()
    if _text(places.done).strip() == mark:
        return ""
    words = text.decode("utf-8-sig", "replace").lower().split()
    word = words[0] if words else ""
    match word:
        case "network":
            (places.system / "network.toml").unlink(missing_ok=True)
            told = "The card asked for it: the box asks for its address by DHCP again."
        case "owner":
            _whole(places.claim_anew, "")
            told = "The card asked for it: the owner's password is worth nothing, and the box is claimed anew."
        case "factory":
            _whole(places.system / "reset.json", '{"also_held": false}')
            told = "The card asked for it: the box becomes as it came; what is under a legal hold stays."
        case _:
            told = f"ramal-reset.txt says {word[:20]!r}; it may say {', '.join(WORDS)}. Nothing was done."
    _whole(places.done, mark + "\n")
    return told


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")[:200]
    except OSError:
        return ""


def _whole(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    for name in (part, path):
        _clear(name)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(path: Path) -> None:
    """Have no pipe, link or folder there: the home is its user's."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or path.suffix == ".part":
            path.unlink()
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        os.rename(path, path.with_name(f"{path.name}.{secrets.token_hex(8)}"))


def main() -> int:
    """0, or 1 when the data disk refused; the box starts as usual then."""
    try:
        told = carry_out(Places())
    except OSError as error:
        print(f"ramal: what the card asks for could not be done: {error}", file=sys.stderr)
        return 1
    if told:
        print(f"ramal: {told}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
