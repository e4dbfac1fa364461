"""A backup before a new release is put beside the one that runs. Any thread but the control thread, which answers it.

Law: it is asked for and waited for, up to a bound; an update is never held up for good by a backup that cannot be made
(a stick that is full), because the update touches no data, and a migration copies the database aside first anyway.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from ramal.control.client import Control
from ramal.errors import RamalError

log = logging.getLogger(__name__)

PATIENCE_MS = 10 * 60 * 1000
ASK_S = 5.0


class Backing(Protocol):
    """What makes backups."""

    def begin(self) -> bool:
        """Ask for one; whether one is to be waited for."""
        ...

    def is_over(self) -> bool:
        """Whether it was made, or none will be."""
        ...


class Daemon:
    """The daemon's own, asked at its socket."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def begin(self) -> bool:
        """As ``Backing.begin``; False without an office or without a daemon."""
        try:
            self._control.ask("backups.now", ASK_S)
        except RamalError as error:
            log.warning("no backup before the update: %s", error)
            return False
        return True

    def is_over(self) -> bool:
        """As ``Backing.is_over``; a daemon that does not answer now may answer later."""
        try:
            told: dict[str, Any] = self._control.ask("backups.status", ASK_S)
        except RamalError:
            return False
        return not told.get("asked")


def wait(backing: Backing, now_ms: Callable[[], int], pause: Callable[[], object], most_ms: int = PATIENCE_MS) -> bool:
    """Ask for a backup and wait until it is over, at most ``most_ms``; whether it was. For a command."""
    if not backing.begin():
        return False
    until_ms = now_ms() + most_ms
    while now_ms() < until_ms:
        if backing.is_over():
            return True
        pause()
    return False
