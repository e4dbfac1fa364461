"""``ramal prompts``: what is missing or cannot be played, and speaking it anew. Main thread of a command.

Law: it needs neither the daemon nor Asterisk, and stops no call: files are replaced whole.
"""

import sys
from contextlib import closing

from ramal.asterisk.prompt_lint import in_folder, text
from ramal.box.home import Home
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.store.db import open_reader
from ramal.store.settings import load


def run(home: Home, act: str) -> int:
    """``check`` or ``mend``; 0 when every prompt can be heard (then), else 1. RamalError without an office."""
    office = _office(home)
    faults = in_folder(office, home.prompts)
    if act == "mend":
        from ramal.box import prepare
        from ramal.provide import peers

        faults = prepare.mended(home, peers(), office, lambda said: print(said, file=sys.stderr))
    sys.stdout.write(text(faults, office, home.prompts))
    return 1 if faults else 0


def _office(home: Home) -> Office:
    with closing(open_reader(home.db)) as connection:
        office = load(connection)
    if office is None:
        raise RamalError("There is no office yet, so nothing is spoken. Apply an office file.")
    return office
