"""The daemon, which keeps recordings at once and on a busy machine too: ``python -m tests.system.keeping HOME``."""

import sys
from functools import partial
from pathlib import Path

from ramal import app
from ramal.app import Pace, run
from ramal.box.home import Home
from ramal.ops import vault

if __name__ == "__main__":
    eager = partial(vault.subject, settle_ms=500, load=lambda: 0.0, linger_ms=0)
    app.SUBJECTS = tuple(eager if one is vault.subject else one for one in app.SUBJECTS)
    sys.exit(run(Home(Path(sys.argv[1])), Pace(tick_s=0.5, look_s=0.3, slow_look_s=1.0, round_s=1.0)))
