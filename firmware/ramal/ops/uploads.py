"""Files that come in pieces through the control socket, for whoever may not write into the home: the page.

Law: what is here is a stranger's and was looked at by nobody; it has a name of ours, a limit and a short life.
``piece`` is quick enough for the control thread (a write into the page cache); any thread.
"""

import base64
import binascii
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ramal.asterisk.incoming import BYTES_MAX, NotTaken
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.errors import RamalError

LIFE_MS = 30 * 60 * 1000
"""An upload nobody went on with for so long is dropped."""
RESERVE_BYTES = 200 << 20
"""A large file leaves this much of the disk to recordings."""
_NAME = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """What comes in. ``at_once``: how many may be on their way; ``anew``: a new one takes the place of the others;
    ``mode`` and ``suffix`` of the files; ``large`` and ``busy`` are how a refusal is told."""

    bytes_max: int
    at_once: int
    large: Callable[[], RamalError]
    busy: Callable[[], RamalError]
    anew: bool = False
    suffix: str = ""
    mode: int = 0o600
    reserve_bytes: int = 0


SOUND = Kind(
    bytes_max=BYTES_MAX,
    at_once=4,
    large=lambda: NotTaken("sound-large", f"The file has more than {BYTES_MAX >> 20} MB."),
    busy=lambda: NotTaken("sound-busy", "Several files are being sent already. Try again in a minute."),
)


class UploadRefused(RamalError):
    """A large file that was not kept; ``code``: no-file or no-room."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def _no_room() -> RamalError:
    return UploadRefused("no-room", "There is no room for this file on the box. Nothing was kept.")


def large_file(suffix: str, bytes_max: int) -> Kind:
    """One that may fill a disk: one at a time, and it leaves recordings their room."""
    return Kind(bytes_max, 1, _no_room, _no_room, True, suffix, 0o640, RESERVE_BYTES)


class Uploads:
    """The uploads of one ``kind`` below ``folder``."""

    def __init__(self, folder: Path, kind: Kind = SOUND) -> None:
        self._folder, self._kind = folder, kind
        self._lock = threading.Lock()

    def piece(self, request: Request) -> Answer:
        """``data`` (base64) behind what came before of ``upload`` ("" begins one), which has ``at`` bytes already;
        ``{"upload", "bytes"}``. The kind's refusals when it becomes too large, or too many come at once."""
        name, at = request.text("upload", ""), request.given.get("at", 0)
        try:
            data = base64.b64decode(request.text("data"), validate=True)
        except (binascii.Error, ValueError):
            raise RamalError("A piece of a file needs “data” as base64. Nothing was kept.") from None
        with self._lock:
            name = name or self._begun()
            path = self.path(name)
            size = path.stat().st_size
            if at != size:
                raise UploadRefused("no-file", "The pieces of the file did not come in their order. Send it again.")
            if size + len(data) > self._kind.bytes_max or len(data) > self.room():
                path.unlink()
                raise self._kind.large()
            with path.open("ab") as file:
                file.write(data)
        return {"upload": name, "bytes": size + len(data)}

    def path(self, name: str) -> Path:
        """The file of an upload; UploadRefused when there is none of that name (any more)."""
        path = self._folder / f"{name}{self._kind.suffix}"
        if not _NAME.match(name) or not path.is_file():
            raise UploadRefused("no-file", "This file is not here any more. Send it again.")
        return path

    def whole(self, name: str) -> Path:
        """The file of an upload that has come, on the disk for good. UploadRefused when it is empty or gone."""
        path = self.path(name)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if not os.fstat(descriptor).st_size:
                raise UploadRefused("no-file", "This file is empty. Send it again.")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return path

    def room(self) -> int:
        """Bytes a file may still have."""
        if not self._kind.reserve_bytes:
            return self._kind.bytes_max
        here = next(folder for folder in (self._folder, *self._folder.parents) if folder.is_dir())
        try:
            free = shutil.disk_usage(here).free
        except OSError:
            return 0
        return max(0, min(self._kind.bytes_max, free - self._kind.reserve_bytes))

    def drop(self, name: str) -> None:
        """It was used, or is not wanted."""
        if _NAME.match(name):
            (self._folder / f"{name}{self._kind.suffix}").unlink(missing_ok=True)

    def tidy(self, now_ms: int) -> None:
        """Drop what was forgotten, and what a power cut left of the making of sounds."""
        for path in (*self._files(), *self._folder.glob("made-*")):
            age_ms = now_ms - path.stat().st_mtime_ns // 1_000_000
            if abs(age_ms) <= LIFE_MS:  # the clock may have been set back since
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _begun(self) -> str:
        if self._kind.anew:
            for path in self._files():
                path.unlink(missing_ok=True)
        elif len(self._files()) >= self._kind.at_once:
            raise self._kind.busy()
        name = secrets.token_hex(16)
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        (self._folder / f"{name}{self._kind.suffix}").touch(mode=self._kind.mode, exist_ok=False)
        return name

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        suffix = self._kind.suffix
        found = (entry for entry in os.scandir(self._folder) if entry.name.endswith(suffix))
        return [Path(entry.path) for entry in found if _NAME.match(entry.name[: len(entry.name) - len(suffix)])]
