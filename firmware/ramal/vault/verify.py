"""Verifying everything that was sealed: the chain, every row about a file, every file.

Any thread, with a reader's connection; writes nothing. Memory does not grow with the catalogue: rows are walked, files
are read in blocks. The chain is one picture of the database; rows about files come in small portions, because a reader
that looks for hours would let the database's log grow. So what looks amiss is looked at twice: it may have changed just
then. A flaw is told with the place it is at.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ramal.box.home import Home
from ramal.core.chain import Flaw, Head, Seal, digest_of, walk
from ramal.store import seals, sounds
from ramal.store.sounds import Sound
from ramal.vault import heads, keys
from ramal.vault.cipher import SealBroken, Unsealer
from ramal.vault.keep import SUFFIX, inside, open_regular

BLOCK = 1 << 20
PORTION = 200


@dataclass(slots=True)
class Progress:
    """How far a verification is: ``done`` of ``files``, ``bytes`` read."""

    files: int = 0
    done: int = 0
    bytes: int = 0
    seals: int = 0
    head: Head | None = None


Seen = Callable[[Progress], None]


def _unseen(progress: Progress) -> None: ...


@dataclass(slots=True)
class Verification:
    """One verification. ``given`` are heads from outside (printed, mailed) that must be in the chain. ``seen`` is
    called for every file and every MiB; it may wait, or raise to end it. Without ``with_files`` no file is read."""

    home: Home
    db: sqlite3.Connection
    given: tuple[Head, ...] = ()
    with_files: bool = True
    seen: Seen = _unseen
    progress: Progress = field(default_factory=Progress)
    _began_s: float = 0.0

    def flaws(self) -> Iterator[Flaw]:
        """Everything that is amiss, found while it is iterated."""
        tip = heads.tip(self.home)  # before the picture: the file may lag behind the database, never lead
        anchors = {**heads.days(self.home), **({tip.n: tip.hash} if tip else {})}
        self._began_s = time.time()
        self.db.execute("BEGIN")
        try:
            self.progress.head = seals.head(self.db)
            self.progress.files = self.db.execute("SELECT count(*) FROM sound WHERE gone_ms IS NULL").fetchone()[0]
            yield from walk(self._counted(seals.rows(self.db)), anchors)
            for head in self.given:
                if seals.hash_at(self.db, head.n) != head.hash:
                    yield Flaw("head", f"rows 1 to {head.n}", "not what the head that was given stands for")
            yield from self._lost_rows()
        finally:
            self.db.execute("ROLLBACK")
        yield from self._rows()
        yield from self._unknown_files()

    def _counted(self, rows: Iterator[Seal]) -> Iterator[Seal]:
        for seal in rows:
            self.progress.seals += 1
            if seal.n % 10_000 == 0:
                self.seen(self.progress)
            yield seal

    def _rows(self) -> Iterator[Flaw]:
        after = 0
        while portion := sounds.portion(self.db, after, PORTION):
            for sound in portion:
                flaws = self._sound(sound)
                if flaws:
                    self.db.execute("BEGIN")
                    try:
                        now = sounds.of(self.db, sound.recording)
                        flaws = flaws if now == sound and self._row(sound) else self._sound(now) if now else []
                    finally:
                        self.db.execute("ROLLBACK")
                yield from flaws
                self.progress.done += sound.gone_ms is None
                self.seen(self.progress)
            after = portion[-1].recording

    def _sound(self, sound: Sound) -> list[Flaw]:
        wrong = self._row(sound)
        flaws = [Flaw("sound", _named(sound), wrong)] if wrong else []
        if sound.gone_ms is None and (flaw := self._file(sound)):
            flaws.append(flaw)
        return flaws

    def _lost_rows(self) -> Iterator[Flaw]:
        lost = self.db.execute(
            "SELECT recording, kind, digest FROM seal s WHERE recording <> 0"
            " AND NOT EXISTS (SELECT 1 FROM sound WHERE sound.recording = s.recording)"
            " AND n = (SELECT max(n) FROM seal l WHERE l.recording = s.recording)"
        )
        for recording, kind, digest in lost:
            if kind == "erased" and digest == digest_of("erased", (recording,)):
                continue
            if kind == "gone" and digest == sounds.undone_digest(recording):
                continue
            yield Flaw("sound", f"recording {recording}", "its row was removed from the database")

    def _row(self, sound: Sound) -> str:
        """What is wrong with a row about a file; "" when it is as it was sealed."""
        last = self._last(sound.recording, "sound")
        gone = self._last(sound.recording, "gone")
        if sound.gone_ms is not None:
            if gone is None or gone.digest != sound.gone_digest():
                return "its row was changed: it does not say when and why the file went"
            if last is not None and last.digest != sound.digest():
                return "its row was changed"
            return ""
        if last is None:
            return "its row was put in: it was never sealed"
        if gone is not None and gone.n > last.n:
            return "its row was changed: the file was removed, says the catalogue"
        return "" if last.digest == sound.digest() else "its row was changed"

    def _last(self, recording: int, kind: str) -> Seal | None:
        row = self.db.execute(
            "SELECT n, at_ms, kind, recording, digest, prev FROM seal WHERE recording = ? AND kind = ?"
            " ORDER BY n DESC LIMIT 1",
            (recording, kind),
        ).fetchone()
        return None if row is None else Seal(*row)

    def _file(self, sound: Sound) -> Flaw | None:
        path = inside(self.home, sound.path)
        try:
            if path is None:
                return Flaw("file", _named(sound), "its path does not lie below the recordings")
            with open_regular(path) as file:
                size = os.fstat(file.fileno()).st_size
                if not self.with_files:
                    wrong = size != sound.bytes
                else:
                    digest = hashlib.sha256()
                    while block := file.read(BLOCK):
                        digest.update(block)
                        self.progress.bytes += len(block)
                        self.seen(self.progress)
                    wrong = digest.digest() != sound.sha256
            if wrong:
                return Flaw("file", sound.path, f"the file of recording {sound.recording} {self._where(sound, size)}")
        except FileNotFoundError:
            return Flaw("file", sound.path, f"the file of recording {sound.recording} is not there")
        except OSError as error:
            return Flaw("file", sound.path, f"the file of recording {sound.recording} cannot be read: {error.strerror}")
        return None

    def _where(self, sound: Sound, size: int) -> str:
        """Which bytes were changed, as near as the cipher tells."""
        told = f"was changed ({size} bytes, it had {sound.bytes})" if size != sound.bytes else "was changed"
        path = inside(self.home, sound.path)
        if not sound.cipher or path is None or size != sound.bytes:
            return told
        try:
            with Unsealer(open_regular(path), size, keys.load(self.home).get) as file:
                if file.file_id != sound.file_id:
                    return "is the file of another recording"
                spans = file.broken_pieces()
        except (SealBroken, keys.KeysUnusable) as error:
            return f"{told}: {error}"
        places = ", ".join(f"byte {begin} to {min(end, size)}" for begin, end in spans[:8])
        return f"{told} between {places}" if places else told

    def _unknown_files(self) -> Iterator[Flaw]:
        """Encrypted files that no row knows of: put there, or their rows were removed."""
        root = self.home.recordings
        for folder, _, names in os.walk(root):
            for name in names:
                if not name.endswith(SUFFIX):
                    continue
                relative = os.path.relpath(os.path.join(folder, name), self.home.root)
                source = relative.removesuffix(SUFFIX) + ".wav"
                rows = self.db.execute("SELECT path FROM sound WHERE source = ?", (source,)).fetchall()
                if not self._settled(os.path.join(folder, name)):
                    continue
                # With its wav beside it it is one that is being made right now, or was when the power went.
                if (relative,) not in rows and not (self.home.root / source).exists():
                    yield Flaw("file", relative, "no row of the catalogue knows this file")

    def _settled(self, path: str) -> bool:
        """Whether a file was there before this verification began: a younger one may have its row by now."""
        try:
            return os.stat(path).st_ctime < self._began_s
        except OSError:
            return False


def _named(sound: Sound) -> str:
    return f"recording {sound.recording} ({sound.path})"
