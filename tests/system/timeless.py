"""The daemon on a box whose clock is believed as a file says: ``python -m tests.system.timeless HOME FACTS.json``.

Asterisk's own clock cannot be set, so only the reason to believe it changes.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from ramal.app import Pace, run
from ramal.box.home import Home
from ramal.core.clock import Facts
from ramal.ops import machine


def look(rtc: bool) -> Facts:
    """A box of ours without a battery clock, and what the file says of it."""
    told = {"box": True, "synced": False, "rtc_ms": None} | json.loads(Path(sys.argv[2]).read_text())
    return replace(machine.look(rtc), **told)


if __name__ == "__main__":
    pace = Pace(tick_s=1.0, look_s=0.3, slow_look_s=1.0, round_s=1.0)
    sys.exit(run(Home(Path(sys.argv[1])), pace, look=look))
