"""Files below the recordings that should not be there, and a little room kept for the moment when there is none.

Law: a file that no row tells of is told of, never deleted: it may be all that is left of a talk. What a row says is
gone is handed back to the vault. Empty folders of past days go. On the keeping thread.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.store import stock

YOUNG_S = 7 * 86_400.0
"""A younger file may belong to a call that is not in the history yet."""
FOLDER_S = 2 * 86_400.0
"""An empty folder is left alone for so long: a recording may be about to begin in it."""
ORPHANS_MAX = 10_000
BALLAST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Swept:
    """``left``: recordings with a file that should be gone; ``orphans``: files of nobody, by their path in the home."""

    left: tuple[int, ...]
    orphans: tuple[str, ...]

    @property
    def first(self) -> str:
        return self.orphans[0] if self.orphans else ""


def sweep(home: Home, read: Callable[[Callable[[sqlite3.Connection], Any]], Any], now_s: float) -> Swept:
    """Look at every file below the recordings once; remove folders of past days that are empty."""
    known, doomed = read(lambda db: (stock.known_paths(db), stock.left_behind(db)))
    left: set[int] = set()
    orphans: list[str] = []
    for path, changed_s in _files(home.recordings):
        relative = str(path.relative_to(home.root))
        if relative in doomed:
            left.add(doomed[relative])
        elif relative not in known and now_s - changed_s > YOUNG_S and len(orphans) < ORPHANS_MAX:
            orphans.append(relative)
    _remove_empty(home.recordings, now_s)
    return Swept(tuple(sorted(left)), tuple(sorted(orphans)))


def _files(root: Path) -> Iterator[tuple[Path, float]]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))  # the vault's own work
        for name in names:
            path = Path(folder) / name
            with contextlib.suppress(OSError):
                yield path, path.lstat().st_mtime


def _remove_empty(root: Path, now_s: float) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        path = Path(folder)
        if path == root or any(part.startswith(".") for part in path.relative_to(root).parts):
            continue
        with contextlib.suppress(OSError):  # not empty, mostly
            if now_s - path.lstat().st_mtime > FOLDER_S:
                path.rmdir()


class Ballast:
    """Room that is thrown away when the disk is so full that even the row of a removal cannot be written."""

    def __init__(self, home: Home) -> None:
        self._path = home.recordings_work / "ballast"

    def keep(self, roomy: bool) -> None:
        """Have the room set aside while there is plenty."""
        if not roomy or self._path.exists():
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o750, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
            finally:
                os.close(descriptor)

    def throw(self, error: Exception) -> bool:
        """Whether ``error`` is want of room, and there was room to throw away."""
        no_room = getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error)
        if not no_room or not self._path.exists():
            return False
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False
