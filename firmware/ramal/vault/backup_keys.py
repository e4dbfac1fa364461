"""What backups are encrypted with: a key computed by Argon2id from a recovery code, so that the file and a piece of
paper are enough on any other machine. ``secrets/backup.key`` (0600) keeps the computed keys, one a line of JSON, the
last one in use: the night needs no person.

Any thread; reads and writes that file. Why not the recordings' key: that one is 64 digits in a file of the very box
that may burn; backups carry it inside, so one code opens everything. Law: a key is made where there never was one, or
when a person asks; a damaged file is told, never replaced; older keys stay, so that older backups can be opened here.
"""

import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import argon2.low_level

from ramal.box.home import Home, write_whole
from ramal.core import backups as rules
from ramal.core.code_letters import LETTERS
from ramal.errors import RamalError
from ramal.vault.cipher import Key
from ramal.vault.keys import key_of

SALT_BYTES = 16
ROUNDS, MEMORY_KIB, LANES = 3, 64 * 1024, 4
"""RFC 9106's second choice, for machines without 2 GiB to spare."""
ROUNDS_MAX, MEMORY_MAX_KIB, LANES_MAX = 16, 128 * 1024, 16
"""A file from elsewhere may not ask for more."""
_BYTES_MAX = 1 << 18


class BackupKeyUnusable(RamalError):
    """The file of the backups' keys is damaged or cannot be read, or a passphrase is too weak."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a key is computed from a code: Argon2id with this salt (16 bytes), rounds, memory and lanes."""

    salt: bytes
    rounds: int = ROUNDS
    memory_kib: int = MEMORY_KIB
    lanes: int = LANES

    def sane(self) -> bool:
        """Whether a machine may be asked to compute that."""
        lanes_ok = 1 <= self.lanes <= LANES_MAX and 8 * self.lanes <= self.memory_kib <= MEMORY_MAX_KIB
        return len(self.salt) == SALT_BYTES and 1 <= self.rounds <= ROUNDS_MAX and lanes_ok

    def key(self, typed: str) -> Key:
        """The key of a code; takes a second and ``memory_kib`` of memory."""
        secret = argon2.low_level.hash_secret_raw(
            *(rules.canonical(typed).encode("utf-8"), self.salt, self.rounds, self.memory_kib, self.lanes),
            hash_len=32,
            type=argon2.low_level.Type.ID,
        )
        return key_of(secret, 0)


@dataclass(frozen=True, slots=True)
class BackupKey:
    """One key. ``code``: the recovery code it was made from, empty when it is a passphrase that only a person knows.
    ``noted_ms``: when the owner said that it is written down, 0 = not yet."""

    key: Key = field(repr=False)
    recipe: Recipe
    made_ms: int
    code: str = field(default="", repr=False)
    noted_ms: int = 0


def load(home: Home) -> tuple[BackupKey, ...]:
    """Every key of the box, the last one in use; none where none was ever made. BackupKeyUnusable when damaged."""
    try:
        text = _plain_bytes(home.backup_key).decode("utf-8")
        found = tuple(_key(json.loads(line)) for line in text.splitlines() if line.strip())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BackupKeyUnusable(f"{home.backup_key} cannot be read ({error.strerror}). No backup is made.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(home) from error
    if not found:
        raise _damaged(home)
    return found


def obtain(home: Home, now_ms: int) -> BackupKey:
    """The key for new backups; made now, from a new recovery code, where there never was one. BackupKeyUnusable."""
    return (load(home) or (add_new(home, now_ms),))[-1]


def add_new(home: Home, now_ms: int, passphrase: str = "", lost: bool = False) -> BackupKey:
    """A new key from now on: of ``passphrase``, else of a new recovery code. Older backups open with what they were
    made with. ``lost``: a damaged file is put aside. BackupKeyUnusable when it is damaged or the passphrase weak."""
    code = passphrase or "".join(secrets.choice(LETTERS) for _ in range(rules.GROUPS * rules.GROUP))
    length = len(rules.canonical(code))
    if not rules.PASSPHRASE_MIN <= length <= rules.PASSPHRASE_MAX or len(set(rules.canonical(code))) < 6:
        raise BackupKeyUnusable(
            f"A passphrase for backups has from {rules.PASSPHRASE_MIN} to {rules.PASSPHRASE_MAX} characters (spaces "
            "and hyphens do not count) and not always the same ones: four or five words. Nothing was changed."
        )
    try:
        before = load(home)
    except BackupKeyUnusable:
        if not lost:
            raise
        home.backup_key.replace(home.backup_key.with_name("backup.key.damaged"))
        before = ()
    recipe = Recipe(secrets.token_bytes(SALT_BYTES))
    made = BackupKey(recipe.key(code), recipe, now_ms, "" if passphrase else code, now_ms if passphrase else 0)
    _write(home, (*before, made))
    return made


def add(home: Home, others: Iterable[BackupKey]) -> None:
    """Add keys of another home; the last of ``others`` is the one in use then."""
    found = {one.key.id: one for one in load(home)}
    for one in others:
        found.pop(one.key.id, None)
        found[one.key.id] = one
    if found:
        _write(home, found.values())


def note(home: Home, now_ms: int) -> None:
    """The owner says that the code in use is written down."""
    keys = load(home)
    if keys:
        _write(home, (*keys[:-1], replace(keys[-1], noted_ms=now_ms)))


def _plain_bytes(path: Path) -> bytes:
    """A plain file's beginning; never of a pipe, which would keep the reader for ever, nor of what a link names."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        return file.read(_BYTES_MAX + 1)


def lines(keys: Iterable[BackupKey]) -> str:
    """The file's text."""
    return "".join(json.dumps(_plain(one), sort_keys=True) + "\n" for one in keys)


def _write(home: Home, keys: Iterable[BackupKey]) -> None:
    home.backup_key.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    write_whole(home.backup_key, lines(keys), 0o600)


def _plain(one: BackupKey) -> dict[str, Any]:
    recipe = asdict(one.recipe) | {"salt": one.recipe.salt.hex()}
    told = {"id": one.key.id, "secret": one.key.secret.hex(), "made_ms": one.made_ms}
    return told | {"recipe": recipe, "code": one.code, "noted_ms": one.noted_ms}


def _key(row: dict[str, Any]) -> BackupKey:
    key = key_of(bytes.fromhex(row["secret"]), 0)
    recipe = Recipe(**(row["recipe"] | {"salt": bytes.fromhex(row["recipe"]["salt"])}))
    if key.id != row["id"] or len(key.secret) != hashlib.sha256().digest_size or not recipe.sane():
        raise ValueError("a key that is not what its id says")
    return BackupKey(key, recipe, int(row["made_ms"]), str(row["code"]), int(row["noted_ms"]))


def _damaged(home: Home) -> BackupKeyUnusable:
    return BackupKeyUnusable(
        f"{home.backup_key} is damaged, so no backup is made. Put it back, or make a new key: ramal backup key new "
        "--lost. Older backups open with the recovery code they were made with."
    )
