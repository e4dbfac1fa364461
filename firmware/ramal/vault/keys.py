"""The box's keys for recordings, one a line in ``secrets/recordings.key`` (0600); the last one is used for new files.

Any thread; reads and writes that file. Law: a key is made only where nothing was ever encrypted, or when a person asks
for one: a new key in the place of a lost one would hide the loss. Keys are never removed, so old recordings stay
readable. What was ever used is also noted on the recordings' own disk (``.vault/keys``: ids only).
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import Home
from ramal.errors import RamalError
from ramal.vault.cipher import Key

_MARK = "ramal-recordings-key-1"
_HEAD = "# Keys of this box's recordings, the last one in use. Whoever has them can listen to every recording.\n"
_BYTES_MAX = 1 << 20


class KeysUnusable(RamalError):
    """The keys are lost or damaged."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Every key of the box by its id; ``current`` encrypts. ``damaged``: numbers of lines that hold no valid key."""

    keys: dict[str, Key]
    current: Key | None
    damaged: tuple[int, ...] = ()

    def get(self, key_id: str) -> Key | None:
        """The key of an id."""
        return self.keys.get(key_id)


def key_of(secret: bytes, made_ms: int) -> Key:
    """A key from its 32 bytes."""
    return Key(hashlib.sha256(b"ramal key id\0" + secret).digest()[:16].hex(), secret, made_ms)


def load(home: Home) -> Keyring:
    """The keys of the box; an empty ring when there is no file. KeysUnusable when it cannot be read."""
    try:
        descriptor = os.open(home.recordings_key, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            data = file.read(_BYTES_MAX)
    except FileNotFoundError:
        return Keyring({}, None)
    except OSError as error:
        raise KeysUnusable(
            f"The keys of the recordings in {home.recordings_key} cannot be read ({error.strerror}). Calls are "
            "recorded, but nothing is encrypted or played. Repair the file's permissions or its disk."
        ) from error
    return parse(data)


def parse(data: bytes) -> Keyring:
    """The keys in a file's bytes; lines that are none are told by their number, never guessed at."""
    keys: dict[str, Key] = {}
    damaged: list[int] = []
    current: Key | None = None
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        if not line.strip() or (line.startswith("#") and line.isprintable()):
            continue
        key = _key(line)
        if key is None:
            damaged.append(number)
            current = None
        else:
            keys[key.id] = current = key
    if not keys and not damaged and data.strip() and not data.startswith(b"#"):
        damaged.append(1)
    return Keyring(keys, current, tuple(damaged))


def obtain(home: Home, used: Iterable[str], now_ms: int) -> Key:
    """The key for new files. Made now if nothing was ever encrypted here; ``used`` are the ids that the database knows
    of. KeysUnusable when keys are lost or damaged: then nothing is made, and the recordings stay as they are."""
    ring = load(home)
    if ring.damaged:
        lines = ", ".join(str(number) for number in ring.damaged)
        raise KeysUnusable(
            f"{home.recordings_key} is damaged (line {lines}). Recordings stay unencrypted until it is repaired: put "
            "the exported keys back with: ramal recordings key import FILE"
        )
    if ring.current is not None:
        note_used(home, (ring.current.id,))
        return ring.current
    before = sorted({*used, *_noted(home)})
    if before or home.recordings_key.exists():
        raise KeysUnusable(
            f"The keys of the recordings are gone from {home.recordings_key}, and {len(before) or 'some'} were used "
            "before. New recordings stay unencrypted, old ones cannot be played. Put the exported keys back with: "
            "ramal recordings key import FILE. Only if there is no export: ramal recordings key new"
        )
    return add_new(home, now_ms)


def add_new(home: Home, now_ms: int, lost: bool = False) -> Key:
    """Make a key and use it from now on; older ones stay. KeysUnusable while the file is damaged, unless the owner says
    that what is damaged is ``lost``: the damaged file is then kept beside it."""
    key = key_of(secrets.token_bytes(32), now_ms)
    ring = load(home)
    if ring.damaged and not lost:
        raise KeysUnusable(
            f"{home.recordings_key} is damaged. Nothing was changed. Import the exported keys first: ramal recordings "
            "key import FILE. Only if there is no export: ramal recordings key new --lost"
        )
    if ring.damaged:
        _aside(home)
    _write(home, [*ring.keys.values(), key])
    note_used(home, (key.id,))
    return key


def merge(home: Home, data: bytes) -> tuple[int, Keyring]:
    """Add the keys of an export; how many were new, and the ring then. The box's own current key stays in use; on a box
    without one it is the export's. A damaged file of the box is replaced by what is good in both; the damaged one is
    kept beside it. KeysUnusable when the export holds none."""
    given = parse(data)
    if not given.keys or given.damaged:
        raise KeysUnusable("This file is no whole export of Ramal's recording keys. Nothing was changed.")
    ring = load(home)
    new = [key for key_id, key in given.keys.items() if key_id not in ring.keys]
    current = ring.current or given.current
    if ring.damaged:
        _aside(home)
    ordered = [key for key in (*new, *ring.keys.values()) if current is None or key.id != current.id]
    if new or ring.damaged:
        _write(home, [*ordered, *([current] if current else [])])
        note_used(home, [key.id for key in new])
    return len(new), load(home)


def export(home: Home) -> str:
    """The keys as text for another box or a safe. KeysUnusable when there are none, or some are damaged."""
    ring = load(home)
    if ring.damaged or not ring.keys:
        raise KeysUnusable(
            "There is no whole set of keys on this box to export"
            + (f": {home.recordings_key} is damaged." if ring.damaged else " yet: nothing was encrypted so far.")
        )
    return _text(ring.keys.values())


def note_used(home: Home, ids: Iterable[str]) -> None:
    """Note on the recordings' disk that keys are in use, so that their loss is known even without the database."""
    known = _noted(home)
    if wanted := [key_id for key_id in ids if key_id not in known]:
        _whole(home.recordings_work / "keys", "".join(f"{key_id}\n" for key_id in [*sorted(known), *wanted]))


def _aside(home: Home) -> None:
    """Keep a damaged file of keys: some of its bytes may be what opens a recording one day."""
    aside = home.recordings_key.with_name(f"{home.recordings_key.name}.damaged")
    with contextlib.suppress(FileExistsError):
        os.link(home.recordings_key, aside)


def _noted(home: Home) -> frozenset[str]:
    try:
        lines = (home.recordings_work / "keys").read_text("ascii", "replace").split()
    except FileNotFoundError:
        return frozenset()
    return frozenset(lines)


def _key(line: str) -> Key | None:
    words = line.split()
    if len(words) != 4 or words[0] != _MARK or not words[3].isascii() or not words[3].isdigit():
        return None
    try:
        secret = bytes.fromhex(words[2])
    except ValueError:
        return None
    key = key_of(secret, int(words[3][:15]))
    return key if len(secret) == 32 and key.id == words[1] else None


def _text(keys: Iterable[Key]) -> str:
    return _HEAD + "".join(f"{_MARK} {key.id} {key.secret.hex()} {key.made_ms}\n" for key in keys)


def _write(home: Home, keys: Iterable[Key]) -> None:
    _whole(home.recordings_key, _text(keys))


def _whole(path: Path, text: str) -> None:
    """Replace a file, lasting, or leave the old one. 0600; but 0640 where the folder is set-group-id: there somebody
    decided that the folder's group reads keys, as on the image, where the page is another user (box.first)."""
    path.parent.mkdir(mode=0o750, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    mode = 0o640 if path.parent.stat().st_mode & stat.S_ISGID else 0o600
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Have a folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
