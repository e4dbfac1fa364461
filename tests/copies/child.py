"""A copier in a process of its own, for being killed: ``python -m tests.copies.child HOME OFFICE``."""

import sys
import time
from pathlib import Path

from ramal.core import office_file
from tests.copies.kept import Kept

if __name__ == "__main__":
    one = Kept.at(Path(sys.argv[1]))
    one.office = office_file.read(Path(sys.argv[2]).read_text(encoding="utf-8"))
    one.copier().start()
    time.sleep(60)
