"""What of the kept recordings lies outside the box, and what does not yet. Level-triggered: what is due follows from
the rows of ``sound`` and of ``far_copy``, so nothing has to be put into a queue, and nothing can fall out of it.

Law: a copy has its row before its first byte is sent, and keeps it until it was seen to be gone: what may lie there is
always known. On the writer's thread inside a transaction (what changes), or any with a reader's connection.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ramal.core.copies import wait_ms
from ramal.store.ledger import TAKES

Blob = bytes
Proof = Literal["", "md5", "sha1", "read", "size"]
RunKind = Literal["night", "now", "check"]
RUNS_KEPT = 200
DAY_MS = 24 * 3_600_000
FAILURES_MAX = 50
_DUE = (
    " FROM sound s LEFT JOIN far_copy c ON c.recording = s.recording AND c.place = :place"
    " WHERE s.gone_ms IS NULL AND s.form = 'opus' AND s.cipher = 1"
    " AND (c.state IS NULL OR c.state = 'waiting'"
    " OR (c.state = 'copied' AND (c.sha256 <> s.sha256 OR c.path <> s.path)))"
)
# A file that another recording's row has become the owner of stays.
_OWNED = "EXISTS (SELECT 1 FROM sound o WHERE o.path = c.path AND o.gone_ms IS NULL AND o.recording <> c.recording)"


@dataclass(frozen=True, slots=True)
class Due:
    """A file to be copied: its path relative to the home and to the folder there, SHA-256 of its bytes on the disk."""

    recording: int
    path: str
    bytes: int
    sha256: Blob
    tries: int


@dataclass(frozen=True, slots=True)
class CopyRun:
    """One time copies were made. ``ended_ms`` None: still going on, or cut off."""

    id: int
    kind: RunKind
    place: str
    began_ms: int
    ended_ms: int | None
    copied: int
    bytes: int
    failed: int
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that could not be copied: why (a code), how often it was tried, when it is tried again."""

    recording: int
    call_id: str
    path: str
    reason: str
    tries: int
    next_ms: int


@dataclass(frozen=True, slots=True)
class CopyPicture:
    """How it stands at one place. ``unkept``: recordings that are still wav files, which are copied once they are kept;
    ``oldest_ms``: since when the longest waiting one is kept; ``elsewhere``: copies at former places that ought to be
    removed and cannot be from here any more (place, how many)."""

    copied: int
    copied_bytes: int
    left: int
    left_bytes: int
    oldest_ms: int | None
    unkept: int
    forget: int
    since_ms: int | None
    elsewhere: tuple[tuple[str, int], ...]
    runs: tuple[CopyRun, ...]
    failures: tuple[Failure, ...]


# -- what is to be done ------------------------------------------------------------------------------------------------


def due(db: sqlite3.Connection, place: str, now_ms: int, limit: int) -> tuple[Due, ...]:
    """Files to copy now, the oldest first."""
    rows = db.execute(
        f"SELECT s.recording, s.path, s.bytes, s.sha256, coalesce(c.tries, 0){_DUE}"
        " AND (c.next_ms IS NULL OR c.next_ms <= :now OR c.next_ms > :now + 86400000)"
        " ORDER BY s.recording LIMIT :limit",
        {"place": place, "now": now_ms, "limit": limit},
    )
    return tuple(Due(*row) for row in rows)


def to_forget(db: sqlite3.Connection, place: str, now_ms: int, limit: int, aged: bool) -> tuple[tuple[int, str], ...]:
    """(recording, path) of copies to be removed there: those asked for, those of recordings that were erased here
    whoever forgot to ask, halves of those that went, and when ``aged`` all whose recordings went for their age."""
    rows = db.execute(
        "SELECT c.recording, c.path FROM far_copy c LEFT JOIN sound s ON s.recording = c.recording"
        " WHERE c.place = :place AND (c.next_ms <= :now OR c.next_ms > :now + 86400000)"
        " AND (c.state = 'forget' OR s.recording IS NULL OR s.gone_why = 'erased'"
        " OR (s.gone_ms IS NOT NULL AND (:aged OR c.state = 'waiting')))"
        f" AND NOT {_OWNED} ORDER BY c.recording LIMIT :limit",
        {"place": place, "now": now_ms, "limit": limit, "aged": aged},
    )
    return tuple((int(recording), str(path)) for recording, path in rows)


def copied(db: sqlite3.Connection, place: str, after: int, limit: int) -> tuple[Due, ...]:
    """Files that should lie there and are still kept here, behind recording ``after``."""
    rows = db.execute(
        "SELECT c.recording, c.path, c.bytes, c.sha256, c.tries FROM far_copy c JOIN sound s"
        " ON s.recording = c.recording WHERE c.place = ? AND c.state = 'copied' AND s.gone_ms IS NULL"
        " AND c.recording > ? ORDER BY c.recording LIMIT ?",
        (place, after, limit),
    )
    return tuple(Due(*row) for row in rows)


# -- what became of it -------------------------------------------------------------------------------------------------


def use_place(db: sqlite3.Connection, place: str, now_ms: int) -> None:
    """Copies go there from now on."""
    db.execute("INSERT OR IGNORE INTO copy_place VALUES (?, ?)", (place, now_ms))


def sending(db: sqlite3.Connection, place: str, files: Iterable[Due]) -> None:
    """These may lie there from now on."""
    db.executemany(
        "INSERT INTO far_copy (place, recording, path, state, bytes, sha256) VALUES (?, ?, ?, 'waiting', ?, ?)"
        " ON CONFLICT (place, recording) DO UPDATE SET path = excluded.path, bytes = excluded.bytes,"
        " sha256 = excluded.sha256, state = 'waiting', copied_ms = NULL, proof = '' WHERE state <> 'forget'",
        [(place, one.recording, one.path, one.bytes, one.sha256) for one in files],
    )


def hurry(db: sqlite3.Connection, place: str) -> None:
    """What waits after a failure waits no longer."""
    db.execute("UPDATE far_copy SET next_ms = 0 WHERE place = ? AND next_ms > 0", (place,))


def arrived(db: sqlite3.Connection, place: str, files: Iterable[tuple[int, Proof]], now_ms: int) -> None:
    """These were seen there, whole, by ``Proof``. Whoever asked meanwhile for one to be forgotten is heard."""
    db.executemany(
        "UPDATE far_copy SET state = 'copied', copied_ms = ?, proof = ?, reason = '', tries = 0, next_ms = 0"
        " WHERE place = ? AND recording = ? AND state <> 'forget'",
        [(now_ms, proof, place, recording) for recording, proof in files],
    )


def failed(db: sqlite3.Connection, place: str, recording: int, now_ms: int, reason: str) -> None:
    """One could not be copied, or be removed there."""
    row = db.execute("SELECT tries FROM far_copy WHERE place = ? AND recording = ?", (place, recording)).fetchone()
    tries = (row[0] if row else 0) + 1
    db.execute(
        "UPDATE far_copy SET tries = ?, next_ms = ?, reason = ?, copied_ms = NULL, proof = '',"
        " state = CASE state WHEN 'forget' THEN 'forget' ELSE 'waiting' END WHERE place = ? AND recording = ?",
        (tries, now_ms + wait_ms(tries), reason, place, recording),
    )


def forget(db: sqlite3.Connection, recordings: Iterable[int]) -> int:
    """Have the copies of ``recordings`` removed, wherever they lie; how many there are. Asked in the transaction that
    erases them here, so that neither happens without the other."""
    before = db.total_changes
    db.executemany(
        "UPDATE far_copy SET state = 'forget', tries = 0, next_ms = 0, reason = '' WHERE recording = ?"
        " AND state <> 'forget'",
        [(recording,) for recording in recordings],
    )
    return db.total_changes - before


def left_far(db: sqlite3.Connection, recordings: Iterable[int]) -> int:
    """How many copies of ``recordings`` may still lie somewhere."""
    return sum(
        int(db.execute("SELECT count(*) FROM far_copy WHERE recording = ?", (one,)).fetchone()[0]) for one in recordings
    )


def forgotten(db: sqlite3.Connection, place: str, recordings: Iterable[int]) -> None:
    """These were seen to be gone there: nothing of them is left to be known."""
    db.executemany("DELETE FROM far_copy WHERE place = ? AND recording = ?", [(place, one) for one in recordings])


def drop_place(db: sqlite3.Connection, place: str) -> int:
    """The owner says that nothing lies at ``place`` any more; how many copies that were."""
    db.execute("DELETE FROM copy_place WHERE place = ?", (place,))
    return db.execute("DELETE FROM far_copy WHERE place = ?", (place,)).rowcount


def disown(db: sqlite3.Connection, place: str) -> int:
    """Drop rows of recordings that went while another recording has their file now; how many."""
    return db.execute(
        "DELETE FROM far_copy AS c WHERE c.place = ? AND NOT EXISTS (SELECT 1 FROM sound s"
        f" WHERE s.recording = c.recording AND s.gone_ms IS NULL) AND {_OWNED}",
        (place,),
    ).rowcount


# -- runs --------------------------------------------------------------------------------------------------------------

_RUN = "id, kind, place, began_ms, ended_ms, copied, bytes, failed, reason"


def begin_run(db: sqlite3.Connection, kind: RunKind, place: str, now_ms: int) -> int:
    """A run begins; its id."""
    cursor = db.execute("INSERT INTO copy_run (kind, place, began_ms) VALUES (?, ?, ?)", (kind, place, now_ms))
    db.execute("DELETE FROM copy_run WHERE id <= ?", ((cursor.lastrowid or 0) - RUNS_KEPT,))
    return int(cursor.lastrowid or 0)


def add_to_run(db: sqlite3.Connection, run: int, copied: int, size: int, failed: int, reason: str) -> None:
    """What a run did since the last time; ``reason``: what keeps it now, "" = nothing."""
    db.execute(
        "UPDATE copy_run SET copied = copied + ?, bytes = bytes + ?, failed = failed + ?, reason = ? WHERE id = ?",
        (copied, size, failed, reason, run),
    )


def end_run(db: sqlite3.Connection, run: int, now_ms: int | None) -> None:
    """A run ended; None: it goes on after all."""
    db.execute("UPDATE copy_run SET ended_ms = ? WHERE id = ?", (now_ms, run))


def cut_off(db: sqlite3.Connection, place: str, now_ms: int) -> list[CopyRun]:
    """Runs of the last day that were cut off at this place, by the end of a daemon; they and all others end now."""
    found = db.execute(
        f"SELECT {_RUN} FROM copy_run WHERE ended_ms IS NULL AND place = ? AND began_ms BETWEEN ? AND ?",
        (place, now_ms - DAY_MS, now_ms),
    ).fetchall()
    db.execute("UPDATE copy_run SET ended_ms = ? WHERE ended_ms IS NULL", (now_ms,))
    return [CopyRun(*row) for row in found]


def last_run(db: sqlite3.Connection, kind: RunKind) -> CopyRun | None:
    """The latest of its kind."""
    row = db.execute(f"SELECT {_RUN} FROM copy_run WHERE kind = ? ORDER BY id DESC LIMIT 1", (kind,)).fetchone()
    return None if row is None else CopyRun(*row)


# -- looking -----------------------------------------------------------------------------------------------------------


def left(db: sqlite3.Connection, place: str) -> tuple[int, int, int | None]:
    """How many are not copied yet, their bytes, and since when the longest waiting one is kept."""
    count, size, oldest_ms = db.execute(
        f"SELECT count(*), coalesce(sum(s.bytes), 0), min(s.made_ms){_DUE}", {"place": place}
    ).fetchone()
    return count, size, oldest_ms


def copies(db: sqlite3.Connection, place: str) -> CopyPicture:
    """How it stands at ``place``."""
    copied, size = db.execute(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM far_copy WHERE place = ? AND state = 'copied'", (place,)
    ).fetchone()
    (unkept,) = db.execute(
        "SELECT count(*) FROM recording r WHERE r.kind IN ('talk', 'survey') AND r.state IN ('ready', 'short')"
        " AND r.duration_ms > 0 AND NOT EXISTS (SELECT 1 FROM sound s WHERE s.recording = r.id)"
    ).fetchone()
    (forget,) = db.execute("SELECT count(*) FROM far_copy WHERE place = ? AND state = 'forget'", (place,)).fetchone()
    since = db.execute("SELECT since_ms FROM copy_place WHERE place = ?", (place,)).fetchone()
    elsewhere = db.execute(
        "SELECT c.place, count(*) FROM far_copy c LEFT JOIN sound s ON s.recording = c.recording WHERE c.place <> ?"
        " AND (c.state = 'forget' OR s.recording IS NULL OR s.gone_why = 'erased') GROUP BY c.place",
        (place,),
    ).fetchall()
    runs = db.execute(f"SELECT {_RUN} FROM copy_run ORDER BY id DESC LIMIT 10").fetchall()
    return CopyPicture(
        *(copied, size, *left(db, place), unkept, forget, since[0] if since else None),
        *(tuple(elsewhere), tuple(CopyRun(*row) for row in runs), failures(db, place)),
    )


def failures(db: sqlite3.Connection, place: str) -> tuple[Failure, ...]:
    """What could not be copied, at most ``FAILURES_MAX``, those tried most often first."""
    rows = db.execute(
        "SELECT c.recording, coalesce(k.id, ''), c.path, c.reason, c.tries, c.next_ms FROM far_copy c"
        " LEFT JOIN call k ON k.key = c.recording / ? WHERE c.place = ? AND c.state = 'waiting' AND c.reason <> ''"
        " ORDER BY c.tries DESC, c.recording LIMIT ?",
        (TAKES, place, FAILURES_MAX),
    )
    return tuple(Failure(*row) for row in rows)
