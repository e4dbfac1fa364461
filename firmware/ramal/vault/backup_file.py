"""A backup's file: 64 bytes that say how its key is computed, then one encrypted stream (vault.cipher), in it a zip.

Any thread; does the IO of the files it is given. The first 64 bytes: mark, format, Argon2's figures and salt, and a
digest of these, so that damage is not taken for a wrong code. The zip holds parts and, last, ``manifest.json`` with
every part's length and SHA-256; being encrypted in pieces, single parts are read without the rest. Law: nothing of a
backup is believed before the cipher and the digests said yes, and no name in it becomes a path by itself.
"""

import hashlib
import io
import json
import os
import secrets
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from ramal.core import backups as rules
from ramal.core.backups import Code
from ramal.errors import RamalError
from ramal.vault.backup_keys import BackupKey, Recipe
from ramal.vault.cipher import FILE_ID_BYTES, Key, SealBroken, Sealer, Unsealer

MARK = b"RAMAL\x00B\n"
_HEAD = struct.Struct(">8sHBBI16s")
HEAD_BYTES = _HEAD.size + 32
BLOCK = 1 << 18
MANIFEST = "manifest.json"
MANIFEST_MAX = 16 << 20
PARTS_MAX = 100_000
LEVEL = 4
"""Of deflate: within a few percent of the best, at a third of its time."""
_ANOTHER = "Nothing was changed. Take another one."
_DAY = (1980, 1, 1, 0, 0, 0)


class BackupRefused(RamalError):
    """A backup cannot be made, opened, or put back. Nothing was changed."""

    def __init__(self, said: str, code: Code = "other") -> None:
        super().__init__(said)
        self.code: Code = code


@dataclass(frozen=True, slots=True)
class Part:
    """One part: plain bytes and their SHA-256 (hex); ``rows`` of a table, else None; ``mode`` of a file, else 0."""

    name: str
    bytes: int
    sha256: str
    rows: int | None = None
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is: by which Ramal, when, with which migrations of the database, and its parts in order.
    ``left_out``: what lay in the home and is not in it, with the reason."""

    format: int
    ramal: str
    made_ms: int
    migrations: tuple[str, ...]
    office: str
    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all parts, plain."""
        return sum(part.bytes for part in self.parts)

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(part.rows or 0 for part in self.parts)


class BackupWriter:
    """Puts parts into a new backup; ``finish`` ends it. Until then the file is no backup. Does not close ``file``."""

    def __init__(self, file: BinaryIO, key: BackupKey) -> None:
        recipe = key.recipe
        head = _HEAD.pack(MARK, rules.FORMAT, recipe.rounds, recipe.lanes, recipe.memory_kib, recipe.salt)
        file.write(head + hashlib.sha256(head).digest())
        self._sealer = Sealer(file, key.key, secrets.token_bytes(FILE_ID_BYTES))
        self._zip = zipfile.ZipFile(
            cast(BinaryIO, _Stream(self._sealer)), "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL
        )
        self.parts: list[Part] = []

    def put(self, name: str, blocks: Iterable[bytes], mode: int = 0) -> Part:
        """Add a part; its rows are told afterwards by ``counted``."""
        if not rules.part_ok(name) or any(part.name == name for part in self.parts[-1:]):
            raise BackupRefused(f"A backup cannot hold a part called {name!r}. Nothing was changed.")
        digest, size = hashlib.sha256(), 0
        info = zipfile.ZipInfo(name, _DAY)
        info.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as part:
            for block in blocks:
                part.write(block)
                digest.update(block)
                size += len(block)
        made = Part(name, size, digest.hexdigest(), mode=mode)
        self.parts.append(made)
        return made

    def counted(self, rows: int) -> None:
        """The last part was a table of so many rows."""
        self.parts[-1] = replace(self.parts[-1], rows=rows)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest and the end."""
        plain = {name: getattr(manifest, name) for name in Manifest.__slots__}
        rows = [{name: getattr(part, name) for name in Part.__slots__} for part in manifest.parts]
        text = json.dumps(plain | {"parts": rows}, ensure_ascii=False, indent=1)
        with self._zip.open(zipfile.ZipInfo(MANIFEST, _DAY), "w") as part:
            part.write(text.encode("utf-8"))
        self._zip.close()
        self._sealer.seal()


class BackupReader:
    """An opened backup. Every read raises BackupRefused when the file is not as it was written."""

    def __init__(self, plain: Unsealer, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._plain, self._zip = plain, archive
        self.manifest = manifest

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._plain.close()

    def part(self, name: str) -> Part:
        """One part's description; BackupRefused when it is missing."""
        found = next((part for part in self.manifest.parts if part.name == name), None)
        if found is None:
            raise BackupRefused(f"The part {name} is missing in this backup. Nothing was changed.", "damaged")
        return found

    def below(self, root: str) -> list[Part]:
        """Parts whose names begin so."""
        return [part for part in self.manifest.parts if part.name.startswith(root)]

    @contextmanager
    def opened(self, part: Part) -> Iterator["Checked"]:
        """A part's plain bytes; at the block's end, when all was read, they are known to be what was put in."""
        with _understood(), self._zip.open(part.name) as stream:
            checked = Checked(stream, part)
            yield checked
            checked.ended()

    def read(self, part: Part, limit: int) -> bytes:
        """A small part whole."""
        if part.bytes > limit:
            raise BackupRefused(f"The part {part.name} of this backup is far too big. Nothing was changed.", "damaged")
        with self.opened(part) as stream:
            return b"".join(stream.blocks())


class Checked:
    """A part being read: no byte beyond its length, and the digest of all of it at the end."""

    def __init__(self, stream: IO[bytes], part: Part) -> None:
        self._stream, self._part = stream, part
        self._left, self._digest = part.bytes, hashlib.sha256()

    def blocks(self) -> Iterator[bytes]:
        """What is left, in blocks."""
        while block := self._stream.read(min(BLOCK, self._left + 1)):
            self._count(block)
            yield block

    def lines(self, longest: int) -> Iterator[bytes]:
        """What is left, in lines of at most ``longest`` bytes."""
        buffered = io.BufferedReader(cast(io.RawIOBase, self._stream), BLOCK)
        while line := buffered.readline(longest + 1):
            if len(line) > longest or not line.endswith(b"\n"):
                raise self._wrong()
            self._count(line)
            yield line

    def ended(self) -> None:
        """Everything was read, and is what was put in."""
        if self._left or self._digest.hexdigest() != self._part.sha256:
            raise self._wrong()

    def _count(self, block: bytes) -> None:
        self._left -= len(block)
        self._digest.update(block)
        if self._left < 0:
            raise self._wrong()

    def _wrong(self) -> BackupRefused:
        return BackupRefused(f"The part {self._part.name} of this backup is not what was put in. {_ANOTHER}", "damaged")


def recipe_of(path: Path) -> Recipe:
    """How the key of a backup's file is computed. BackupRefused."""
    with _file(path) as file:
        return _head(file, path)


def open_backup(path: Path, keys: Iterable[Key]) -> BackupReader:
    """A backup whose manifest was read and found sound. BackupRefused with a sentence for every way it may be wrong."""
    known = {key.id: key for key in keys}
    file = _file(path)
    try:
        _head(file, path)
        size = os.fstat(file.fileno()).st_size - HEAD_BYTES
        rest = cast(BinaryIO, _Behind(file, HEAD_BYTES))
        with _understood():
            plain = Unsealer(rest, size, known.get)
            archive = zipfile.ZipFile(cast(IO[bytes], plain))
            return BackupReader(plain, archive, _manifest(archive))
    except BaseException:
        file.close()
        raise


def _file(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe keeps nobody
    except OSError as error:
        raise BackupRefused(f"The backup {path} cannot be read ({error.strerror}). Nothing was changed.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BackupRefused(f"{path.name} is no file. Nothing was changed.", "damaged")
    return os.fdopen(descriptor, "rb")


def _head(file: BinaryIO, path: Path) -> Recipe:
    head = file.read(HEAD_BYTES)
    if head[: len(MARK)] != MARK[: len(head)] or not head:
        raise BackupRefused(f"{path.name} is no backup of Ramal. Nothing was changed.", "damaged")
    if len(head) < HEAD_BYTES:
        raise BackupRefused(f"{path.name} was cut off at its beginning. {_ANOTHER}", "damaged")
    if hashlib.sha256(head[: _HEAD.size]).digest() != head[_HEAD.size :]:
        raise BackupRefused(f"{path.name} is damaged at its beginning. {_ANOTHER}", "damaged")
    _, version, rounds, lanes, memory_kib, salt = _HEAD.unpack(head[: _HEAD.size])
    recipe = Recipe(salt, rounds, memory_kib, lanes)
    if version > rules.FORMAT:
        raise BackupRefused(
            f"{path.name} was made by a newer Ramal (its format is {version}, this one reads up to {rules.FORMAT}). "
            "Nothing was changed. Bring this box up to date first: ramal update",
            "newer",
        )
    if not recipe.sane():
        raise BackupRefused(f"{path.name} asks for an unheard-of key. Nothing was changed.", "damaged")
    return recipe


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    names = [info.filename for info in archive.infolist()]
    if len(names) > PARTS_MAX or len(set(names)) != len(names) or MANIFEST not in names:
        raise BackupRefused("This backup has no list of its parts, or two of one. Nothing was changed.", "damaged")
    with archive.open(MANIFEST) as part:
        text = part.read(MANIFEST_MAX + 1)
    try:
        plain: dict[str, Any] = json.loads(text) if len(text) <= MANIFEST_MAX else {}
        parts = tuple(Part(**{name: row.get(name) for name in Part.__slots__}) for row in plain["parts"])
        told: dict[str, Any] = {name: plain[name] for name in ("format", "ramal", "made_ms", "office")}
        told |= {name: tuple(map(str, plain[name])) for name in ("migrations", "left_out")}
        manifest = Manifest(parts=parts, **told)
        if not all(isinstance(part.name, str) for part in parts) or type(told["made_ms"]) is not int:
            raise ValueError("a part without a name, or a backup of no time")
        sound = all(type(part.bytes) is int and part.bytes >= 0 and isinstance(part.sha256, str) for part in parts)
        sound = sound and all(isinstance(part.mode, int) and isinstance(part.rows, int | None) for part in parts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupRefused(f"The list of this backup's parts cannot be read. {_ANOTHER}", "damaged") from error
    if strange := [part.name for part in parts if not rules.part_ok(part.name)]:
        raise BackupRefused(
            f"This backup holds a part that would lie outside a home ({strange[0][:80]!r}). Nothing was changed; do "
            "not trust where it comes from.",
            "damaged",
        )
    listed = [*(part.name for part in parts), MANIFEST]
    if missing := sorted(set(listed) - set(names)):
        raise BackupRefused(f"The part {missing[0]} is missing in this backup. Nothing was changed.", "damaged")
    if not sound or sorted(listed) != sorted(names):
        raise BackupRefused("This backup's parts are not those of its list. Nothing was changed.", "damaged")
    return manifest


@contextmanager
def _understood() -> Iterator[None]:
    """What the cipher and the zip say, in words about backups."""
    try:
        yield
    except SealBroken as broken:
        if broken.reason == "key":
            said = "This backup was made with another recovery code or passphrase. Nothing was changed."
            raise BackupRefused(said, "no-key") from broken
        where = " It was cut off." if broken.reason == "cut" else ""
        said = f"This backup is not as it was written: changed, cut off, or damaged by its disk.{where}"
        raise BackupRefused(f"{said} {_ANOTHER}", "damaged") from broken
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, BackupRefused):
            raise
        raise BackupRefused(f"This backup's archive cannot be read. {_ANOTHER}", "damaged") from error


class _Stream:
    """What a zip that cannot look back writes to."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def write(self, data: bytes) -> int:
        return self._sealer.write(bytes(data))

    def flush(self) -> None:
        pass


class _Behind:
    """A file without its first bytes."""

    def __init__(self, file: BinaryIO, skipped: int) -> None:
        self._file, self._skipped = file, skipped

    def seek(self, offset: int) -> int:
        return self._file.seek(offset + self._skipped) - self._skipped

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
