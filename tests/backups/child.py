"""A backup or a restore in a process of its own, which kills itself before its Nth act on a disk:
``child.py make|restore HOME FILE N [KEYS]``. N 0: it lives, and prints how many acts there were. KEYS: the home whose
keys open the file, where that is not HOME.

Python's own audit events are counted, so the product needs no hooks and no act is forgotten: opening, linking,
renaming, removing, making folders, opening databases, calls into the C library (the exchange of two folders).
"""

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from ramal.box.home import Home
from ramal.box.restore import restore
from ramal.vault import backup_keys, backup_make
from ramal.vault.backup_file import open_backup
from tests.backups.grown import AT_MS

ACTS = ("open", "os.", "sqlite3.connect", "shutil.", "ctypes.dlsym", "fcntl.")


def main() -> None:
    what, home, file, last = sys.argv[1], Home(Path(sys.argv[2])), Path(sys.argv[3]), int(sys.argv[4])
    acts = [0]
    keys = backup_keys.load(Home(Path(sys.argv[5])) if len(sys.argv) > 5 else home)
    if what == "make":  # whatever is imported late is imported now
        backup_make.make(home, file / "warm", keys[-1], AT_MS, "1")

    def count(event: str, _: object) -> None:
        if event.startswith(ACTS):
            acts[0] += 1
            if acts[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    if what == "make":
        backup_make.make(home, file, keys[-1], AT_MS, "1")
    else:
        with closing(open_backup(file, [one.key for one in keys])) as reader:
            restore(reader, home, file.name, AT_MS)
    print(acts[0])


if __name__ == "__main__":
    main()
