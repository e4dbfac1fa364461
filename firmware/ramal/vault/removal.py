"""Removing recordings so that the catalogue knows it: first the row and its seal, then the file, then nothing is left.

On any thread that may wait for the writer. A crash in between is taken up by the keeper (``keep.tidy``).
"""

import sqlite3
from collections.abc import Callable

from ramal.box.home import Home
from ramal.store import sounds
from ramal.vault.keep import Write, inside
from ramal.vault.keys import fsync_folder


def remove(
    home: Home,
    write: Write,
    recording: int,
    at_ms: int,
    why: str,
    unless: Callable[[sqlite3.Connection], object] = lambda db: False,
) -> int:
    """Remove a recording's file for ``why`` (a code); the bytes that became free. 0 when there was none, or when
    ``unless`` (asked in the same transaction: a hold may have been put a moment ago) says that it stays. OSError when
    the disk refuses: then the row says that the file is still to go, and it goes later."""
    sound = write(lambda db: None if unless(db) else sounds.gone(db, recording, at_ms, why))
    if sound is None:
        return 0
    freed = 0
    for relative in {sound.path, sound.source}:
        path = inside(home, relative)
        if path is not None and path.is_file():
            freed += path.stat().st_size
            path.unlink()
            fsync_folder(path.parent)
    write(lambda db: sounds.unlinked(db, [recording]))
    return freed


def erase(home: Home, write: Write, recording: int, at_ms: int, why: str = "erased") -> int:
    """As ``remove``, and forget the row too: only seals, which tell nothing of anybody, are left."""
    freed = remove(home, write, recording, at_ms, why)
    write(lambda db: sounds.erase(db, recording, at_ms))
    return freed
