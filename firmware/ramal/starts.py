"""How often the daemon was started lately without having ended as asked: a box that restarts in a circle must say so.

Runs on the main thread (``note``, ``forget``) and the chronicle's (``seen``). One file, one time a line; a file that
cannot be read counts as empty, because this must never keep a daemon from starting.
"""

import contextlib
from pathlib import Path

from ramal.core import warnings
from ramal.core.events import ConditionSeen

WITHIN_MS = 10 * 60_000
MANY = 4
"""Starts within ten minutes that are worth a warning."""
_KEPT = 20


class Starts:
    """The starts noted in ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._starts = _read(file)

    def note(self, now_ms: int) -> None:
        """Remember a start."""
        self._starts = [*self._starts, now_ms][-_KEPT:]
        with contextlib.suppress(OSError):
            self._file.write_text("".join(f"{at_ms}\n" for at_ms in self._starts))

    def forget(self) -> None:
        """The daemon ended as asked: what was before is no circle."""
        self._starts = []
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def seen(self, now_ms: int) -> ConditionSeen:
        """Whether there were many starts lately, as an event."""
        lately = sum(0 <= now_ms - at_ms < WITHIN_MS for at_ms in self._starts)
        args = (("starts", lately), ("within_min", WITHIN_MS // 60_000))
        return ConditionSeen(warnings.DAEMON_RESTARTING, lately >= MANY, args)


def _read(file: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int(line) for line in file.read_text().split()][-_KEPT:]
    return []
