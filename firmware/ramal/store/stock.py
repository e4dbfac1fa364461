"""What recordings there are, as ``core.retention`` wants to know it, and what the last look at their disk found.

Any thread with a connection of its own; what writes is for the writer. Reads in the order of ids, which is that of the
calls' beginnings, and never holds all rows at once.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ramal.core.retention import WEEKS, Kept, Pace, Remembered, Terms
from ramal.core.retention_rules import Purpose
from ramal.store import holds
from ramal.store.clock import key_at
from ramal.store.ledger import TAKES

_PURPOSES: Mapping[str, Purpose] = {"message": "message", "survey": "survey"}


@dataclass(frozen=True, slots=True)
class Look:
    """The room for recordings at ``at_ms``: bytes of the disk, of it free, and of recordings; ``capacity``: what they
    may take; ``full_days``: in how many days that is reached, None = not known. ``recording``: whether new calls are
    recorded, "" or why not (``room``, ``quota``), since ``since_ms``. ``short``, ``fixed``, ``held``, ``young`` as
    ``core.retention.Plan``. ``early``: how many went before their time in the last 30 days, the latest of them
    begun at ``early_ms``. ``orphans``: files that belong to no recording, ``orphan`` one of them. ``believed_ms``: when
    the clock was last believed. ``counted``: False until the recordings were counted for the first time; a box
    that is busy from its start waits with it."""

    at_ms: int
    total: int = 0
    free: int = 0
    used: int = 0
    count: int = 0
    capacity: int = 0
    floor: int = 0
    full_days: int | None = None
    off: str = ""
    off_since_ms: int = 0
    short: int = 0
    fixed: int = 0
    held: int = 0
    young: int = 0
    early: int = 0
    early_ms: int = 0
    orphans: int = 0
    orphan: str = ""
    believed_ms: int = 0
    counted: bool = True


def kept(db: sqlite3.Connection, now_ms: int) -> Iterator[Kept]:
    """Every recording whose file is there, of calls that have ended, the oldest call first."""
    held = holds.active(db, now_ms)
    rows = db.execute(
        "SELECT r.id, r.kind, r.started_ms, coalesce(s.bytes, r.bytes, 0), c.id, c.caller, c.number, c.campaign,"
        " c.queue, (SELECT group_concat(queue) FROM queue_stay q WHERE q.call = c.key)"
        " FROM recording r CROSS JOIN call c ON c.key = r.id / ? LEFT JOIN sound s ON s.recording = r.id"
        " WHERE r.state IN ('ready', 'short', 'damaged') AND s.gone_ms IS NULL AND c.ended_ms IS NOT NULL"
        " ORDER BY r.id",
        (TAKES,),
    )
    for number, kind, begun_ms, size, call, caller, called, campaign, queue, stays in rows:
        queues = _queues(queue, stays)
        under = bool(held) and bool(holds.covering(held, call, (caller, called), queues, begun_ms))
        yield Kept(number, _purpose(kind, campaign), begun_ms, size, queues, under, campaign)


def sums(db: sqlite3.Connection) -> tuple[int, int]:
    """Bytes and number of the recordings whose file is there."""
    total, count = db.execute(
        "SELECT coalesce(sum(coalesce(s.bytes, r.bytes, 0)), 0), count(*) FROM recording r"
        " LEFT JOIN sound s ON s.recording = r.id"
        " WHERE r.state IN ('ready', 'short', 'damaged') AND s.gone_ms IS NULL"
    ).fetchone()
    return total, count


def _purpose(kind: str, campaign: str) -> Purpose:
    return _PURPOSES.get(kind, "campaign" if campaign else "talk")


def _queues(queue: str, stays: str | None) -> tuple[str, ...]:
    names = {name for name in (stays or "").split(",") if name}
    return tuple(sorted(names | {queue} if queue else names))


def pace(db: sqlite3.Connection, terms: Terms, now_ms: int, timezone: str) -> Pace:
    """What was recorded on each of the last whole days of the office, also what is gone by now."""
    zone = ZoneInfo(timezone)
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    days = 7 * WEEKS
    since = today - timedelta(days=days)
    since_ms = int(datetime(since.year, since.month, since.day, tzinfo=zone).timestamp() * 1000)
    arrived: dict[int, list[int]] = {}
    rows = db.execute(
        "SELECT r.kind, r.started_ms, coalesce(s.bytes, r.bytes, 0), c.campaign,"
        " c.queue, (SELECT group_concat(queue) FROM queue_stay q WHERE q.call = c.key)"
        " FROM recording r CROSS JOIN call c ON c.key = r.id / ? LEFT JOIN sound s ON s.recording = r.id"
        " WHERE r.id >= ? AND r.state IN ('ready', 'short', 'damaged')",
        (TAKES, key_at(db, since_ms) * TAKES),
    )
    for kind, begun_ms, size, campaign, queue, stays in rows:
        at = (_day(begun_ms, zone) - since).days
        if not 0 <= at < days:
            continue
        one = Kept(0, _purpose(kind, campaign), begun_ms, size, _queues(queue, stays), campaign=campaign)
        term = terms.of(one)
        keep = max(term.keep_days, term.minimum_days) if term.keep_days else 0
        arrived.setdefault(keep, [0] * days)[at] += size
    first = db.execute("SELECT min(id) FROM recording").fetchone()[0]
    known = 0
    if first is not None:
        (first_ms,) = db.execute("SELECT started_ms FROM recording WHERE id = ?", (first,)).fetchone()
        known = max(0, min(days, (today - _day(first_ms, zone)).days))
    return Pace(arrived, known)


def _day(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()


def early(db: sqlite3.Connection, since_ms: int) -> tuple[int, int]:
    """How many recordings went before their time since then, and when the latest of these had begun."""
    count, begun_ms = db.execute(
        "SELECT count(*), max(coalesce(r.started_ms, 0)) FROM sound s LEFT JOIN recording r ON r.id = s.recording"
        " WHERE s.gone_ms >= ? AND s.gone_why IN ('quota', 'room')",
        (since_ms,),
    ).fetchone()
    return count, begun_ms or 0


def remembered(db: sqlite3.Connection) -> dict[str, Remembered]:
    """The minimum that queues and campaigns (``core.retention.place_of``) have or once had."""
    rows = db.execute("SELECT queue, minimum_days, until_ms FROM queue_minimum")
    return {queue: Remembered(days, until_ms) for queue, days, until_ms in rows}


def remember(db: sqlite3.Connection, place: str, minimum_days: int, until_ms: int) -> None:
    """What is recorded in the queue or campaign until then is kept for so long, whatever becomes of that. A shorter
    minimum never takes the place of a longer one."""
    db.execute(
        "INSERT INTO queue_minimum VALUES (?, ?, ?) ON CONFLICT (queue) DO UPDATE SET"
        " until_ms = max(until_ms, excluded.until_ms), minimum_days = max(minimum_days, excluded.minimum_days)",
        (place, minimum_days, until_ms),
    )


def look(db: sqlite3.Connection) -> Look | None:
    """What the last look found; None when there was none."""
    row = db.execute("SELECT at_ms, body FROM room WHERE id = 1").fetchone()
    if row is None:
        return None
    names = set(Look.__slots__)
    known: dict[str, Any] = {key: value for key, value in json.loads(row[1]).items() if key in names}
    return Look(**{**known, "at_ms": row[0]})


def put_look(db: sqlite3.Connection, found: Look) -> None:
    """Keep what a look found, in the place of the last one."""
    body = json.dumps(asdict(found), separators=(",", ":"))
    db.execute("INSERT OR REPLACE INTO room VALUES (1, ?, ?)", (found.at_ms, body))


def known_paths(db: sqlite3.Connection) -> set[str]:
    """Every path (relative to the home) that a row tells of."""
    known = {str(path) for (path,) in db.execute("SELECT path FROM recording")}
    for path, source in db.execute("SELECT path, source FROM sound"):
        known.add(path)
        known.add(source)
    return known


def left_behind(db: sqlite3.Connection) -> dict[str, int]:
    """Files that must be gone by what is written down, and the recording whose they are: wavs of what is kept, every
    file of what is gone."""
    found: dict[str, int] = {}
    for number, path, source, gone_ms in db.execute(
        "SELECT recording, path, source, gone_ms FROM sound WHERE unlink_due = 0 AND gone_why <> 'moved'"
    ):
        if source != path or gone_ms is not None:
            found[source] = number
        if gone_ms is not None:
            found[path] = number
    return found


def unlink_again(db: sqlite3.Connection, recordings: list[int]) -> None:
    """Have the vault look at these files again and remove what may go (``vault.keep.tidy``)."""
    db.executemany("UPDATE sound SET unlink_due = 1 WHERE recording = ?", [(one,) for one in recordings])
