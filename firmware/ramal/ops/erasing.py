"""The files of a home that may know a person: Asterisk's journals, logs, spoken names, copies of the database.

Law: a journal or a log is changed only by writing as many bytes over what stands there, never by moving or cutting it,
so whoever appends to it meanwhile loses nothing and no remembered place moves. Runs on the erasure's thread; what
touches the ingest's cursor runs as a job of the writer, between two steps of the ingest.
"""

import contextlib
import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import Home
from ramal.core.privacy import Mask
from ramal.store import erase, tail
from ramal.store.ingest import CEL_NAME, QUEUE_NAME

log = logging.getLogger(__name__)

Hits = list[tuple[int, bytes, bytes]]
Skip = Callable[[bytes], bool]
OPAQUE = (".wav", ".opus", ".ogg", ".png", ".jpg", ".gz", ".mo", ".onnx")
"""Sound and the like: holds no texts, and is removed by whoever made it."""
SPREAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Left:
    """A place where something of the person is still found."""

    path: str
    count: int


def journals(home: Home) -> list[Path]:
    """Both journals of Asterisk, and what was rotated of them."""
    found = []
    for name in (CEL_NAME, QUEUE_NAME):
        path = home.asterisk_log / name
        found += sorted(one for one in path.parent.glob(path.name + "*") if one.is_file() and not one.is_symlink())
    return found


def texts(home: Home) -> Iterator[Path]:
    """Every other file of the home that may hold texts. Not the databases, the recordings and the secrets."""
    apart = {home.recordings, home.db.parent, home.root / "secrets", home.seals, home.voices}
    mine = set(journals(home))
    for folder, folders, names in os.walk(home.root):
        folders[:] = sorted(one for one in folders if Path(folder) / one not in apart)
        for name in sorted(names):
            path = Path(folder) / name
            if path in mine or path.suffix in OPAQUE or name.startswith("astdb.sqlite3"):
                continue
            with contextlib.suppress(OSError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path


def overwrite(path: Path, hits: Hits) -> int:
    """Put the masked bytes over those that are still there; how many places. OSError of the disk."""
    done = 0
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        for offset, old, new in hits:
            if len(old) == len(new) and os.pread(descriptor, len(old), offset) == old:
                os.pwrite(descriptor, new, offset)
                done += 1
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return done


def mask_journals(db: sqlite3.Connection, home: Home, hits: dict[Path, Hits]) -> int:
    """On the writer's thread: write over the places found in the journals, then bring the ingest's cursors to what the
    files say now. How many places."""
    done = 0
    for path, found in hits.items():
        with contextlib.suppress(FileNotFoundError):
            done += overwrite(path, found)
    mend_cursors(db, home)
    return done


def mend_cursors(db: sqlite3.Connection, home: Home) -> int:
    """Let the cursors be of the files as they are now; how many were not. Only while an erasure is known to have
    written over journals that were the cursors' own: then the inode is as good a sign as the first line."""
    mended = 0
    for name in (CEL_NAME, QUEUE_NAME):
        row = db.execute("SELECT device, inode, offset, first, tail FROM journal WHERE name = ?", (name,)).fetchone()
        path = home.asterisk_log / name
        for one in journals(home) if row else ():
            if not one.name.startswith(path.name):
                continue
            with contextlib.suppress(OSError), open(one, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if (_signed(status.st_dev), _signed(status.st_ino)) != row[:2] or status.st_size < row[2]:
                    continue
                start = os.pread(file.fileno(), tail.FIRST_MAX, 0)
                end = start.find(b"\n") + 1
                first = start[:end] if end else start
                last = os.pread(file.fileno(), len(row[4]), row[2] - len(row[4]))
                if (first, last) != row[3:]:
                    db.execute("UPDATE journal SET first = ?, tail = ? WHERE name = ?", (first, last, name))
                    mended += 1
    return mended


def look(paths: Sequence[Path], mask: Mask, skip: Skip = lambda line: False) -> dict[Path, Hits]:
    """Where these files have something of the person; files that are not there (any more) have nothing."""
    found: dict[Path, Hits] = {}
    for path in paths:
        try:
            if hits := erase.scan_file(path, mask, skip):
                found[path] = hits
        except OSError as error:
            log.warning("%s could not be looked through for a person's data: %s", path, error)
    return found


def mask_texts(home: Home, mask: Mask) -> int:
    """Write over every place in logs and other texts, and give files whose name tells something another name."""
    done = 0
    for path, hits in look(list(texts(home)), mask).items():
        try:
            done += overwrite(path, hits)
        except OSError as error:
            log.warning("%s could not be rewritten: %s", path, error)
    for path in list(texts(home)):
        if (name := mask.text(path.name)) != path.name:
            with contextlib.suppress(OSError):
                path.rename(path.with_name(name))
                done += 1
    return done


def drop_copies(home: Home) -> list[str]:
    """Remove the copies of the database made before it was changed by a new version; their names."""
    gone = []
    for path in sorted(home.db.parent.glob(home.db.name + ".before-*")):
        path.unlink(missing_ok=True)
        gone.append(path.name)
    return gone


def write_anew(database: Path) -> None:
    """Write AstDB's file anew without its free space. Asterisk's build of SQLite clears what it deletes, so this is
    for other builds only: while it lasts (milliseconds), Asterisk cannot change a switch. sqlite3.Error: not now."""
    with contextlib.closing(sqlite3.connect(database, timeout=5.0, isolation_level=None)) as db:
        db.execute("VACUUM")


def empty_ahead(database: Path) -> bool:
    """Move what AstDB's journal (WAL) still has into the file, and leave nothing in it; False: not now, somebody reads.
    For Asterisk this is no change of what it reads. sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(database, timeout=1.0, isolation_level=None)) as db:
        return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


def left(home: Home, mask: Mask, skip: Skip = lambda line: False) -> list[Left]:
    """Everything in the home that still has something of the person, recordings' names included; not the databases'
    files."""
    told = []
    for path in (*journals(home), *texts(home)):
        told += _left(home, path, mask, skip)
    for path in home.recordings.rglob("*"):
        if path.is_file() and mask.hits(path.name.encode()):
            told.append(Left(str(path.relative_to(home.root)), 1))
    return told


def _left(home: Home, path: Path, mask: Mask, skip: Skip) -> list[Left]:
    try:
        hits = erase.scan_file(path, mask, skip) if path.is_file() else []
    except OSError:
        return []
    return [Left(str(path.relative_to(home.root)), len(hits))] if hits else []


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
