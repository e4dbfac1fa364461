"""Music on hold: the sounds people bring for the office's classes.

Law: a class is a folder, ``own/music/<class>``, and what lies in it is played; a file is put there whole, in one step,
and Asterisk is then asked to look again, which disturbs nobody who is listening. A class without a file is the box's
own music. Requests only check on the control thread; files are opened on threads of their own, in turn.
"""

import os
import sqlite3
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from ramal.asterisk import incoming, programs
from ramal.asterisk.incoming import NotTaken
from ramal.asterisk.own_sounds import sync
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject
from ramal.ops.prompts import later, title_of, who_of
from ramal.ops.uploads import Uploads
from ramal.store import prompts as kept
from ramal.store.prompts import MusicFile
from ramal.store.users import audit

FILES_MAX = 50
"""Sounds of one class."""


class NoMusic(RamalError):
    """A class or a sound that is not there."""

    code = "no-music"


def subject(means: Means) -> Subject:
    """``music.list``, ``music.add`` and ``music.remove``."""
    desk = _Music(means, Uploads(means.home.incoming))
    handlers = {"music.list": desk.listed, "music.add": desk.add, "music.remove": desk.remove}
    return Subject("music", handlers, at_up=desk.lay)


@dataclass(frozen=True, slots=True)
class _Music:
    means: Means
    uploads: Uploads
    opening: threading.Lock = field(default_factory=threading.Lock)

    def lay(self) -> None:
        """Every class has its folder, or Asterisk would complain at each reload."""
        for one in self.means.office().music:
            self._folder(one.name).mkdir(parents=True, exist_ok=True)

    def listed(self, request: Request) -> "Future[Answer]":
        """``{"music": [{"name", "title", "order", "queues": [name], "files": [{"file", "title", "at_ms", "who",
        "duration_ms", "bytes"}]}]}`` in the file's order."""

        def job() -> Answer:
            office, known = self.means.office(), self.means.read(kept.music)
            rows = []
            for one in office.music:
                files = []
                for path in sorted(self._folder(one.name).glob("*.wav")):
                    row = known.get((one.name, path.name))
                    size = path.stat().st_size
                    about = {"file": path.name, "bytes": size, "duration_ms": max(0, size - 44) // 16}
                    about |= {"title": row.title, "at_ms": row.at_ms, "who": row.who} if row else {"title": path.stem}
                    files.append(about)
                queues = [queue.name for queue in office.queues if queue.music == one.name]
                about_it = {"name": one.name, "title": one.title, "order": one.order}
                rows.append({**about_it, "queues": queues, "files": files})
            return {"music": rows}

        return self.means.work(job)

    def add(self, request: Request) -> "Future[Answer]":
        """Make ``upload`` (it came as ``file``) a sound of the class ``music``; ``{"file", "duration_ms", "told"}``,
        ``told``: Asterisk plays it already. NotTaken with a sentence when it cannot be used."""
        music, name, who = request.text("music"), request.text("upload"), who_of(request)
        title = title_of(request.text("file", ""))
        try:
            self._known(music)
        except NoMusic:
            self.uploads.drop(name)
            raise

        def job() -> Answer:
            folder = self._folder(music)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                if len(list(folder.glob("*.wav"))) >= FILES_MAX:
                    raise NotTaken("music-full", f"This music has {FILES_MAX} sounds already. Take one away first.")
                taken = incoming.take(self.uploads.path(name), "music", programs.prison())
            finally:
                self.uploads.drop(name)
            at_ms = self.means.clock_ms()
            while (target := folder / f"{at_ms}.wav").exists():
                at_ms += 1
            with tempfile.TemporaryDirectory(prefix="made-", dir=self.means.home.incoming) as scratch:
                made = Path(scratch, "made.wav")
                with made.open("wb") as file:
                    file.write(taken.wav)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(made, target)
            sync(folder)
            row = MusicFile(music, target.name, at_ms, who, title, taken.duration_ms)

            def note(db: sqlite3.Connection) -> None:
                kept.add_music(db, row)
                audit(db, at_ms, who, "music.added", f"{music} {title}".strip())

            self.means.write(note).result()
            return {"file": target.name, "duration_ms": taken.duration_ms, "told": self._tell()}

        return later(job, self.opening)

    def remove(self, request: Request) -> "Future[Answer]":
        """Take the sound ``file`` away from the class ``music``; ``{"told"}``. Who hears it now hears it to its end."""
        music, file, who = request.text("music"), request.text("file"), who_of(request)
        self._known(music)

        def job() -> Answer:
            if file not in {path.name for path in self._folder(music).glob("*.wav")}:
                raise NoMusic("There is no such sound any more. Nothing was changed.")
            (self._folder(music) / file).unlink(missing_ok=True)
            at_ms = self.means.clock_ms()

            def note(db: sqlite3.Connection) -> None:
                title = kept.music(db).get((music, file))
                kept.remove_music(db, music, file)
                audit(db, at_ms, who, "music.removed", f"{music} {title.title if title else file}")

            self.means.write(note).result()
            return {"told": self._tell()}

        return self.means.work(job)

    def _known(self, music: str) -> None:
        if music not in {one.name for one in self.means.office().music}:
            raise NoMusic(f"This office has no music “{music[:40]}”. Nothing was changed.")

    def _folder(self, music: str) -> Path:
        return self.means.home.own_music / music

    def _tell(self) -> bool:
        """Have Asterisk look into the folders again; it does so by itself when it starts. It does not look when its
        file is as old as before (seen with 22.10), so the file is made younger."""
        try:
            os.utime(self.means.home.asterisk_etc / "musiconhold.conf")
        except OSError:
            return False
        try:
            return self.means.ask("Reload", (("Module", "res_musiconhold"),)).ok
        except RamalError:
            return False
