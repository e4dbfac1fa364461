"""The daemon, which erases people at once: ``python -m tests.system.erasing HOME [STEP]``. With STEP it dies by kill -9
when the erasure comes to that step, and leaves the step half done where that can be."""

import os
import signal
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ramal import app
from ramal.app import Pace, run
from ramal.box.home import Home
from ramal.ops import erasing, erasure, privacy, vault
from ramal.store import privacy as book

DIES = sys.argv[2] if len(sys.argv) > 2 else ""


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(erasure.Erasure):
    """Dies at the end of the step it was told, before the step is noted as done."""

    def _do(self, step: Any) -> Any:
        if step == DIES == "journals":
            real = erasing.mend_cursors

            def mend(db: sqlite3.Connection, home: Home) -> int:
                _die()  # journals are written over, the cursors still know the old lines
                return real(db, home)

            erasing.mend_cursors = mend
        if step == DIES:
            self._means.write_soon(lambda db: None).result()
            real_move = book.move

            def move(*words: Any) -> None:
                _die()
                real_move(*words)

            book.move = move
        return super()._do(step)


if __name__ == "__main__":
    privacy.Erasure = Mortal  # type: ignore[misc]
    eager = {vault.subject: partial(vault.subject, settle_ms=500, load=lambda: 0.0, linger_ms=0)}
    eager[privacy.subject] = partial(privacy.subject, settle_ms=500)
    app.SUBJECTS = tuple(eager.get(one, one) for one in app.SUBJECTS)  # type: ignore[call-overload]
    sys.exit(run(Home(Path(sys.argv[1])), Pace(tick_s=0.5, look_s=0.3, slow_look_s=1.0, round_s=1.0)))
