"""The daemon, less patient than on a box: ``python -m tests.system.impatient HOME``.

The settings in force may lead it to Asterisk by a detour (``detour.Detour``); Asterisk's files are rendered from those
of settings.toml, so that Asterisk itself stays where it is.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from ramal.app import Pace, Peers, peers_of, run
from ramal.asterisk.render import render
from ramal.box.asterisk import box_of
from ramal.box.home import Home
from ramal.core.office import Office
from ramal.provide import peers

PACE = Pace(look_s=0.3, slow_look_s=1.0, ami_ping_s=0.5, ami_silence_s=2.0, ami_longest_wait_s=1.0)


def main() -> int:
    home = Home(Path(sys.argv[1]))

    def files(office: Office) -> Mapping[str, str]:
        return render(office, box_of(home, home.settings(), peers()))

    return run(home, PACE, Peers(files, peers_of(home).speak))


if __name__ == "__main__":
    sys.exit(main())
