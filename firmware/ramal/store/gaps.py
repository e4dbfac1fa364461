"""Spans of recordings in which nothing may be heard. [CARD] fills this in; until then there are none."""

import sqlite3


def of(db: sqlite3.Connection, recording: int) -> tuple[tuple[int, int], ...]:
    """The gaps of a recording: (from_ms, to_ms) from its start, in order."""
    return ()
