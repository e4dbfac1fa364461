"""Putting a backup back: a whole home is made beside the old one, compared with the backup, and put in its place in one
step of the file system (RENAME_EXCHANGE), so that a power cut leaves the old home or the new one.

Runs in the command's own process, as the only writer of the home. Law: the old home is never removed, it stays beside
the new one under another name; what a backup does not hold and the box still has (recordings, journals, voices) comes
along as links, and recordings then have no name in the old home, so that erasing one erases it; keys of the old home
are added to those of the backup, so nothing becomes unreadable. Root leaves the old database to the home's own user.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import socket
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ramal.box.as_owner import as_owner
from ramal.box.graves import bury, empty, grave_of
from ramal.box.home import Home
from ramal.errors import RamalError
from ramal.store import users
from ramal.store.db import open_reader, open_writer, transaction
from ramal.vault import backup_keys, keys
from ramal.vault.backup_file import BackupReader, BackupRefused
from ramal.vault.backup_make import refusal
from ramal.vault.backup_stage import RESTORED, Comparison, stage
from ramal.vault.keep import open_regular
from ramal.vault.keys import fsync_folder
from ramal.writer_lock import HomeTaken, only_writer

EXCHANGE = 2
_AT_FDCWD = -100
MARK = ".restoring"
"""In a home that is being made, and until it is known to be in its place."""
KEPT = ("recordings", "voices", "prompts", "backups", "asterisk/log", "asterisk/spool")
"""What comes along from the old home as links. Journals with it: what happened since the backup is read again."""
DEEPEST = 16
"""Folders in folders, of what comes along; nothing of Ramal's lies so deep."""
KEYS_MAX = 1 << 20
COPIED = ("asterisk/lib",)
"""Asterisk's own small database is written in place: a link would change the old home's, too."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that was put back. ``before``: where the old one lies now; ``network``: network settings that were in the
    backup and are not in force; ``erased``: how many people were erased after the backup was made, and are back."""

    home: Home
    comparison: Comparison
    before: Path | None
    network: Path | None
    erased: int = 0


def restore(reader: BackupReader, home: Home, name: str, now_ms: int) -> Restored:
    """Make ``home`` what the backup ``name`` holds. BackupRefused (nothing was changed), HomeTaken."""
    root = home.root
    building = root.with_name(f".{root.name}{MARK}")
    with ExitStack() as stack:
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_alone(root.with_name(f".{root.name}{MARK}.lock")))
            there = _there(root)
            if there:
                stack.enter_context(only_writer(home))
                _not_in_use(home)
            _left(building, root)
            if there:
                bury(root / MARK, grave_of(root))
            stack.callback(_clear, building)
            erased = _erased_since(home, reader.manifest.made_ms) if there else 0
            comparison = _built(reader, home if there else None, building, name, now_ms)
            before = _swapped(building, root, there)
            without_recordings(root)
        except (OSError, shutil.Error) as error:
            raise _refused(error) from error
    network = root / RESTORED / "network.toml"
    return Restored(home, comparison, before, network if network.exists() else None, erased)


def _built(reader: BackupReader, old: Home | None, building: Path, name: str, now_ms: int) -> Comparison:
    comparison = _staged(reader, building)
    (building / MARK).touch(0o600)
    made = Home(building)
    if old is not None:
        for inner in KEPT:
            if not _through_a_link(old.root, inner):
                _linked(old.root / inner, building / inner)
        for inner in COPIED:
            if not _through_a_link(old.root, inner) and not (old.root / inner).is_symlink():
                _copied(old.root / inner, building / inner)
        _keys_of_both(old, made)
    with closing(open_writer(made.db)) as db, transaction(db):
        users.audit(db, now_ms, "command line", "backup.restored", name)
    if old is not None:
        _belongs(building, old.root)
    _lasting(building)
    return comparison


def _swapped(building: Path, root: Path, there: bool) -> Path | None:
    before = None
    if there:
        _exchange(building, root)
        fsync_folder(root.parent)
        before = _aside(root)
        os.rename(building, before)
    else:
        os.rename(building, root)  # over an empty folder, too
    with suppress(OSError):
        (root / MARK).unlink()
    fsync_folder(root.parent)
    return before


def without_recordings(root: Path) -> None:
    """Homes from before a restore hold no recordings: each has its other name in the home in use, where erasing and
    retention remove it for good. What a power cut leaves of this, every start does (systemd-tmpfiles)."""
    for before in root.parent.glob(f"{root.name}.before-restore-*"):
        with suppress(OSError):
            bury(before / "recordings", grave_of(root))
    empty(grave_of(root))


def look(reader: BackupReader, home: Home) -> None:
    """Lay the backup out beside the home, compare, and remove that again: whether a restore would get to its end, while
    the home is in use. BackupRefused."""
    root = home.root
    scratch = root.with_name(f".{root.name}{MARK}.look")
    _gone(scratch, root)
    try:
        for inner in KEPT:
            if os.path.ismount(root / inner):
                raise _refused(OSError(errno.EXDEV, "another disk", str(root / inner)))
        _staged(reader, scratch)
    finally:
        with suppress(OSError):
            _gone(scratch, root)


def _staged(reader: BackupReader, building: Path) -> Comparison:
    """Lay it out; BackupRefused when what lies there is not what the backup holds."""
    try:
        comparison = stage(reader, building)
    except BackupRefused as refused:
        raise _worded(refused, building.parent) from refused
    if not comparison.equal:
        raise BackupRefused(
            f"This backup was put back beside the home and compared, and it is not equal: {comparison.amiss[0]} "
            "Nothing was changed. Take another one.",
            "differs",
        )
    return comparison


def _gone(path: Path, root: Path) -> None:
    bury(path, grave_of(root))
    empty(grave_of(root))


def _aside(root: Path) -> Path:
    """Where an old home goes; nothing lies there."""
    name = f"{root.name}.before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    names = [name, *(f"{name}-{n}" for n in range(2, 1000))]
    return next(root.with_name(one) for one in names if not root.with_name(one).exists())


def _exchange(one: Path, other: Path) -> None:
    """Two folders change their names in one step. BackupRefused where the disk cannot do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.EBUSY):
        raise BackupRefused(
            f"The disk of {other} cannot put a whole folder in another's place at once. Nothing was changed. Restore "
            "into a new folder instead: ramal restore FILE --home NEW"
        )
    raise OSError(number, os.strerror(number), str(other))


def _erased_since(old: Home, made_ms: int) -> int:
    """How many people the old home erased after the backup; it does not know any more who they were."""
    try:
        return int(as_owner(old, lambda: _count_erased(old, made_ms), 60.0))
    except (RamalError, sqlite3.Error, TypeError, ValueError):  # a damaged database is why one restores
        return 0


def _count_erased(old: Home, made_ms: int) -> int:
    with closing(open_reader(old.db)) as db:
        found = db.execute(
            "SELECT count(*) FROM subject_request WHERE kind = 'erase' AND state <> 'refused'"
            " AND coalesce(ended_ms, at_ms) > ?",
            (made_ms,),
        ).fetchone()
    return int(found[0])


def _there(root: Path) -> bool:
    """Whether a home lies there; BackupRefused when something else does."""
    try:
        found = root.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode):
        raise BackupRefused(f"{root} is no folder. Nothing was changed. Name another one.")
    names = set(os.listdir(root))
    if not names:
        return False
    if not names & {"db", "secrets", "settings.toml", "writer.lock"}:
        raise BackupRefused(
            f"{root} holds other things and is no home of Ramal. Nothing was changed. Name an empty or new folder."
        )
    return True


def _not_in_use(home: Home) -> None:
    control = home.run / "asterisk.ctl"
    lock = home.run / "up.lock"
    used = False
    if control.exists():
        with socket.socket(socket.AF_UNIX) as one, suppress(OSError):
            one.settimeout(2.0)
            one.connect(str(control))
            used = True
    if lock.exists():
        with open(lock, "rb+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                used = True
    if used:
        raise BackupRefused(
            f"The box of {home.root} runs: calls may be going on. Nothing was changed. End it first (systemctl stop "
            "ramal ramal-web ramal-asterisk, or Ctrl-C where `ramal up` runs), or restore into another folder with "
            "--home NEW."
        )


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Only one restore of a home at a time."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeTaken("Another restore of this home is going on. Nothing was changed.") from None
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()
    finally:
        os.close(descriptor)


def _left(building: Path, root: Path) -> None:
    """What a restore that was cut off left: a half home goes, an old one (the names were exchanged already) stays."""
    if not building.exists():
        return
    if (building / MARK).exists() or not (root / MARK).exists():
        _gone(building, root)
    else:
        os.rename(building, _aside(root))
    if building.exists():
        raise BackupRefused(f"{building} is in the way and cannot be removed. Nothing was changed. Remove it.")


def _clear(building: Path) -> None:
    """After a failure: nothing is left beside the home. An old home never stands there without the mark in the new."""
    root = building.with_name(building.name[1 : -len(MARK)])
    if building.exists() and not (root / MARK).exists():
        _gone(building, root)


def _through_a_link(root: Path, inner: str) -> bool:
    """Whether the way to a folder of the home leads over a link, and so perhaps out of it."""
    return any((root / above).is_symlink() for above in Path(inner).parents)


def _linked(source: Path, target: Path, deep: int = 0) -> None:
    """A folder's files in another place without their bytes; links and folders as they are. What lies deeper than
    anything of Ramal's stays behind. OSError EXDEV."""
    if source.is_symlink():
        os.symlink(os.readlink(source), target)
        return
    if not source.is_dir() or deep > DEEPEST:
        return
    if os.path.ismount(source):
        raise OSError(errno.EXDEV, "another disk", str(source))
    target.mkdir(mode=stat.S_IMODE(source.stat().st_mode), parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            inner = target / entry.name
            if entry.is_dir(follow_symlinks=False):
                _linked(Path(entry.path), inner, deep + 1)
            elif entry.is_symlink() or entry.is_file(follow_symlinks=False):
                os.link(entry.path, inner, follow_symlinks=False)
    shutil.copystat(source, target)


def _copied(source: Path, target: Path, deep: int = 0) -> None:
    """A folder's plain files and links, copied; pipes and what lies too deep stay behind."""
    if not source.is_dir() or deep > DEEPEST:
        return
    target.mkdir(mode=stat.S_IMODE(source.stat().st_mode), parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            inner = target / entry.name
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), inner)
            elif entry.is_dir(follow_symlinks=False):
                _copied(Path(entry.path), inner, deep + 1)
            elif entry.is_file(follow_symlinks=False):
                shutil.copy2(entry.path, inner, follow_symlinks=False)


def _belongs(made: Path, old: Path) -> None:
    """What was made has the owners and folder modes of the old home, where a thing of that name lies there, else those
    of the old home itself: who restores is root, who has to read it is not. From below upwards and by descriptors: a
    folder is given away when nothing in it is to be named any more."""
    whole = old.lstat()
    for inner, _, names, folder in os.fwalk(made, topdown=False, follow_symlinks=False):
        relative = Path(inner).relative_to(made)
        for name in names:
            like = _like(old / relative / name, whole)
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if (found.st_uid, found.st_gid) != (like.st_uid, like.st_gid):
                with suppress(PermissionError):  # not root: then everything is its own anyhow
                    os.chown(name, like.st_uid, like.st_gid, dir_fd=folder, follow_symlinks=False)
        like = _like(old / relative, whole)
        with suppress(PermissionError):
            os.fchown(folder, like.st_uid, like.st_gid)
        if stat.S_ISDIR(like.st_mode) and (like is not whole or relative == Path()):
            with suppress(OSError):
                os.fchmod(folder, stat.S_IMODE(like.st_mode))


def _like(path: Path, otherwise: os.stat_result) -> os.stat_result:
    try:
        return path.lstat()
    except OSError:
        return otherwise


def _lasting(made: Path) -> None:
    """Have every folder, and what was copied, on the disk; the other files are already."""
    for inner, _, _ in os.walk(made):
        fsync_folder(Path(inner))
    for inner in COPIED:
        for path in (made / inner).rglob("*"):
            if path.is_file() and not path.is_symlink():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())


def _keys_of_both(old: Home, made: Home) -> None:
    """The new home has every key of both; the old home's are the ones in use, because its code is on the paper."""
    with suppress(OSError, keys.KeysUnusable), open_regular(old.recordings_key) as file:
        keys.merge(made, file.read(KEYS_MAX))
    with suppress(backup_keys.BackupKeyUnusable):
        backup_keys.add(made, backup_keys.load(old))


def _refused(error: Exception) -> BackupRefused:
    if isinstance(error, OSError) and error.errno == errno.EXDEV:
        return BackupRefused(
            f"{error.filename} lies on another disk than the home, so it cannot come along. Nothing was changed. "
            "Restore into a new folder (--home NEW) on that disk."
        )
    return _worded(refusal(error), error)


def _worded(refused: BackupRefused, where: object) -> BackupRefused:
    """What staging says of a disk, in words about a restore."""
    if refused.code == "no-room":
        said = f"The disk has no room to lay the backup out beside the home ({where}). Nothing was changed. Make room."
        return BackupRefused(said, "no-room")
    if refused.code in ("no-write", "database"):
        said = f"The home cannot be written ({refused.__cause__ or where}). Nothing was changed."
        return BackupRefused(said, refused.code)
    return refused


def homes_keys(homes: Iterable[Home]) -> list[backup_keys.BackupKey]:
    """Every backup key these homes have; a damaged file has none."""
    found: list[backup_keys.BackupKey] = []
    for home in homes:
        with suppress(backup_keys.BackupKeyUnusable):
            found += backup_keys.load(home)
    return found
