"""``python -m tests.process.full_disk FOLDER with|without``: a shelf on a disk that is filled to the last byte, and a
round of keeping on it. Prints what became of it as JSON. Run where FOLDER is a small disk."""

import contextlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ramal.core.office import Office, Recordings
from ramal.core.retention import DAY_MS
from ramal.ops.keeping import Keeping
from ramal.ops.sweeping import Ballast
from ramal.vault.verify import Verification
from tests.vault.shelf import Shelf

COUNT = 20


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def main() -> int:
    folder = Path(sys.argv[1])
    shelf = Shelf.at(folder / "home")
    paths = [shelf.path(shelf.put(bytes(100_000)), ".wav") for _ in range(COUNT)]
    if sys.argv[2] == "with":
        Ballast(shelf.home).keep(True)
    shelf.close()
    shelf = Shelf.at(folder / "home")  # with an empty log of the database, as after a start
    shelf.now_ms += 50 * DAY_MS
    with (folder / "stuff").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    before = free(folder)

    def ask(*_: Any, **__: Any) -> Any:
        from ramal.ami.codec import Message

        return Message((("Response", "Success"),))

    office = Office("x", recordings=(Recordings(keep_days=40),))
    keeping = Keeping(replace(shelf.means(), office=lambda: office, ask=ask), load=lambda: 0.0)
    for _ in range(3):
        with contextlib.suppress(Exception):
            keeping.round()
    left = sum(path.exists() for path in paths)
    flaws = [flaw.where for flaw in shelf.read(lambda db: list(Verification(shelf.home, db).flaws()))]
    print(json.dumps({"free_before": before, "left": left, "gone": COUNT - left, "flaws": flaws}))
    shelf.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
