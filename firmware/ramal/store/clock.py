"""What is kept of the clock: its epochs, and the times of history put right by them.

Law: the journals' lines are never touched; which calls are put right, and by what, stands in two tables, and the
ledger reads it whenever it folds. So a rebuild after a repair gives what the repair gave, and the original is there.
``decision`` and ``agent_event`` have no lines: their rows change, and ``clock_moved`` keeps what they said. Everything
that writes runs on the writer's thread, inside its transaction.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ramal.core import clock
from ramal.core.clock import Epoch
from ramal.core.history import first_key

_EPOCH = "id, boot, boottime_ms, from_ms, source, why, until_ms, shift_ms"
MOVED = ("agent_event", "decision")
SHOWN = 50


def last(db: sqlite3.Connection) -> Epoch | None:
    """The epoch that has not ended, or ended last."""
    rows = listed(db, 1)
    return rows[0] if rows else None


def listed(db: sqlite3.Connection, limit: int = SHOWN) -> list[Epoch]:
    """The latest epochs, the last one first."""
    return [_epoch(row) for row in db.execute(f"SELECT {_EPOCH} FROM clock_epoch ORDER BY id DESC LIMIT ?", (limit,))]


def of_boot(db: sqlite3.Connection, boot: str) -> list[Epoch]:
    """A boot's epochs in their order."""
    return [_epoch(row) for row in db.execute(f"SELECT {_EPOCH} FROM clock_epoch WHERE boot = ? ORDER BY id", (boot,))]


def turn(db: sqlite3.Connection, ended: Epoch | None, begun: Epoch) -> Epoch:
    """One epoch ended, another began; the new one with its id."""
    if ended is not None:
        db.execute("UPDATE clock_epoch SET until_ms = ? WHERE id = ?", (ended.until_ms, ended.id))
    cursor = db.execute(
        "INSERT INTO clock_epoch (boot, boottime_ms, from_ms, source, why) VALUES (?, ?, ?, ?, ?)",
        (begun.boot, begun.boottime_ms, begun.from_ms, begun.source, begun.why),
    )
    return replace(begun, id=int(cursor.lastrowid or 0))


def behind(db: sqlite3.Connection) -> list[Epoch]:
    """The repaired epochs in which the clock was behind."""
    return [_epoch(row) for row in db.execute(f"SELECT {_EPOCH} FROM clock_epoch WHERE shift_ms > 0 ORDER BY id")]


def key_at(db: sqlite3.Connection, at_ms: int) -> int:
    """As ``core.history.first_key``, where times were put right."""
    return clock.key_at(at_ms, behind(db))


def spans(db: sqlite3.Connection, epoch: int) -> list[Epoch]:
    """The epochs by which a call that began in ``epoch`` is put right."""
    query = (
        f"SELECT {_EPOCH} FROM clock_epoch WHERE id >= ? AND until_ms IS NOT NULL"
        " AND boot = (SELECT boot FROM clock_epoch WHERE id = ?) ORDER BY id"
    )
    return [_epoch(row) for row in db.execute(query, (epoch, epoch))]


def of_new(db: sqlite3.Connection, keys: Sequence[int], now_ms: int) -> Mapping[int, int]:
    """Which epoch calls that history did not know yet began in, for those that are to be put right."""
    if not keys or db.execute("SELECT 1 FROM clock_epoch WHERE shift_ms <> 0 LIMIT 1").fetchone() is None:
        return {}
    least_ms = min(keys) // first_key(1000) * 1000
    query = f"SELECT {_EPOCH} FROM clock_epoch WHERE until_ms IS NULL OR until_ms >= ? ORDER BY id"
    epochs = [_epoch(row) for row in db.execute(query, (least_ms,))]
    found = {key: clock.covering(epochs, _shown_ms(key), now_ms) for key in keys}
    return {key: epoch.id for key, epoch in found.items() if epoch is not None and epoch.shift_ms}


def unmended(db: sqlite3.Connection, boot: str) -> list[tuple[Epoch, int]]:
    """The ended epochs of a boot by what they are wrong, as far as that is known and not yet put right."""
    epochs = of_boot(db, boot)
    wrong = clock.shifts(epochs)
    return [
        (epoch, wrong[epoch.id])
        for epoch in epochs
        if epoch.id in wrong and epoch.until_ms is not None and epoch.shift_ms != wrong[epoch.id]
    ]


def mend(db: sqlite3.Connection, boot: str, now_ms: int) -> list[int]:
    """Note what is known now of a boot's epochs; the keys of the calls that must be folded again. A second time there
    is nothing to do."""
    later = of_boot(db, boot)
    keys: list[int] = []
    for epoch, shift_ms in unmended(db, boot):
        db.execute("UPDATE clock_epoch SET shift_ms = ?, mended_ms = ? WHERE id = ?", (shift_ms, now_ms, epoch.id))
        low, high = first_key(epoch.from_ms), first_key((epoch.until_ms or 0) + 1000)
        if shift_ms or epoch.shift_ms:
            found = db.execute(
                "SELECT key FROM call WHERE key >= ? AND key < ?"
                " AND NOT EXISTS (SELECT 1 FROM clock_call t WHERE t.call = key AND t.epoch <> ?)",
                (low, high, epoch.id),
            ).fetchall()
            mine = [key for (key,) in found if _is_of(later, epoch, _shown_ms(key), now_ms)]
            db.executemany("INSERT OR IGNORE INTO clock_call VALUES (?, ?)", [(key, epoch.id) for key in mine])
            keys += mine
            for table in MOVED:
                _move(db, table, epoch, shift_ms, later, now_ms)
    return keys


def _move(
    db: sqlite3.Connection, table: str, epoch: Epoch, shift_ms: int, epochs: Sequence[Epoch], now_ms: int
) -> None:
    """Times of rows without lines: from what they said first, so that a second time changes nothing."""
    new = db.execute(
        f"SELECT r.id, r.at_ms FROM {table} r LEFT JOIN clock_moved m ON m.tbl = ? AND m.id = r.id"
        " WHERE m.id IS NULL AND r.at_ms BETWEEN ? AND ?",
        (table, epoch.from_ms, epoch.until_ms),
    ).fetchall()
    mine = [(table, id, at_ms, epoch.id) for id, at_ms in new if _is_of(epochs, epoch, at_ms, now_ms)]
    db.executemany("INSERT INTO clock_moved VALUES (?, ?, ?, ?)", mine)
    db.execute(
        f"UPDATE {table} SET at_ms = m.was_ms + ? FROM clock_moved m"
        f" WHERE m.tbl = ? AND m.epoch = ? AND m.id = {table}.id",
        (shift_ms, table, epoch.id),
    )


def _is_of(epochs: Sequence[Epoch], epoch: Epoch, at_ms: int, now_ms: int) -> bool:
    """Whether a time was shown in this epoch, and not again in a later one. To the second: keys are no finer."""
    found = clock.covering(epochs, at_ms, now_ms) or clock.covering(epochs, at_ms + 999, now_ms)
    return found is not None and found.id == epoch.id


def of_call(db: sqlite3.Connection, key: int) -> tuple[str, int]:
    """How far a call's time may be believed: ("", 0), ("unknown", 0) or ("mended", what the clock showed then)."""
    row = db.execute(
        "SELECT e.shift_ms FROM clock_call t JOIN clock_epoch e ON e.id = t.epoch WHERE t.call = ?", (key,)
    )
    if (found := row.fetchone()) is not None:
        return ("mended", _shown_ms(key)) if found[0] else ("", 0)
    query = (
        "SELECT source, shift_ms FROM clock_epoch WHERE from_ms <= ? AND (until_ms IS NULL OR until_ms >= ?)"
        " ORDER BY id DESC LIMIT 1"
    )
    at_ms = _shown_ms(key)
    row = db.execute(query, (at_ms + 999, at_ms))
    found = row.fetchone()
    return ("unknown", 0) if found is not None and found[0] == "none" and found[1] is None else ("", 0)


def _shown_ms(key: int) -> int:
    """What the clock showed when the call of this key began, to the second."""
    return key // first_key(1000) * 1000


def _epoch(row: Sequence[Any]) -> Epoch:
    return Epoch(*row)
