"""Verifying everything that was sealed: the chain, every row about a file, every file.

Any thread, with a reader's connection; writes nothing. Memory does not grow with the catalogue: rows are walked, files
are read in blocks. The chain is one picture of the database; rows about files come in small portions, because a reader
that looks for hours would let the database's log grow. So what looks amiss is looked at twice: it may have changed just
then. A flaw is told with the place it is at.
"""

import errno
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ramal.box.home import Home
from ramal.core.chain import Head, Seal, digest_of, walk
from ramal.core.flaws import Code, Flaw
from ramal.store import seals, sounds
from ramal.store.sounds import Sound
from ramal.vault import heads, keys
from ramal.vault.cipher import Broken, SealBroken, Unsealer
from ramal.vault.keep import SUFFIX, inside, open_regular

BLOCK = 1 << 20
PORTION = 200
_CODES: Mapping[Broken, Code] = {
    "other": "file-broken",
    "mark": "file-mark",
    "key": "file-key",
    "cut": "file-cut",
    "piece": "file-piece",
}


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
                    yield Flaw("head", "rows", "given-other", {"first": 1, "last": head.n})
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
        flaws = [Flaw("sound", "sound", wrong, _named(sound))] if wrong else []
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
            yield Flaw("sound", "recording", "sound-removed", {"recording": recording})

    def _row(self, sound: Sound) -> Code | None:
        """What is wrong with a row about a file; None when it is as it was sealed."""
        last = self._last(sound.recording, "sound")
        gone = self._last(sound.recording, "gone")
        if sound.gone_ms is not None:
            if gone is None or gone.digest != sound.gone_digest():
                return "sound-gone-changed"
            if last is not None and last.digest != sound.digest():
                return "sound-changed"
            return None
        if last is None:
            return "sound-unsealed"
        if gone is not None and gone.n > last.n:
            return "sound-gone-hidden"
        return None if last.digest == sound.digest() else "sound-changed"

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
                return Flaw("file", "sound", "file-outside", _named(sound))
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
                return self._changed(sound, size)
        except FileNotFoundError:
            return _of_file("file-missing", sound)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "")
            return _of_file("file-unread", sound, said=str(error.strerror), reason=reason)
        return None

    def _changed(self, sound: Sound, size: int) -> Flaw:
        """Which bytes were changed, as near as the cipher tells."""
        if size != sound.bytes:
            return _of_file("file-size", sound, size=size, bytes=sound.bytes)
        path = inside(self.home, sound.path)
        if not sound.cipher or path is None:
            return _of_file("file-changed", sound)
        try:
            with Unsealer(open_regular(path), size, keys.load(self.home).get) as file:
                if file.file_id != sound.file_id:
                    return _of_file("file-foreign", sound)
                spans = file.broken_pieces()
        except SealBroken as error:
            return _of_file(_CODES[error.reason], sound, said=str(error), **error.facts)
        except keys.KeysUnusable as error:
            return _of_file("file-keys", sound, said=str(error))
        flaw = _of_file("file-spans" if spans else "file-changed", sound)
        return replace(flaw, spans=tuple((begin, min(end, size)) for begin, end in spans[:8]))

    def _unknown_files(self) -> Iterator[Flaw]:
        """Encrypted files that no row knows of: put there, or their rows were removed."""
        root = self.home.recordings
        for folder, _, names in os.walk(root):
            for name in names:
                if not name.endswith(SUFFIX):
                    continue
                relative = os.path.relpath(os.path.join(folder, name), self.home.root)
                source = relative.removesuffix(SUFFIX) + ".wav"
                rows = self.db.execute("SELECT path FROM sound WHERE source = ?", (_text(source),)).fetchall()
                if not self._settled(os.path.join(folder, name)):
                    continue
                # With its wav beside it it is one that is being made right now, or was when the power went.
                if (_text(relative),) not in rows and not (self.home.root / source).exists():
                    yield Flaw("file", "path", "file-unknown", {"path": _text(relative)})

    def _settled(self, path: str) -> bool:
        """Whether a file was there before this verification began: a younger one may have its row by now."""
        try:
            return os.stat(path).st_ctime < self._began_s
        except OSError:
            return False


def _named(sound: Sound) -> dict[str, int | str]:
    return {"recording": sound.recording, "path": sound.path}


def _text(path: str) -> str:
    """A path as text: a file's name may be any bytes, and neither the database nor JSON takes those."""
    return os.fsencode(path).decode("utf-8", "replace")


def _of_file(code: Code, sound: Sound, **args: int | str) -> Flaw:
    return Flaw("file", "path", code, {**_named(sound), **args})
