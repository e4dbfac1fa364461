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
from pathlib import Path

from ramal.asterisk.incoming import BYTES_MAX, NotTaken
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.errors import RamalError

AT_ONCE = 4
LIFE_MS = 30 * 60 * 1000
"""An upload nobody went on with for so long is dropped."""
_NAME = re.compile(r"[0-9a-f]{32}\Z")


class Uploads:
    """The uploads of one home, below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def piece(self, request: Request) -> Answer:
        """``data`` (base64) behind what came before of ``upload`` ("" begins one), which has ``at`` bytes already;
        ``{"upload", "bytes"}``. NotTaken when it becomes too large, or too many come at once."""
        name, at = request.text("upload", ""), request.given.get("at", 0)
        try:
            data = base64.b64decode(request.text("data"), validate=True)
        except (binascii.Error, ValueError):
            raise RamalError("“sound.piece” needs “data” as base64. Nothing was kept.") from None
        with self._lock:
            if not name:
                if len(self._files()) >= AT_ONCE:
                    raise NotTaken("sound-busy", "Several files are being sent already. Try again in a minute.")
                name = secrets.token_hex(16)
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / name).touch(mode=0o600, exist_ok=False)
            path = self.path(name)
            size = path.stat().st_size
            if at != size:
                raise RamalError("The pieces of the file did not come in their order. Send it again.")
            if size + len(data) > BYTES_MAX:
                path.unlink()
                raise NotTaken("sound-large", f"The file has more than {BYTES_MAX >> 20} MB.")
            with path.open("ab") as file:
                file.write(data)
        return {"upload": name, "bytes": size + len(data)}

    def path(self, name: str) -> Path:
        """The file of an upload; RamalError when there is none of that name (any more)."""
        path = self._folder / name
        if not _NAME.match(name) or not path.is_file():
            raise RamalError("This file is not here any more. Send it again.")
        return path

    def drop(self, name: str) -> None:
        """It was used, or is not wanted."""
        if _NAME.match(name):
            (self._folder / name).unlink(missing_ok=True)

    def tidy(self, now_ms: int) -> None:
        """Drop what was forgotten, and what a power cut left of the making of sounds."""
        for path in self._files():
            if now_ms - path.stat().st_mtime_ns // 1_000_000 > LIFE_MS:
                path.unlink(missing_ok=True)
        for made in self._folder.glob("made-*"):
            if now_ms - made.stat().st_mtime_ns // 1_000_000 > LIFE_MS:
                shutil.rmtree(made, ignore_errors=True)

    def _files(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [Path(entry.path) for entry in os.scandir(self._folder) if _NAME.match(entry.name)]
