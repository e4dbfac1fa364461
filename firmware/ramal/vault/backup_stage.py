"""From a backup to a home in an empty folder, compared with the backup part by part: what every restore and every
night's check begins with.

Any thread or process; writes only into the folder it is given, which must not be there yet. Law: what a part's name
says is looked up in a short list of places, never joined to a path unseen; the tables are compared as they came back
out of the new database, the files as they lie on the disk, before anything newer touches them.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import Home
from ramal.core import office_file
from ramal.core.office import Office
from ramal.core.office_problems import OfficeRefused
from ramal.errors import RamalError
from ramal.store import settings, table_rows
from ramal.store.db import PAGE_BYTES, DatabaseUnusable
from ramal.vault.backup_file import BackupReader, BackupRefused, Part
from ramal.vault.backup_make import OFFICE, TABLES, refusal, room

OFFICE_MAX = 8 << 20
AMISS_MAX = 20
MODE_MASK = 0o770
RESTORED = "restored"
"""A folder of a restored home with what is not put into force by itself."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it: how many tables, rows and files were compared, and what was not equal (English sentences)."""

    tables: int
    rows: int
    files: int
    migrated: tuple[str, ...]
    amiss: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.amiss


def stage(reader: BackupReader, folder: Path) -> Comparison:
    """Lay a backup out as a home in ``folder`` and compare. BackupRefused when that cannot be; ``folder`` is then
    half made and to be removed."""
    home, amiss = Home(folder), list[str]()
    tables, files = reader.below(TABLES), [part for part in reader.manifest.parts if _is_file(part)]
    try:
        folder.mkdir(mode=0o750)
        room(folder, reader.manifest.bytes + reader.manifest.bytes // 2)
        for part in files:
            _lay(reader, part, _place(home, part.name))
        amiss += [f"The file {part.name} came back changed." for part in files if _changed(home, part)]
        home.db.parent.mkdir(mode=0o2770)
        descriptor = os.open(home.db, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o660)
        os.close(descriptor)
        with closing(sqlite3.connect(home.db, isolation_level=None)) as db:
            db.execute(f"PRAGMA page_size={PAGE_BYTES}")
            db.execute("PRAGMA journal_mode=MEMORY")  # a database that is of no use unless it is whole
            db.execute("PRAGMA synchronous=OFF")
            table_rows.fill(db, reader.manifest.migrations, ((_table(part), _rows(reader, part)) for part in tables))
            amiss += _different(db, tables)
            migrated = table_rows.finish(db)
            amiss += table_rows.flaws(db)
            amiss += _office(reader, db)
        _durable(home.db)
    except (DatabaseUnusable, table_rows.RowsRefused) as error:
        raise BackupRefused(f"This backup cannot be put back. {_once(str(error))}", "differs") from error
    except (OSError, sqlite3.Error) as error:
        raise refusal(error) from error
    return Comparison(
        len(tables), sum(part.rows or 0 for part in tables), len(files), tuple(migrated), tuple(amiss[:AMISS_MAX])
    )


def _once(said: str) -> str:
    return said if "Nothing was changed" in said else f"{said} Nothing was changed."


def _is_file(part: Part) -> bool:
    return part.name != OFFICE and not part.name.startswith(TABLES)


def _place(home: Home, name: str) -> Path:
    """Where a part lies in a home."""
    root, _, rest = name.partition("/")
    places = {"secrets": home.backup_key.parent, "own": home.own, "custom": home.etc / "custom", "seals": home.seals}
    if name == "settings.toml":
        return home.settings_file
    if root == "system":
        return home.root / RESTORED / rest
    if root not in places or not rest:
        raise BackupRefused(f"This backup holds a part this Ramal has no place for ({name[:80]!r}).", "damaged")
    return places[root] / rest


def _lay(reader: BackupReader, part: Part, path: Path) -> None:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, (part.mode & MODE_MASK | 0o600) if part.mode else 0o640)
    with os.fdopen(descriptor, "wb") as file, reader.opened(part) as stream:
        for block in stream.blocks():
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _changed(home: Home, part: Part) -> bool:
    with open(_place(home, part.name), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() != part.sha256


def _table(part: Part) -> str:
    return part.name.removeprefix(TABLES).removesuffix(".jsonl")


def _rows(reader: BackupReader, part: Part) -> Callable[[], Iterator[bytes]]:
    def lines() -> Iterator[bytes]:
        with reader.opened(part) as stream:
            yield from stream.lines(table_rows.LINE_MAX)

    return lines


def _different(db: sqlite3.Connection, tables: Iterable[Part]) -> Iterator[str]:
    """What the tables say now, against what the backup says of them."""
    for part in tables:
        digest, count = hashlib.sha256(), -1
        for line in table_rows.lines(db, _table(part)):
            digest.update(line)
            count += 1
        if count != part.rows:
            yield f"The table {_table(part)} has {count} rows, not {part.rows}."
        elif digest.hexdigest() != part.sha256:
            yield f"The rows of the table {_table(part)} came back changed."


def _office(reader: BackupReader, db: sqlite3.Connection) -> Iterator[str]:
    """The office in the new database, against the office's text."""
    text = reader.read(reader.part(OFFICE), OFFICE_MAX).decode("utf-8", "replace")
    try:
        office = settings.load(db)
        if office is None:
            yield "The office came back changed."
            return
        known = _valid(text)
        if known != office and office_file.write(office) != text:
            yield "The office came back changed."
        if known != office and ("${" in text or "$[" in text):
            # It was valid when it was put into force, and a newer Ramal may know better; but it may compute nothing.
            yield "The office holds what Asterisk would compute."
    except RamalError as error:
        yield str(error)


def _valid(text: str) -> Office | None:
    try:
        return office_file.read(text)
    except OfficeRefused:
        return None


def _durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove a scratch home; what cannot be removed stays."""
    for inner, folders, names in os.walk(folder, topdown=False):
        for name in names:
            with suppress(OSError):
                os.unlink(os.path.join(inner, name))
        for name in folders:
            with suppress(OSError):
                target = os.path.join(inner, name)
                os.unlink(target) if os.path.islink(target) else os.rmdir(target)
    with suppress(OSError):
        folder.rmdir()
