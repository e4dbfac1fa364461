"""Is the box well, and what follows: a release on trial is kept, given more time, or left.

Pure. Law: kept is only what passed every check, the call included; what was kept once is never left for being ill.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Name = Literal["data", "selector", "watchdog", "asterisk", "queues", "daemon", "page", "database", "call"]
"""The data partition; the boot selector; the machine's own watchdog; Asterisk up; app_queue answers; the daemon; the
page; the database's structure; a real call through the box, with sound both ways."""
Verdict = Literal["good", "wait", "bad"]
PATIENCE_S = 480.0
"""So long after its start a box may still be coming up: a Pi on a slow card with a migration before it."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is well, and a sentence about it. ``took_ms``: how long looking took. ``doubt``:
    it is well enough, for calls and for a release on trial, and somebody should look at it all the same."""

    name: Name
    ok: bool
    sentence: str
    took_ms: int = 0
    doubt: bool = False

    @property
    def mark(self) -> str:
        """For whoever reads a list."""
        return "FAILED" if not self.ok else "doubt" if self.doubt else "ok"


def is_well(checks: Sequence[Check]) -> bool:
    """Whether all are; nothing looked at is not well."""
    return bool(checks) and all(check.ok for check in checks)


def verdict(checks: Sequence[Check], up_s: float, patience_s: float = PATIENCE_S) -> Verdict:
    """What follows from a look at a box that is up for ``up_s`` seconds."""
    if is_well(checks):
        return "good"
    return "wait" if up_s < patience_s else "bad"


def why(checks: Sequence[Check]) -> str:
    """The names of what is not well, for the history of updates: “asterisk call”."""
    return " ".join(check.name for check in checks if not check.ok)
