"""The daemon, which ticks every second instead of every ten: ``python -m tests.system.quick HOME``."""

import sys
from pathlib import Path

from ramal.app import Pace, run
from ramal.box.home import Home

if __name__ == "__main__":
    sys.exit(run(Home(Path(sys.argv[1])), Pace(tick_s=1.0, look_s=0.3, slow_look_s=1.0, round_s=1.0)))
