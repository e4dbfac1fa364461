"""A keeper in a process of its own, which kills itself at a step: ``child.py HOME NOW_MS STEP [TIMES]``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from ramal.ops.vault import Keeper
from tests.vault.shelf import Shelf


def main() -> None:
    home, now_ms, step, times = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    left = [times]

    def at(reached: str) -> None:
        if reached == step:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    shelf = Shelf.at(home)
    shelf.now_ms = now_ms
    keeper = Keeper(shelf.means(), load=lambda: 0.0, linger_ms=0)
    keeper._ways = replace(keeper._ways, step=at)
    print("ready", flush=True)
    while keeper.round():
        pass
    shelf.close()


if __name__ == "__main__":
    main()
