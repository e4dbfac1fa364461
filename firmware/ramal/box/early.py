"""``python -m ramal.box.early``: did the last starts come up? Root, very early at every start, before calls.

Law: whatever cannot be read or written here leaves the box starting as usual. Imports almost nothing
(``tests/box/test_early.py`` counts): on a slow machine every module is a moment in which nobody can call.
"""

import os
import sys

from ramal.core.starts import begin

COUNT = "/data/system/failed-boots/count"
MARK = "/run/ramal-safe"
"""There in safe mode, and holds Asterisk's files of it."""
NO_DATA = "no-data"
"""In the mark when the data partition cannot be used."""
HOME = "/data/ramal"


def check(count: str = COUNT, mark: str = MARK, owner: str = HOME) -> str:
    """Count this start; a sentence when it is a safe one, else "". ``owner``: whose folder the mark is like.

    A mark that is a file was laid by the initramfs: there is no data, and this start is a safe one in any case."""
    no_data = os.path.isfile(mark)
    safe, kept = begin(read(count))
    if not no_data:
        keep(count, kept)
        if not safe:
            return ""
    _lay(mark, owner, no_data)
    if no_data:
        return (
            "This box starts in safe mode: its data partition cannot be used. No calls can come. Nothing on it was "
            "changed, and what is set now is gone at the next start."
        )
    return (
        "This box starts in safe mode: its last starts did not come up. Calls go to one phone, the page is there, ssh "
        "is not. The next start is a usual one again."
    )


def read(count: str) -> int | None:
    """The count that is kept; None when there is none that can be read."""
    try:
        with open(count, "rb") as file:
            text = file.read(40).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and len(text) < 5 else None


def keep(count: str, number: int) -> None:
    """Keep the count, lasting. A disk that refuses must not keep the box from starting."""
    part = f"{count}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(count), exist_ok=True)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as file:
            file.write(b"%d\n" % number)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, count)
        folder = os.open(os.path.dirname(count), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)  # or a plug that is pulled in the next seconds takes the count along (seen in a VM)
        finally:
            os.close(folder)
    except OSError:
        pass


def _lay(mark: str, owner: str, no_data: bool) -> None:
    if no_data:
        os.unlink(mark)
    os.makedirs(mark, 0o755, exist_ok=True)
    if no_data:
        open(f"{mark}/{NO_DATA}", "w").close()
    try:
        whose = os.stat(owner)
        os.chown(mark, whose.st_uid, whose.st_gid)
    except OSError:
        pass


if __name__ == "__main__":
    told = check()
    if told:
        print(f"ramal: {told}", file=sys.stderr)
