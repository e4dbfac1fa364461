"""Keeping the logs of a box small: a log that grew too long is put aside once, the older one goes.

Runs on the keeper's thread, about once a minute; on the image in a process of its own, once an hour (ramal-logs).
Every writer appends, so a file can be emptied under it; at most the lines of that instant are lost. Asterisk's journals
are no logs and are never touched.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

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
            if file.stat().st_size <= longest_bytes:
                continue
            with contextlib.suppress(OSError):
                shutil.copyfile(file, file.with_name(f"{file.name}.1"))
            os.truncate(file, 0)
        except OSError:
            continue
        done.append(file)
    return tuple(done)


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


def main(journal: Path = Path("/data/system/journal")) -> int:
    """What the image's timer does, as root: shorten the home's logs, keep the warnings since the last time."""
    from ramal.box.home import default_home

    home = default_home()
    shorten(logs_of(home.log, home.asterisk_log))
    cursor = journal / "cursor"
    words = [
        "journalctl",
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
    sys.exit(main())
