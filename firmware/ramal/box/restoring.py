"""Root's part of a backup that is put back from the page: ``ramal restore --asked``, then ``ramal restore --now``.

Two services, so that neither needs a right over the others. ``ramal-restore-check`` takes the request and refuses what
can be refused (no such file, a wrong code, a damaged backup, no room: it is laid out once) while calls go on. The
other conflicts with Asterisk, daemon and page, so process 1 has ended them when it begins; it exchanges the home in
one step (``box.restore``) or leaves the old one, and the box restarts whichever it was: that is the one order of
starting that is proven. Law: what became of it lies in /data/system, where it outlasts the restart. On the command's
own thread.
"""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from ramal.box.as_owner import as_owner
from ramal.box.graves import bury, empty, grave_of
from ramal.box.home import Home
from ramal.box.image import Image
from ramal.box.restore import homes_keys, look, restore
from ramal.box.taking import take
from ramal.core import backups, restoring
from ramal.core.restoring import Asked, Phase, Standing
from ramal.errors import RamalError
from ramal.store import settings
from ramal.store.db import open_reader
from ramal.vault.backup_file import BackupReader, BackupRefused, open_backup, recipe_of
from ramal.vault.keys import fsync_folder

log = logging.getLogger(__name__)

BEFORE = re.compile(r"\.before-restore-[0-9-]{15,22}\Z")
"""How the name of a home ends that lies beside since a backup was put back (``box.restore``)."""
REQUEST_MAX = 10_000


@dataclass(slots=True)
class Restoring:
    """What was asked for, on one image."""

    image: Image
    home: Home
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def check(self) -> bool:
        """Take the request; have it done when nothing speaks against it. Whether the box is to be stopped for it."""
        asked = _taken(self.image.restore_request)
        if asked is None:
            return False
        self._say("checking")
        try:
            if asked.act == "forget":
                return self._forget()
            with closing(self._opened(asked)) as reader:
                look(reader, self.home)
        except Exception as error:  # a stranger's file: whatever it breaks is its refusal
            self._refused(error)
            self._drop(asked.file)
            return False
        self._say("restoring")
        _write(self.image.restore_go, restoring.asked_text(asked), 0o600)
        return True

    def carry_out(self) -> bool:
        """Put back what was found well, while nothing has the home open; whether it was."""
        asked = _taken(self.image.restore_go)
        if asked is None:
            return False
        try:
            with closing(self._opened(asked)) as reader:
                restore(reader, self.home, asked.file, self.clock_ms())
        except Exception as error:
            self._refused(error)
            return False
        finally:
            self._drop(asked.file)
        self._say("done")
        return True

    def _opened(self, asked: Asked) -> BackupReader:
        path = self._folder(asked.file) / asked.file
        if path.is_symlink() or not path.is_file():
            raise BackupRefused("This backup is not on the box any more. Nothing was changed.", "damaged")
        if asked.code.strip():
            return open_backup(path, [recipe_of(path).key(asked.code)])
        return open_backup(path, [one.key for one in homes_keys((self.home,))])

    def _folder(self, name: str) -> Path:
        if restoring.UPLOAD.match(name):
            return self.image.updates
        with suppress(RamalError, OSError, sqlite3.Error):
            chosen = as_owner(self.home, lambda: _chosen(self.home), 60.0)
            if isinstance(chosen, str) and chosen:
                return Path(chosen)
        return self.home.backups  # a damaged database is why one restores

    def _drop(self, name: str) -> None:
        """A backup that was sent for this is not needed again, whatever became of it."""
        if restoring.UPLOAD.match(name):
            for folder in (self.image.updates, *(path / "updates" for path in self._before())):
                with suppress(OSError):
                    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                    try:
                        os.unlink(name, dir_fd=descriptor)
                    finally:
                        os.close(descriptor)

    def _forget(self) -> bool:
        for path in self._before():
            bury(path, grave_of(self.home.root))
        empty(grave_of(self.home.root))
        self._say("forgotten")
        return False

    def _before(self) -> list[Path]:
        beside = sorted(self.home.root.parent.glob(f"{self.home.root.name}.before-restore-*"))
        return [path for path in beside if BEFORE.search(path.name) and path.is_dir() and not path.is_symlink()]

    def _refused(self, error: Exception) -> None:
        log.warning("a backup was not put back: %s", error)
        self._say("failed", getattr(error, "code", "") or "other", str(error))

    def _say(self, phase: Phase, code: str = "", reason: str = "") -> None:
        names = tuple(path.name for path in self._before())
        said = Standing(phase, code, reason[:500], self.clock_ms(), names)
        _write(self.image.restore_standing, restoring.standing_text(said), 0o644)


def run(image: Image, home: Home, now: bool) -> int:
    """The command: ``--asked`` looks at the request, ``--now`` does it. 0; 1 when there was nothing, or it failed."""
    work = Restoring(image, home)
    return 0 if (work.carry_out() if now else work.check()) else 1


def _chosen(home: Home) -> str:
    with closing(open_reader(home.db)) as db:
        office = settings.load(db)
    return "" if office is None else backups.settings_of(office).folder


def _taken(path: Path) -> Asked | None:
    """The request, taken away at once: it holds a code."""
    return restoring.parse_asked(take(path, REQUEST_MAX) or "")


def _write(path: Path, text: str, mode: int) -> None:
    """Whole and lasting, or not at all; only root writes into these folders."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    fsync_folder(path.parent)
