"""Putting a backup back, for the page: the file that is sent, the request to root, and how far it is.

Requests run on the control thread and only look or write a small file. Law: this process may only ask
(``/run/ramal/restore.json``, in memory, for it holds the recovery code); root verifies and does (``box.restoring``).
"""

import contextlib
import os
import time
from dataclasses import asdict

from ramal.box.image import Image, image_here
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import backups, restoring
from ramal.core.restoring import GOING, Asked, Standing
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject
from ramal.ops.uploads import Uploads, large_file
from ramal.ops.vault import calls_now

STALE_MS = 90 * 60 * 1000


class RestoreRefused(RamalError):
    """A backup that cannot be put back now; ``code`` names why: no-image, busy, no-file."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def subject(means: Means, image: Image | None = None) -> Subject:
    """``restore.status``, ``restore.piece``, ``restore.begin``, ``restore.forget``."""
    desk = Desk(means, image or image_here())
    return Subject(
        "restoring",
        {
            "restore.status": lambda _: desk.status(),
            "restore.piece": desk.piece,
            "restore.begin": desk.begin,
            "restore.forget": desk.forget,
        },
        now_and_then=desk.tidy,
    )


class Desk:
    """The requests. Control thread."""

    def __init__(self, means: Means, image: Image) -> None:
        self._means, self._image = means, image
        self._uploads = Uploads(image.updates, large_file(backups.SUFFIX, restoring.FILE_MAX))

    def status(self) -> Answer:
        """``{"image"}``, and on an image ``{"asked", "standing", "file_max", "calls"}``."""
        if not self._image.is_here:
            return {"image": False}
        standing = self._standing()
        return {
            "image": True,
            "asked": self._image.restore_request.exists(),
            "standing": asdict(standing) | {"before": list(standing.before)},
            "file_max": self._uploads.room(),
            "calls": calls_now(self._means.state()),
        }

    def piece(self, request: Request) -> Answer:
        """A piece of a backup that is sent (``ops.uploads``)."""
        if not request.text("upload", ""):
            self._must_be_idle()
        return self._uploads.piece(request)

    def begin(self, request: Request) -> Answer:
        """Put back ``upload`` (sent before), or ``name`` (one that lies on the box), opened with ``code``, or with the
        box's own keys when that is empty."""
        self._must_be_idle()
        upload, name, code = request.text("upload", ""), request.text("name", ""), request.text("code", "")
        if len(code) > restoring.CODE_MAX:
            raise RestoreRefused("no-key", "A recovery code is not so long. Nothing was changed.")
        if upload:
            name = self._uploads.whole(upload).name
        if not restoring.is_file_name(name):
            raise RestoreRefused("no-file", "This is no backup of Ramal. Nothing was changed.")
        self._ask(Asked("restore", name, code, request.text("who", "command line"), self._means.clock_ms()))
        return {}

    def forget(self, request: Request) -> Answer:
        """Remove what was there before an earlier one was put back."""
        self._must_be_idle()
        self._ask(Asked("forget", who=request.text("who", "command line"), at_ms=self._means.clock_ms()))
        return {}

    def tidy(self) -> None:
        """Drop what somebody began to send and forgot."""
        if self._image.is_here and self._standing().phase not in GOING and not self._image.restore_request.exists():
            self._uploads.tidy(self._means.clock_ms())

    def _must_be_idle(self) -> None:
        if not self._image.is_here:
            raise RestoreRefused(
                "no-image",
                "This machine was not started from a Ramal image. End Ramal here, then: ramal restore FILE. "
                "Nothing was changed.",
            )
        if self._image.restore_request.exists() or self._standing().phase in GOING:
            raise RestoreRefused("busy", "A backup is being put back already. Wait for its end.")

    def _standing(self) -> Standing:
        """What root said last; what was under way when the power went is under way no more."""
        try:
            text = self._image.restore_standing.read_text(encoding="utf-8", errors="replace")[:10_000]
        except OSError:
            return Standing()
        standing = restoring.parse_standing(text)
        now_ms = self._means.clock_ms()
        booted_ms = now_ms - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        if standing.phase in GOING and (standing.at_ms < booted_ms or abs(now_ms - standing.at_ms) > STALE_MS):
            return Standing("failed", "stopped", "", standing.at_ms, standing.before)
        return standing

    def _ask(self, asked: Asked) -> None:
        path = self._image.restore_request
        new = path.with_name(f".{path.name}.new")
        try:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(restoring.asked_text(asked))
            os.replace(new, path)
        except OSError as error:
            raise RamalError(f"The request could not be written ({error}). Nothing was changed.") from error
