"""Room on the home's disk that is held and let go (``core.ballast``): one file, of which not a byte is ever written.

Done by the process ``box.pulse``, so that it needs no daemon. The standard library only. Law: whatever cannot be done
here ends nothing.
"""

import contextlib
import os

from ramal.box.home import Home
from ramal.core import ballast


def look(home: Home) -> str:
    """Hold or let go what is due; a sentence when something was done, else ""."""
    path = home.ballast
    try:
        disk = os.statvfs(path.parent)
        held = path.exists()
    except OSError:
        return ""
    match ballast.due(disk.f_bavail * disk.f_frsize, held):
        case "let-go":
            with contextlib.suppress(OSError):
                path.unlink()
                return (
                    f"The disk is full: the {ballast.BYTES >> 20} MB held for this day are let go, so that calls go on."
                )
        case "take":
            return _take(home)
    return ""


def _take(home: Home) -> str:
    part = home.ballast.with_suffix(".part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, ballast.BYTES)
        finally:
            os.close(descriptor)
        os.replace(part, home.ballast)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        return ""
    return f"{ballast.BYTES >> 20} MB of the disk are held for the day it is full."
