"""When the room that is kept for the worst day is let go, and when it is taken again. Pure.

Law: a disk without one free byte stops more than recordings: Asterisk writes where a phone is reached, and cannot. So
some room is held that nothing can use; what filled the disk (nothing of ours: recordings, copies and uploads all leave
more than this) does not grow for ever, and then phones come back within the minute.
"""

from typing import Literal

BYTES = 32 << 20
"""Held. Thousands of calls, registrations and settings."""
LET_GO_BELOW = 4 << 20
TAKE_ABOVE = 160 << 20
"""Far above the other, so that it is not taken where it would be needed in a moment."""


def due(free_bytes: int, held: bool) -> Literal["", "let-go", "take"]:
    """What is to be done on a disk with so much room for everybody."""
    if held:
        return "let-go" if free_bytes < LET_GO_BELOW else ""
    return "take" if free_bytes >= TAKE_ABOVE else ""
