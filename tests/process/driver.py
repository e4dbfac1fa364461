"""The daemon as its own process, less patient than on a box: ``python -m tests.process.driver HOME``.

Asterisk's files are one line each, so that a fake AMI can play a whole apply; everything else is the product's.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from ramal.app import Pace, Peers, run
from ramal.box.home import Home
from ramal.core.office import Office
from ramal.errors import RamalError

PACE = Pace(
    tick_s=0.2, look_s=0.1, slow_look_s=0.2, ami_ping_s=0.2, ami_silence_s=0.6, ami_longest_wait_s=0.3
)  # fmt: skip


def render(office: Office) -> Mapping[str, str]:
    return {"features.conf": f"; {office.name}\n", "queues.conf": "".join(f"; {q.name}\n" for q in office.queues)}


def main() -> int:
    slow = "--box-pace" in sys.argv
    try:
        return run(Home(Path(sys.argv[1])), Pace() if slow else PACE, Peers(render, lambda office: None))
    except RamalError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
