"""Removing folders that were another's, as root: first out of the way in one step, then emptied as far as that goes.

On the command's own thread. Law: nothing in a buried folder can hinder the rest: no depth (folders are lifted, never
walked down), no link (names are taken away, never followed), no damage (what cannot be removed stays, and is tried
anew the next time). The grave is root's, beside the home on its disk.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK_AT_ONCE = 10_000


def grave_of(root: Path) -> Path:
    """Where what lay in the home ``root``, or beside it, goes."""
    return root.with_name(f".{root.name}.gone")


def bury(path: Path, grave: Path) -> None:
    """Take ``path``, whatever it is, out of its place in one step; nothing when it is not there. OSError."""
    grave.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        os.rename(path, grave / _free())


def empty(grave: Path) -> None:
    """Remove what was buried, and the grave; what cannot be removed stays in it."""
    with suppress(OSError):
        descriptor = os.open(grave, _FOLDER)
        try:
            while _round(descriptor):
                pass
        finally:
            os.close(descriptor)
        os.rmdir(grave)


def _round(grave: int) -> int:
    """Remove files, lift what lies in the folders to the top, remove these; how many names went."""
    went = 0
    for name, is_folder in _names(grave):
        with suppress(OSError):
            if is_folder:
                went += _lifted(grave, name)
                os.rmdir(name, dir_fd=grave)
            else:
                os.unlink(name, dir_fd=grave)
            went += 1
    return went


def _lifted(grave: int, folder: str) -> int:
    inner = os.open(folder, _FOLDER, dir_fd=grave)
    went = 0
    try:
        while names := _names(inner):
            before = went
            for name, is_folder in names:
                with suppress(OSError):
                    if is_folder:
                        os.rename(name, _free(), src_dir_fd=inner, dst_dir_fd=grave)
                    else:
                        os.unlink(name, dir_fd=inner)
                    went += 1
            if went == before:
                break
    finally:
        os.close(inner)
    return went


def _names(folder: int) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            found.append((entry.name, entry.is_dir(follow_symlinks=False)))
            if len(found) == _LOOK_AT_ONCE:
                break
    return found


def _free() -> str:
    return secrets.token_hex(12)
