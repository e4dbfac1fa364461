"""Making a backup: one moment of the database, the office as text, secrets, and the sounds people gave, into one file.

In a process of its own (vault.backup_work), so that neither its work nor its memory is the daemon's; reads the home,
writes one new file. Law: the file has its name only when all of it is on the disk; what lay there before stays. Not in
it: recordings (they have copies of their own; their catalogue is in it), what the machine speaks by itself, voices.
"""

import errno
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ramal.box.home import Home
from ramal.core import backups as rules
from ramal.core import office_file
from ramal.store import settings, table_rows
from ramal.store.db import DatabaseUnusable, open_reader
from ramal.vault import switches
from ramal.vault.backup_file import BLOCK, BackupRefused, BackupWriter, Manifest
from ramal.vault.backup_keys import BackupKey
from ramal.vault.keys import fsync_folder

SPARE_BYTES = 64 << 20
"""So much stays free whatever is made: calls are recorded on the same disk."""
SECRET_MAX = 1 << 20
OFFICE = "office.toml"
TABLES = "tables/"
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made: its file, bytes and SHA-256 of these, and what is in it."""

    path: Path
    sha256: bytes
    bytes: int
    manifest: Manifest


def make(home: Home, folder: Path, key: BackupKey, now_ms: int, ramal: str) -> Made:
    """Make a backup in ``folder`` and leave everything else there alone. ``ramal``: this version. BackupRefused."""
    path = free_name(folder, now_ms)
    part = folder / f".{path.name}.part"
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for half in folder.glob(f".ramal-*{rules.SUFFIX}.part"):  # of one that was cut off; only one is made at a time
            half.unlink()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "wb", _CHUNK) as file:
            counted = _Counted(file, folder)
            manifest = _filled(home, BackupWriter(cast(BinaryIO, counted), key), now_ms, ramal)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)
        fsync_folder(folder)
    except (OSError, sqlite3.Error, DatabaseUnusable) as error:
        raise refusal(error) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return Made(path, counted.digest.digest(), counted.bytes, manifest)


def free_name(folder: Path, now_ms: int) -> Path:
    """The file of a backup made now; nothing lies there yet."""
    name = rules.name_of(now_ms)
    stem = name.removesuffix(rules.SUFFIX)
    names = [name, *(f"{stem}-{n}{rules.SUFFIX}" for n in range(2, 1000))]
    return next(folder / one for one in names if not (folder / one).exists())


def refusal(error: Exception) -> BackupRefused:
    """What a disk or a database said, as a sentence with its code."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or (isinstance(error, sqlite3.Error) and "disk is full" in str(error)):
        return BackupRefused(rules.SENTENCES["no-room"], "no-room")
    if isinstance(error, OSError):
        return BackupRefused(f"{rules.SENTENCES['no-write']} ({error.strerror}: {error.filename})", "no-write")
    return BackupRefused(f"{rules.SENTENCES['database']} ({error})", "database")


def room(folder: Path, needed_bytes: int) -> None:
    """BackupRefused when the disk of ``folder`` has not so much room and some to spare."""
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < needed_bytes + SPARE_BYTES:
        raise BackupRefused(rules.SENTENCES["no-room"], "no-room")


def _filled(home: Home, writer: BackupWriter, now_ms: int, ramal: str) -> Manifest:
    left_out: list[str] = []
    with closing(open_reader(home.db)) as db:
        db.execute("BEGIN")
        office = settings.load(db)
        named = table_rows.known_migrations(db)
        if office is None:
            raise BackupRefused(rules.SENTENCES["no-office"], "no-office")
        writer.put(OFFICE, [office_file.write(office).encode("utf-8")])
        for table in table_rows.tables(db):
            rows = _Rows(table_rows.lines(db, table))
            writer.put(f"{TABLES}{table}.jsonl", rows)
            writer.counted(rows.count - 1)  # the first line names the columns
        db.execute("COMMIT")
    if text := switches.kept(home.asterisk_lib):
        writer.put(f"system/{switches.PART}", [text])
    for name, path in _files(home, left_out):
        _file(writer, name, path, left_out)
    manifest = Manifest(rules.FORMAT, ramal, now_ms, named, office.name, tuple(writer.parts), tuple(left_out))
    writer.finish(manifest)
    return manifest


def _files(home: Home, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    """(name in the backup, file) of everything that is not in the database."""
    for name, path in (("settings.toml", home.settings_file), ("system/network.toml", home.network_file)):
        if path.exists():
            yield name, path
    roots = ((home.backup_key.parent, "secrets"), (home.own, "own"), (home.etc / "custom", "custom"))
    for root, prefix in (*roots, (home.seals, "seals")):
        for folder, folders, names in os.walk(root):
            inner = Path(folder).relative_to(root)
            folders[:] = sorted(one for one in folders if (inner / one).as_posix() not in ("incoming", "takes"))
            for name in sorted(names):
                if not name.startswith("."):  # half-written ones
                    yield "/".join((prefix, *inner.parts, name)), Path(folder) / name
    if home.voices.is_dir() and any(home.voices.iterdir()):
        left_out.append("voices: lay them there again")


def _file(writer: BackupWriter, name: str, path: Path, left_out: list[str]) -> None:
    if not rules.part_ok(name):
        left_out.append(f"{name!r}: a name that not every disk can hold")
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # it went just now
    except OSError as error:
        if name.startswith("secrets/"):
            raise
        left_out.append(f"{name}: {error.strerror}")
        return
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            left_out.append(f"{name}: no plain file")
            return
        if name.startswith("secrets/") and found.st_size > SECRET_MAX:
            left_out.append(f"{name}: too big for a secret")
            return
        writer.put(name, iter(lambda: file.read(BLOCK), b""), stat.S_IMODE(found.st_mode))


class _Rows:
    """Lines being counted, put together to blocks: the zip is asked less often."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        gathered, size = [], 0
        for line in self._lines:
            self.count += 1
            gathered.append(line)
            size += len(line)
            if size >= BLOCK:
                yield b"".join(gathered)
                gathered, size = [], 0
        yield b"".join(gathered)


class _Counted:
    """A file being written from its beginning to its end, counted and digested; looks at the room while it grows."""

    def __init__(self, file: BinaryIO, folder: Path) -> None:
        self._file, self._folder = file, folder
        self.bytes, self._looked = 0, 0
        self.digest = hashlib.sha256()
        room(folder, 0)

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.bytes += len(data)
        if self.bytes - self._looked > SPARE_BYTES // 8:
            self._looked = self.bytes
            room(self._folder, 0)
        return len(data)
