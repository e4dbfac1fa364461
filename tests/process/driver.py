"""The daemon as its own process, less patient than on a box: ``python -m tests.process.driver HOME``.

Asterisk's files are one line each, so that a fake AMI can play a whole apply; everything else is the product's.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ramal.app import Pace, Peers, run
from ramal.box.home import Home
from ramal.core.clock import Facts
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.ops import machine

PACE = Pace(
    tick_s=0.2, look_s=0.1, slow_look_s=0.2, ami_ping_s=0.2, ami_silence_s=0.6, ami_longest_wait_s=0.3
)  # fmt: skip


def render(office: Office) -> Mapping[str, str]:
    return {"features.conf": f"; {office.name}\n", "queues.conf": "".join(f"; {q.name}\n" for q in office.queues)}


def clock_of(file: str) -> machine.Look:
    """A machine whose clock is what the test writes into ``file``, as JSON: ``off_ms`` from the real one, and facts."""

    def look(rtc: bool) -> Facts:
        real, told = machine.look(rtc), json.loads(Path(file).read_text())
        off_ms = told.pop("off_ms")
        return replace(real, wall_ms=real.wall_ms + off_ms, **{"synced": False, "box": True, "rtc_ms": None} | told)

    return look


def main() -> int:
    slow = "--box-pace" in sys.argv
    try:
        look = clock_of(os.environ["RAMAL_TEST_CLOCK"]) if "RAMAL_TEST_CLOCK" in os.environ else machine.look
        return run(Home(Path(sys.argv[1])), Pace() if slow else PACE, Peers(render, lambda office: None), look=look)
    except RamalError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
