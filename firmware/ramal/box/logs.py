"""Keeping the logs of a box small: a log that grew too long is put aside once, the older one goes.

Runs on the keeper's thread, about once a minute; on the image in processes of their own, once an hour: the home's logs
as the user whose they are (ramal-shorten), the journal's warnings as root (ramal-logs). Law: root touches no file of a
home, and a link is not followed. Every writer appends, so a file can be emptied under it; at most the lines of that
instant are lost. Asterisk's journals are no logs and are never touched.
"""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

LONGEST_BYTES = 8 << 20
RING_FILES, RING_BYTES = 4, 512 << 10
"""What the journal's warnings may take on the disk: 2 MiB."""


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
            descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "r+b") as long:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or found.st_size <= longest_bytes:
                    continue
                with contextlib.suppress(OSError):
                    _put_aside(long, file.with_name(f"{file.name}.1"))
                os.ftruncate(descriptor, 0)
        except OSError:
            continue
        done.append(file)
    return tuple(done)


def _put_aside(long: BinaryIO, aside: Path) -> None:
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with open(descriptor, "wb") as file:
        shutil.copyfileobj(long, file)


def add_to_ring(folder: Path, text: str, files: int = RING_FILES, file_bytes: int = RING_BYTES) -> None:
    """Append ``text`` to ``folder``/0; when that is full, 0 becomes 1, 1 becomes 2, and the last goes. OSError."""
    data = text.encode("utf-8", "replace")[-file_bytes:]
    if not data:
        return
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "0"
    if first.exists() and first.stat().st_size + len(data) > file_bytes:
        for number in range(files - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(folder / str(number - 1), folder / str(number))
    with first.open("ab") as file:
        file.write(data)


def main(words: Sequence[str], journal: Path = Path("/data/system/journal")) -> int:
    """What the image's timers do: ``home``, as the user whose home it is: shorten its logs; ``journal``, as root: keep
    the warnings since the last time."""
    if words == ["home"]:
        from ramal.box.home import default_home

        home = default_home()
        shorten(logs_of(home.log, home.asterisk_log))
        return 0
    return keep_warnings(journal)


def keep_warnings(journal: Path, journalctl: str = "journalctl") -> int:
    """Bring what the journal warned of since the last time to the ring in ``journal``; 1 when that failed."""
    cursor = journal / "cursor"
    words = [
        journalctl,
        "-q",
        "-p",
        "warning",
        "-o",
        "short-iso",
        f"--cursor-file={cursor}",
        "--no-pager",
        "-n",
        "2000",
    ]
    try:
        journal.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=60, check=False)
        add_to_ring(journal, done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"ramal: the journal's warnings were not kept ({error})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
