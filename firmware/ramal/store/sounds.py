"""What became of recordings' files: the rows of ``sound``, each sealed into the catalogue when it is made and when its
file goes. Law: nobody else writes these rows, and none is written without its seal.

On the writer's thread inside a transaction (what changes), or any with a reader's connection (what only reads).
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Literal

from ramal.core.chain import digest_of
from ramal.core.history import first_key
from ramal.store import seals
from ramal.store.ledger import TAKES

Form = Literal["wav", "opus"]
Blob = bytes
Gaps = tuple[tuple[int, int], ...]
"""Spans in ms from the recording's start in which nothing may be heard."""
HOUR_MS = 3_600_000
FRESH_MS = 26 * HOUR_MS
MOVED = "moved"
"""Why a row is gone whose file now belongs to another recording: the call became part of another one."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One row. Paths are relative to the home; levels are dBFS; digests 32 bytes; ``file_id`` is the encrypted file's
    own (empty when plain)."""

    recording: int
    path: str
    source: str
    form: Form
    cipher: int
    key_id: str
    file_id: Blob
    channels: int
    duration_ms: int
    bytes: int
    sha256: Blob
    plain_sha256: Blob
    gaps: str
    peak_db: float
    rms_db: float
    made_ms: int
    gone_ms: int | None = None
    gone_why: str = ""
    unlink_due: int = 0

    @property
    def wav_bytes(self) -> int:
        """About the size of the wav that it was made from: 8000 samples a second of two bytes."""
        return self.duration_ms * self.channels * 16

    def digest(self) -> Blob:
        """What the seal of this sound holds: everything but what may change later."""
        return digest_of("sound", astuple(self)[:_SEALED])

    def gone_digest(self) -> Blob:
        """What the seal of its going holds."""
        return digest_of("gone", (self.recording, self.gone_ms, self.gone_why))


_NAMES = tuple(field.name for field in fields(Sound))
_SEALED = _NAMES.index("gone_ms")
_COLUMNS = ", ".join(_NAMES)
_PUT = f"INSERT OR REPLACE INTO sound ({_COLUMNS}) VALUES ({', '.join('?' * len(_NAMES))})"


@dataclass(frozen=True, slots=True)
class Due:
    """A measured wav that is to be kept."""

    recording: int
    path: str


def gaps_text(gaps: Sequence[tuple[int, int]]) -> str:
    """Gaps as they are kept."""
    return json.dumps([list(gap) for gap in gaps], separators=(",", ":"))


def of(db: sqlite3.Connection, recording: int) -> Sound | None:
    """What became of a recording's file; None while it is only a wav."""
    row = db.execute(f"SELECT {_COLUMNS} FROM sound WHERE recording = ?", (recording,)).fetchone()
    return None if row is None else Sound(*row)


def portion(db: sqlite3.Connection, after: int, limit: int) -> tuple[Sound, ...]:
    """So many rows behind recording ``after``, by their recording."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM sound WHERE recording > ? ORDER BY recording LIMIT ?", (after, limit))
    return tuple(Sound(*row) for row in rows)


def due(db: sqlite3.Connection, now_ms: int, settle_ms: int, everything: bool, limit: int) -> tuple[Due, ...]:
    """Wavs of talks and of surveys' sentences that are to be kept, the oldest first: measured, of calls that ended
    ``settle_ms`` ago. Only calls of the last day are looked at unless ``everything``. A clock that was set back must
    not hide a call for years."""
    since = 0 if everything else first_key(max(0, now_ms - FRESH_MS)) * TAKES
    rows = db.execute(
        "SELECT r.id, r.path FROM recording r JOIN call c ON c.key = r.id / ?"
        " WHERE r.id >= ? AND r.kind IN ('talk', 'survey') AND r.state IN ('ready', 'short') AND r.duration_ms > 0"
        " AND (c.ended_ms <= ? OR c.ended_ms > ?)"
        " AND NOT EXISTS (SELECT 1 FROM sound s WHERE s.recording = r.id) ORDER BY r.id LIMIT ?",
        (TAKES, since, now_ms - settle_ms, now_ms + HOUR_MS, limit),
    )
    return tuple(Due(*row) for row in rows)


def unknown(db: sqlite3.Connection, limit: int = 200) -> tuple[Due, ...]:
    """Recordings of which neither a wav nor a row is known: their kept file may be there all the same, when the
    database is older than the files (a backup was put back)."""
    rows = db.execute(
        "SELECT id, path FROM recording WHERE state = 'missing' AND kind IN ('talk', 'survey')"
        " AND NOT EXISTS (SELECT 1 FROM sound WHERE source = path) ORDER BY id DESC LIMIT ?",
        (limit,),
    )
    return tuple(Due(*row) for row in rows)


def found_again(db: sqlite3.Connection, sound: Sound) -> None:
    """As ``keep``, and the recording is not missing any more."""
    keep(db, sound)
    db.execute(
        "UPDATE recording SET state = 'ready', duration_ms = ?, bytes = ?, sha256 = ?"
        " WHERE id = ? AND state = 'missing'",
        (sound.duration_ms, sound.bytes, sound.plain_sha256, sound.recording),
    )


def keep(db: sqlite3.Connection, sound: Sound) -> None:
    """Write a kept file down and seal it. A row that was there before (its file was found bad) is replaced."""
    db.execute(_PUT, astuple(sound))
    seals.append(db, sound.made_ms, "sound", sound.recording, sound.digest())


def to_unlink(db: sqlite3.Connection, limit: int = 100) -> tuple[Sound, ...]:
    """Rows that still have a file to be removed; what is gone before the wavs of what is kept, which may wait."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM sound WHERE unlink_due ORDER BY gone_ms IS NULL, recording LIMIT ?", (limit,)
    )
    return tuple(Sound(*row) for row in rows)


def unlinked(db: sqlite3.Connection, recordings: Iterable[int]) -> None:
    """Their files are removed."""
    db.executemany("UPDATE sound SET unlink_due = 0 WHERE recording = ?", [(one,) for one in recordings])


def gone(db: sqlite3.Connection, recording: int, at_ms: int, why: str) -> Sound | None:
    """Decide that a recording's file goes, for ``why`` (a code: retention, erased…); sealed. The row with what is to be
    removed (``vault.removal`` does it); None when there is no such recording, or its file is gone already.

    A recording that is still a wav gets its row at the same time."""
    if not why:
        raise ValueError("a recording goes for a reason")
    sound = of(db, recording)
    if sound is not None and sound.gone_ms is not None:
        return None
    if sound is None:
        sound = _as_wav(db, recording, at_ms)
        if sound is None:
            return None
    left = replace(sound, gone_ms=at_ms, gone_why=why, unlink_due=1)
    db.execute(_PUT, astuple(left))
    seals.append(db, at_ms, "gone", recording, left.gone_digest())
    return left


def erase(db: sqlite3.Connection, recording: int, at_ms: int) -> bool:
    """Forget even the row of a recording whose file is gone (a person was erased); the seals stay, and one more says
    so. False when there is no such row. ValueError while its file is there."""
    sound = of(db, recording)
    if sound is None:
        return False
    if sound.gone_ms is None or sound.unlink_due:
        raise ValueError("a recording is erased after its file")
    db.execute("DELETE FROM sound WHERE recording = ?", (recording,))
    seals.append(db, at_ms, "erased", recording, digest_of("erased", (recording,)))
    return True


def undo(db: sqlite3.Connection, recording: int, at_ms: int) -> None:
    """The kept file was found bad while the wav is still there: the wav is due again. Sealed."""
    db.execute("DELETE FROM sound WHERE recording = ?", (recording,))
    seals.append(db, at_ms, "gone", recording, undone_digest(recording))


def undone_digest(recording: int) -> bytes:
    """What the seal of ``undo`` holds."""
    return digest_of("gone", (recording, None, "made again"))


def astray(db: sqlite3.Connection) -> list[tuple[int, int]]:
    """Recordings that are called missing although their sound is kept, and the recording it is kept for."""
    return db.execute(
        "SELECT r.id, s.recording FROM recording r JOIN sound s ON s.source = r.path"
        " WHERE r.state = 'missing' AND s.gone_ms IS NULL AND s.form = 'opus'"
        " AND (s.recording = r.id OR NOT EXISTS (SELECT 1 FROM sound o WHERE o.recording = r.id)) LIMIT 100"
    ).fetchall()


def mend(db: sqlite3.Connection, at_ms: int) -> int:
    """Bring recordings that are called missing only because their wav was kept in another form, back to their sound:
    after the history was computed anew, or when a call became part of another one. How many."""
    rows = astray(db)
    for recording, owner in rows:
        sound = of(db, owner)
        assert sound is not None
        if owner != recording:
            left = replace(sound, gone_ms=at_ms, gone_why=MOVED, unlink_due=0)
            db.execute(_PUT, astuple(left))
            seals.append(db, at_ms, "gone", owner, left.gone_digest())
            keep(db, replace(sound, recording=recording, made_ms=at_ms))
        db.execute(
            "UPDATE recording SET state = 'ready', duration_ms = ?, bytes = ?, sha256 = ? WHERE id = ?",
            (sound.duration_ms, sound.bytes, sound.plain_sha256, recording),
        )
    return len(rows)


def key_ids(db: sqlite3.Connection) -> frozenset[str]:
    """Every key that a file which should still be there was encrypted with."""
    rows = db.execute("SELECT DISTINCT key_id FROM sound WHERE cipher = 1 AND gone_ms IS NULL")
    return frozenset(str(row[0]) for row in rows)


def _as_wav(db: sqlite3.Connection, recording: int, at_ms: int) -> Sound | None:
    row = db.execute(
        "SELECT path, duration_ms, bytes, sha256 FROM recording WHERE id = ? AND state <> 'writing'", (recording,)
    ).fetchone()
    if row is None:
        return None
    path, duration_ms, size, sha256 = row
    digest = sha256 or b""
    return Sound(
        *(recording, path, path, "wav", 0, "", b"", 0, duration_ms or 0, size or 0, digest, digest),
        *("[]", 0.0, 0.0, at_ms),
    )
