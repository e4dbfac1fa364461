"""Keeping the logs of a box small: a log that grew too long is put aside once, the older one goes.

Runs on the keeper's thread, about once a minute. Every writer appends, so a file can be emptied under it; at most the
lines of that instant are lost. Asterisk's journals are no logs and are never touched.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

LONGEST_BYTES = 8 << 20


def logs_of(log: Path, asterisk_log: Path, run: Path | None = None) -> Iterable[Path]:
    """Our own logs and Asterisk's messages; in ``run`` what Asterisk says of sign-ins."""
    yield from sorted(log.glob("*.log"))
    yield asterisk_log / "messages.log"
    if run is not None:
        yield run / "security.log"


def shorten(files: Iterable[Path], longest_bytes: int = LONGEST_BYTES) -> tuple[Path, ...]:
    """Put aside (as ``name.1``) and empty every file over ``longest_bytes``; which ones. A full disk: only emptied."""
    done = []
    for file in files:
        try:
            if file.stat().st_size <= longest_bytes:
                continue
            with contextlib.suppress(OSError):
                shutil.copyfile(file, file.with_name(f"{file.name}.1"))
            os.truncate(file, 0)
        except OSError:
            continue
        done.append(file)
    return tuple(done)
