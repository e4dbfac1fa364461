"""What a machine needs before Ramal can run: host packages, ``.venv``, and the peers (Asterisk, baresip, sipp).

Law: standard library only, for it runs on the system's bare ``python3`` before any package is installed; and no step
touches the network when what it provides is already there. Runs on the main thread of its own process
(``python3 -m ramal.provide``); ``peers()`` is also called at run time, from any thread.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  the one line that an older python3 must reach
    sys.exit(f"ramal: Python {sys.version.split()[0]} is too old: Ramal needs 3.11 or newer, as Debian 12 has it.")

from ramal.provide.peer import Peers, RunningPeer, peers

__all__ = ["Peers", "RunningPeer", "peers"]
