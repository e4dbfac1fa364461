"""A row for every call in which there was a question of a survey; who reads them is ``store.answers``.

Law: derived from the journals alone, so a call written again or a rebuild gives the same. Runs on the writer's thread,
inside its transaction.
"""

import sqlite3
from collections.abc import Iterable

from ramal.core.history import Call

TAKES = 16
"""As in ``store.ledger``, which imports this."""


def write(db: sqlite3.Connection, calls: Iterable[tuple[int, bool, Call]]) -> None:
    """Bring the rows up to these calls: (key, was it there before, the call)."""
    told = list(calls)
    db.executemany("DELETE FROM survey WHERE call = ?", [(key,) for key, known, call in told if known])
    rows = []
    for key, _, call in told:
        one = call.survey
        if one is None:
            continue
        n = next((n for n, take in enumerate(call.takes[:TAKES]) if take.kind == "survey"), None)
        sentence = None if n is None else key * TAKES + n
        values = (one.csat, one.nps, one.resolved, sentence)
        rows.append((key, one.at_ms, one.queue, one.agent, " ".join(one.asked), one.why, *values))
    db.executemany("INSERT OR REPLACE INTO survey VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
