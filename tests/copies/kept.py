"""A home with kept recordings, and a copier on it; no daemon. The files hold noise: a copy asks for no sound."""

import hashlib
import os
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path

from ramal.core.copies import place_of
from ramal.core.office import Copy, Office
from ramal.ops.copies import Copier
from ramal.ops.means import Means
from ramal.store import copies as rows
from ramal.store import sounds
from ramal.store.copies import CopyPicture
from ramal.store.ledger import TAKES
from ramal.store.sounds import Sound
from tests.vault.shelf import ENDED_MS, Shelf


@dataclass
class Kept:
    shelf: Shelf
    office: Office = field(default_factory=lambda: Office(name="x"))
    load: float = 0.0
    seconds: float = 0.0

    @classmethod
    def at(cls, root: Path) -> "Kept":
        return cls(Shelf.at(root))

    def put(self, count: int = 1, size: int = 4000, why: str = "") -> list[Sound]:
        """So many more kept recordings of ``size`` bytes."""
        (first,) = self.shelf.read(lambda db: db.execute("SELECT coalesce(max(recording), 0) FROM sound").fetchone())
        made = [self._file(first + (n + 1) * TAKES, size) for n in range(count)]

        def job(db: sqlite3.Connection) -> None:
            for sound in made:
                sounds.keep(db, sound)

        self.shelf.write(job)
        return made

    def _file(self, recording: int, size: int) -> Sound:
        path = f"recordings/2026/11/19/{recording}-1.ogg.sealed"
        body = os.urandom(size)
        file = self.shelf.home.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        digest = hashlib.sha256(body).digest()
        return Sound(
            *(recording, path, path.replace(".ogg.sealed", ".wav"), "opus", 1, "k", b"f" * 16, 2, 1000, size),
            *(digest, digest, "[]", -1.0, -20.0, ENDED_MS),
        )

    def to(self, copy: Copy) -> "Kept":
        self.office = replace(self.office, copy=(copy,))
        return self

    def copier(self) -> Copier:
        means: Means = replace(self.shelf.means(), office=lambda: self.office)
        return Copier(means, load=lambda: self.load, clock=lambda: self.seconds)

    def place(self) -> str:
        return place_of(self.office.copy[0])

    def picture(self) -> CopyPicture:
        found: CopyPicture = self.shelf.read(lambda db: rows.copies(db, place_of(self.office.copy[0])))
        return found

    def files(self, folder: str = "backup/ramal") -> dict[str, bytes]:
        """What should lie at the other side."""
        root = self.shelf.home.root
        live = self.shelf.read(lambda db: db.execute("SELECT path FROM sound WHERE gone_ms IS NULL").fetchall())
        return {f"{folder}/{path}": (root / path).read_bytes() for (path,) in live}


def work(copier: Copier, rounds: int = 60) -> int:
    """Let it do all there is to do now; how many rounds."""
    for done in range(rounds):
        if not copier.round():
            return done
    raise AssertionError("it does not come to an end")
