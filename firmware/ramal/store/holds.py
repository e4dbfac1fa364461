"""Legal holds: what nothing may remove, by whose word, why and until when. Law: a hold is never deleted, only released.

``add`` and ``release`` on the writer's thread, inside the daemon's job or a command's; the rest with any connection.
Not derived from the journals: a rebuild leaves them alone.
"""

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from ramal.errors import RamalError
from ramal.store import users
from ramal.store.search import digits

Kind = Literal["call", "number", "queue"]
COLUMNS = "id, kind, what, from_ms, to_ms, at_ms, who, why, until_ms, released_ms, released_who"
WHY_MAX = 500


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold; times in ms, None = open. ``from_ms`` and ``to_ms`` are about when calls began."""

    id: int
    kind: Kind
    what: str
    from_ms: int | None
    to_ms: int | None
    at_ms: int
    who: str
    why: str
    until_ms: int | None
    released_ms: int | None
    released_who: str

    def holds(self, now_ms: int) -> bool:
        """Whether it is in force."""
        return self.released_ms is None and (self.until_ms is None or now_ms < self.until_ms)

    def covers(self, call: str, numbers: Collection[str], queues: Collection[str], begun_ms: int) -> bool:
        """Whether a call is under it: its linked id, the numbers of both sides, the queues it waited in, its begin."""
        if (self.from_ms is not None and begun_ms < self.from_ms) or (self.to_ms is not None and begun_ms > self.to_ms):
            return False
        match self.kind:
            case "call":
                return call == self.what
            case "number":
                wanted = digits(self.what)
                return any(digits(number) == wanted for number in numbers)
            case "queue":
                return self.what in queues


@dataclass(frozen=True, slots=True)
class Wish:
    """A hold that is to be."""

    kind: Kind
    what: str
    why: str
    from_ms: int | None = None
    to_ms: int | None = None
    until_ms: int | None = None


def add(db: sqlite3.Connection, at_ms: int, who: str, wish: Wish) -> Hold:
    """Put a hold; audited. RamalError when it would hold nothing that anybody could mean."""
    if not wish.why.strip():
        raise RamalError("Say why it must be kept: whoever looks at it in a year must know. Nothing was changed.")
    if not wish.what.strip():
        raise RamalError("Say which call, number or queue must be kept. Nothing was changed.")
    if wish.from_ms is not None and wish.to_ms is not None and wish.to_ms < wish.from_ms:
        raise RamalError("The period ends before it begins. Nothing was changed.")
    if wish.until_ms is not None and wish.until_ms <= at_ms:
        raise RamalError("This hold would end before it begins. Nothing was changed.")
    if wish.kind == "call" and db.execute("SELECT 1 FROM call WHERE id = ?", (wish.what,)).fetchone() is None:
        raise RamalError(f"There is no call {wish.what[:40]}. Nothing was changed.")
    row = db.execute(
        "INSERT INTO hold (kind, what, from_ms, to_ms, at_ms, who, why, until_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        f" RETURNING {COLUMNS}",
        (wish.kind, wish.what, wish.from_ms, wish.to_ms, at_ms, who, wish.why.strip()[:WHY_MAX], wish.until_ms),
    ).fetchone()
    made = Hold(*row)
    users.audit(db, at_ms, who, "recordings.hold", f"hold {made.id}: {made.kind} {made.what}: {made.why}")
    return made


def release(db: sqlite3.Connection, at_ms: int, who: str, number: int) -> Hold:
    """End a hold; audited. RamalError when there is none of that number, or it has ended."""
    hold = get(db, number)
    if hold is None:
        raise RamalError(f"There is no hold {number}. Nothing was changed.")
    if not hold.holds(at_ms):
        raise RamalError(f"Hold {number} has ended already. Nothing was changed.")
    db.execute("UPDATE hold SET released_ms = ?, released_who = ? WHERE id = ?", (at_ms, who, number))
    users.audit(db, at_ms, who, "recordings.release", f"hold {hold.id}: {hold.kind} {hold.what}: {hold.why}")
    return hold


def get(db: sqlite3.Connection, number: int) -> Hold | None:
    """One hold."""
    row = db.execute(f"SELECT {COLUMNS} FROM hold WHERE id = ?", (number,)).fetchone()
    return None if row is None else Hold(*row)


def every(db: sqlite3.Connection, limit: int = 500) -> tuple[Hold, ...]:
    """All holds, those in force and the newest first."""
    rows = db.execute(f"SELECT {COLUMNS} FROM hold ORDER BY released_ms IS NOT NULL, id DESC LIMIT ?", (limit,))
    return tuple(Hold(*row) for row in rows)


def active(db: sqlite3.Connection, now_ms: int) -> tuple[Hold, ...]:
    """The holds in force."""
    rows = db.execute(f"SELECT {COLUMNS} FROM hold WHERE released_ms IS NULL ORDER BY id")
    return tuple(hold for hold in (Hold(*row) for row in rows) if hold.holds(now_ms))


def of_call(db: sqlite3.Connection, call_key: int, now_ms: int) -> tuple[Hold, ...]:
    """The holds that a call is under now; for who removes its recordings, by its age or at a person's wish."""
    held = active(db, now_ms)
    if not held:
        return ()
    row = db.execute("SELECT id, caller, number, queue, started_ms FROM call WHERE key = ?", (call_key,)).fetchone()
    if row is None:
        return ()
    call, caller, number, queue, begun_ms = row
    stays = (str(one) for (one,) in db.execute("SELECT queue FROM queue_stay WHERE call = ?", (call_key,)))
    queues = {queue, *stays}
    return covering(held, call, (caller, number), queues, begun_ms)


def covering(
    held: Iterable[Hold], call: str, numbers: Collection[str], queues: Collection[str], begun_ms: int
) -> tuple[Hold, ...]:
    """Those of ``held`` that a call is under."""
    return tuple(hold for hold in held if hold.covers(call, numbers, queues, begun_ms))
