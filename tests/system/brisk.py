"""The daemon, which goes its rounds every second instead of every minute: ``python -m tests.system.brisk HOME``."""

import sys
from pathlib import Path

from ramal.app import Pace, run
from ramal.box.home import Home

if __name__ == "__main__":
    sys.exit(run(Home(Path(sys.argv[1])), Pace(look_s=0.3, slow_look_s=1.0, round_s=1.0)))
