"""Removing recordings so that the catalogue knows it: first the row and its seal, then the file, then nothing is left.

On any thread that may wait for the writer. A crash in between is taken up by the keeper (``keep.tidy``).
"""

import sqlite3
from collections.abc import Callable, Sequence

from ramal.box.home import Home
from ramal.store import sounds
from ramal.store.sounds import Sound
from ramal.vault.keep import Write, inside
from ramal.vault.keys import fsync_folder

BATCH = 500
"""Recordings that go in one transaction: what a crash leaves to be done again."""


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


def erase(home: Home, write: Write, recordings: Sequence[int], at_ms: int, why: str = "erased") -> int:
    """Remove the files of many for ``why`` and forget their rows too: only seals, which tell nothing of anybody, are
    left. The bytes that became free. ``BATCH`` at a time, in the same order of steps; what a crash left half done is
    taken up. OSError when the disk refuses: what is behind that one is not begun."""
    return sum(_erase(home, write, recordings[at : at + BATCH], at_ms, why) for at in range(0, len(recordings), BATCH))


def _erase(home: Home, write: Write, batch: Sequence[int], at_ms: int, why: str) -> int:
    """Two commits, and one sync for each folder: on a card every one of them takes some thirty milliseconds."""

    def begin(db: sqlite3.Connection) -> list[Sound]:
        for recording in batch:
            sounds.gone(db, recording, at_ms, why)
        rows = [sounds.of(db, recording) for recording in batch]
        return [sound for sound in rows if sound is not None and sound.unlink_due]

    doomed: list[Sound] = write(begin)
    freed, folders = 0, set()
    for path in (inside(home, relative) for sound in doomed for relative in {sound.path, sound.source}):
        if path is not None:
            folders.add(path.parent)
            if path.is_file():
                freed += path.stat().st_size
                path.unlink()
    for folder in folders:
        # Also when its files were gone already: whoever removed them may have been cut before this.
        if folder.is_dir():
            fsync_folder(folder)

    def end(db: sqlite3.Connection) -> None:
        sounds.unlinked(db, [sound.recording for sound in doomed])
        for recording in batch:
            sounds.erase(db, recording, at_ms)

    write(end)
    return freed
