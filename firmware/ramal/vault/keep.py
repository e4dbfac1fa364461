"""One recording from wav to what is kept, step by step.

Law: the order of the steps is the law of this package; see ``STEPS``. A crash before ``written`` leaves the wav as it
was (what was half made is in the work folder and thrown away); a crash behind it leaves the kept file. The wav is
removed by ``tidy``, many at once. On the keeper's thread; the database is changed by jobs for the writer.
"""

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from shutil import disk_usage
from typing import Any, BinaryIO

from ramal.box.home import Home
from ramal.errors import RamalError
from ramal.store import seals, sounds
from ramal.store.sounds import Due, Sound
from ramal.vault import heads, opus
from ramal.vault.cipher import FILE_ID_BYTES, Key, SealBroken, Sealer, Unsealer
from ramal.vault.keys import Keyring, fsync_folder

log = logging.getLogger(__name__)

STEPS = ("begun", "encoded", "verified", "named", "written", "noted", "removed", "done")
"""Moments between which a crash is survived: nothing yet; the encrypted file is whole but maybe not on the disk; it was
read back and compared; it has its name and is on the disk with it; the row and the seal are on the disk; the head is
noted apart; the wav is gone; that is written down."""
SUFFIX = ".ogg.sealed"
LINGER_MS = 300_000
"""So long a wav may stand beside what was kept of it, so that several go at once: each removal alone costs a commit of
the file system's journal, some eleven blocks of the card."""
LINGER_ROOM = 16
"""Wavs wait for others only while they are a smaller part of the free room than one in so many."""
ROOM_BYTES = 2 << 20
"""Free space that is left over when a recording is turned."""

Write = Callable[[Callable[[sqlite3.Connection], Any]], Any]
"""Runs a job on the writer and returns its result when it is on the disk."""


class NoRoom(RamalError):
    """The disk has no room for what would be kept; the wav stays."""


class Changing(RamalError):
    """The wav was written to while it was read; it is tried again later."""


class Damaged(RamalError):
    """The wav cannot be kept as it is; trying again will not help soon."""


def _no_step(step: str) -> None: ...


def _no_pace() -> None: ...


@dataclass(frozen=True, slots=True)
class Ways:
    """What keeping needs of the box. ``step`` is told every one of ``STEPS`` as it is reached; ``pace`` may wait while
    the box is busy, or raise to give up."""

    home: Home
    write: Write
    argv: opus.Argv
    clock_ms: Callable[[], int]
    pace: opus.Pace = _no_pace
    step: Callable[[str], None] = _no_step


@dataclass(slots=True)
class _Hashing:
    """A file that is written, and the digest of what was."""

    file: BinaryIO
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        left = memoryview(data)
        while left:  # a disk that is nearly full takes a part, and says so only the next time
            left = left[self.file.write(left) :]
        return len(data)


def keep(ways: Ways, due: Due, gaps: Sequence[tuple[int, int]], key: Key) -> Sound:
    """Turn one wav into what is kept; the row that was written. The wav stands until ``tidy``. Errors: NoRoom,
    Changing, Damaged, opus.EncoderFailed, OSError of the disk; after any of them the wav is there and nothing else."""
    home = ways.home
    wav = inside(home, due.path)
    if wav is None or wav.suffix != ".wav":
        raise Damaged(f"The recording's path {due.path!r} does not lie below the recordings.")
    home.recordings_work.mkdir(mode=0o750, exist_ok=True)
    part = home.recordings_work / f"{due.recording}.part"
    ways.step("begun")
    try:
        opened = open_regular(wav)
    except FileNotFoundError:
        raise
    except OSError as error:  # of this one file; the next may be well
        raise Damaged(f"The recording {due.path} cannot be opened ({error.strerror}).") from error
    with opened as file:
        before = os.fstat(file.fileno())
        _room(home, before.st_size)
        try:
            try:
                made = _make(ways, file, before.st_size, due, gaps, key, part, careful=False)
            except opus.NotTheSame as error:
                log.info("recording %d: %s; it is kept in a better quality", due.recording, error)
                made = _make(ways, file, before.st_size, due, gaps, key, part, careful=True)
            ways.step("verified")
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise Changing(f"The recording {due.path} is still being written.")
            target = wav.with_suffix(SUFFIX)
            os.replace(part, target)
            _lasts(target)
        except (opus.NotSound, opus.NotTheSame) as error:
            raise Damaged(str(error)) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
    ways.step("named")
    ways.write(lambda db: sounds.keep(db, made))
    ways.step("written")
    note_tip(ways)
    ways.step("noted")
    return made


def adopt(ways: Ways, due: Due, gaps: Sequence[tuple[int, int]], keyring: Keyring) -> Sound | None:
    """A kept file without a row whose wav is gone (the database is older than the files): decrypt and decode all of it,
    write its row anew and seal it. None when there is no such file. SealBroken when it is not one of this box."""
    wav = inside(ways.home, due.path)
    path = wav.with_suffix(SUFFIX) if wav is not None else None
    if path is None or wav is None or wav.exists() or not path.is_file():
        return None
    plain, whole = hashlib.sha256(), hashlib.sha256()
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        while block := file.read(opus.BLOCK):
            whole.update(block)
    with contextlib.closing(Unsealer(open_regular(path), size, keyring.get)) as unsealed:
        facts = opus.facts_of_ogg(unsealed.read(256))
        unsealed.seek(0)

        def ogg() -> bytes:
            piece = unsealed.read(opus.BLOCK)
            plain.update(piece)
            return piece

        levels = opus.decode(ogg, facts, ways.argv, ways.pace)
        key_id, file_id = unsealed.key_id, unsealed.file_id
    sound = Sound(
        *(due.recording, str(Path(due.path).with_suffix(SUFFIX)), due.path, "opus", 1, key_id, file_id),
        *(facts.channels, levels.duration_ms, size, whole.digest(), plain.digest(), sounds.gaps_text(gaps)),
        *(levels.peak_db, levels.rms_db(), ways.clock_ms()),
    )
    ways.write(lambda db: sounds.found_again(db, sound))
    note_tip(ways)
    log.warning("the kept file %s had no row; it has one again", path.name)
    return sound


def tidy(ways: Ways, linger_ms: int = 0) -> int:
    """Take up what a crash or a decision left: throw away half-made files, remove files whose row says so. How many
    were looked at. What cannot be removed now is tried again.

    The wavs of what was kept wait up to ``linger_ms`` for others; what must go for another reason never does."""
    with contextlib.suppress(FileNotFoundError):
        for left in ways.home.recordings_work.glob("*.part"):
            left.unlink(missing_ok=True)
    waiting: tuple[Sound, ...] = ways.write(sounds.to_unlink)
    if may_wait(waiting, ways.clock_ms(), linger_ms, disk_usage(ways.home.recordings).free):
        waiting = tuple(sound for sound in waiting if sound.gone_ms is not None)
    removed = []
    for sound in waiting:
        try:
            if sound.gone_ms is None and not _is_good(ways.home, sound):
                _make_again(ways, sound)
            else:
                _remove(ways.home, sound)
                removed.append(sound.recording)
                ways.step("removed")
        except OSError as error:
            log.warning("a file of recording %d could not be removed: %s", sound.recording, error)
    if removed:
        ways.write(lambda db: sounds.unlinked(db, removed))
        ways.step("done")
    return len(waiting)


def may_wait(waiting: Sequence[Sound], now_ms: int, linger_ms: int, free: int) -> bool:
    """Whether wavs that stand beside their kept files may wait for others: all are young (by a clock that was not set
    back), and they take little of the ``free`` bytes."""
    kept = [sound for sound in waiting if sound.gone_ms is None]
    young = all(0 <= now_ms - sound.made_ms < linger_ms for sound in kept)
    return young and LINGER_ROOM * sum(sound.wav_bytes for sound in kept) < free


def note_tip(ways: Ways) -> None:
    """Note the last seal apart from the database, and days' heads that are not there yet."""
    known = heads.days(ways.home)

    def look(db: sqlite3.Connection) -> tuple[Any, list[Any]]:
        return seals.head(db), list(seals.days(db, max(known, default=0)))

    head, days = ways.write(look)
    for day in days:
        heads.add_day(ways.home, day)
    noted = heads.tip(ways.home)
    if head is not None and (noted is None or noted.n < head.n):
        heads.put_tip(ways.home, head)


def inside(home: Home, relative: str) -> Path | None:
    """The path of a recording's file when it lies below the recordings (links resolved), else None."""
    if not relative or "\0" in relative:
        return None
    root = home.recordings.resolve()
    path = (home.root / relative).parent.resolve() / Path(relative).name
    return path if path.is_relative_to(root) and path.name not in ("", "..", ".") else None


def open_regular(path: Path) -> BufferedReader:
    """Open a plain file for reading, never a link, a folder, or a pipe that would keep the reader for ever. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no plain file")
    return os.fdopen(descriptor, "rb")


def _make(
    ways: Ways, wav: BinaryIO, size: int, due: Due, gaps: Sequence[tuple[int, int]], key: Key, part: Path, careful: bool
) -> Sound:
    """The encrypted file at ``part``, compared but maybe not on the disk yet, and its row."""
    facts = opus.facts_of(wav, size)
    plain = hashlib.sha256()
    file_id = secrets.token_bytes(FILE_ID_BYTES)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    with open(descriptor, "w+b", buffering=0) as file:
        sealed = _Hashing(file)
        sealer = Sealer(sealed, key, file_id)

        def out(piece: bytes) -> None:
            plain.update(piece)
            sealer.write(piece)

        levels = opus.encode(wav, facts, gaps, out, ways.argv, ways.pace, careful)
        sealer.seal()
        ways.step("encoded")
        _compare(ways, part, facts, levels, key, plain.digest())
    return Sound(
        due.recording,
        str(Path(due.path).with_suffix(SUFFIX)),
        due.path,
        "opus",
        1,
        key.id,
        file_id,
        facts.channels,
        levels.duration_ms,
        sealed.size,
        sealed.digest.digest(),
        plain.digest(),
        sounds.gaps_text(gaps),
        levels.peak_db,
        levels.rms_db(),
        ways.clock_ms(),
        unlink_due=1,
    )


def _lasts(target: Path) -> None:
    """Have a file and its new name on the disk. Both at once and last: ext4 needs one commit of its journal for them
    (some ten blocks of the card), and one each where the file is made to last before it gets its name. OSError when the
    disk refuses (it may have no room after all); then there is no such file."""
    try:
        with open_regular(target) as file:
            os.fsync(file.fileno())
        fsync_folder(target.parent)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _compare(ways: Ways, part: Path, facts: Any, levels: opus.Levels, key: Key, plain: bytes) -> None:
    """Read it back as a listener would: decrypt, decode, compare with what went in."""
    digest = hashlib.sha256()
    with contextlib.closing(Unsealer(part.open("rb", buffering=0), part.stat().st_size, {key.id: key}.get)) as unsealed:

        def ogg() -> bytes:
            piece = unsealed.read(opus.BLOCK)
            digest.update(piece)
            return piece

        decoded = opus.decode(ogg, facts, ways.argv, ways.pace)
    if digest.digest() != plain:
        raise SealBroken("What was read back from the disk is not what was written.")
    opus.compare(levels, decoded)


def _remove(home: Home, sound: Sound) -> None:
    """Remove what a row says may go: the wav of a kept one, every file of a gone one."""
    doomed = {sound.source} if sound.gone_ms is None else {sound.source, sound.path}
    for relative in doomed:
        path = inside(home, relative)
        if path is None or (sound.gone_ms is None and relative == sound.path):
            continue
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            if sound.gone_ms is not None:  # a power cut may bring a kept one's wav back; ``stock`` finds and removes it
                fsync_folder(path.parent)


def _is_good(home: Home, sound: Sound) -> bool:
    """Whether the kept file is there with the bytes that were sealed. True too when the wav is gone already."""
    wav, path = inside(home, sound.source), inside(home, sound.path)
    if wav is None or not wav.exists():
        return True
    if path is None:
        return False
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").digest() == sound.sha256
    except OSError:
        return False


def _make_again(ways: Ways, sound: Sound) -> None:
    """The kept file is bad and the wav still there: forget the row, so that the wav is due again. Both are sealed."""
    log.error("the kept file of recording %d is not what was written; it is made again from the wav", sound.recording)

    at_ms = ways.clock_ms()
    ways.write(lambda db: sounds.undo(db, sound.recording, at_ms))


def _room(home: Home, wav_bytes: int) -> None:
    if disk_usage(home.recordings).free < wav_bytes // 3 + ROOM_BYTES:
        raise NoRoom("The recordings' disk has no room to turn a recording into Opus.")
