"""Putting a backup back for the page: what lies on the box and on the stick, and asking root. Runs on the worker.

Law: this process may only ask; root opens, compares and puts in place (``box.restore_serve``), and the box starts anew.
"""

from concurrent.futures import Future

from ramal.box.home import write_whole
from ramal.box.image import Image, image_here
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import restoring
from ramal.core.backups import made_ms
from ramal.core.restoring import CODE_MAX, WHO_MAX, Asked, Where
from ramal.errors import RamalError
from ramal.ops.backup_places import lying_in
from ramal.ops.means import Means, Subject
from ramal.store import users

_BYTES_MAX = 4000


class Desk:
    """The requests."""

    def __init__(self, means: Means, image: Image) -> None:
        self._means, self._image = means, image

    def status(self) -> Answer:
        """``{"settable", "box", "stick", "waits", "said"}``: whether this is a box of ours, the backups by place, the
        newest first, whether root was asked and has not answered yet, and what it said last."""
        said = restoring.parse_said(self._said())
        return {
            "settable": self._image.is_here,
            "box": sorted((one.name for one in lying_in(self._image.backups)), reverse=True),
            "stick": sorted((one.name for one in lying_in(self._image.backup_stick)), reverse=True),
            "waits": self._means.home.restore_wanted.exists(),
            "said": None if said is None else {"ok": said.ok, "sentence": said.sentence, "at_ms": said.at_ms},
        }

    def start(self, where: str, name: str, code: str, who: str) -> Answer:
        """Ask root to put ``name`` back. RamalError."""
        if not self._image.is_here:
            raise RamalError("On this computer a backup is put back by its command. Nothing was changed.")
        place: Where = "stick" if where == "stick" else "box"
        lying = self._image.backup_stick if place == "stick" else self._image.backups
        if made_ms(name) is None or name not in {one.name for one in lying_in(lying)}:
            raise RamalError("This backup does not lie there any more. Nothing was changed.")
        at_ms = self._means.clock_ms()
        self._means.write(lambda db: users.audit(db, at_ms, who, "backups.restore", name)).result()
        try:
            text = restoring.asked_text(Asked(place, name, code.strip()[:CODE_MAX], who))
            write_whole(self._means.home.restore_wanted, text, 0o600)
        except OSError as error:
            raise RamalError(f"Nothing was changed: {error.strerror or error}.") from error
        return {}

    def _said(self) -> str:
        try:
            with self._image.restore_said.open(encoding="utf-8", errors="replace") as file:
                return file.read(_BYTES_MAX)
        except OSError:
            return ""


def subject(means: Means, image: Image | None = None) -> Subject:
    """``restore.status``; ``restore.start`` (``where``, ``name``, ``code``, ``who``)."""
    desk = Desk(means, image or image_here())

    def start(request: Request) -> "Future[Answer]":
        who = request.text("who", "").strip()[:WHO_MAX]
        if not who:
            raise RamalError("It must be said who asks. Nothing was done.")
        where, name, code = request.text("where"), request.text("name"), request.text("code", "")
        return means.work(lambda: desk.start(where, name, code, who))

    return Subject("restoring", {"restore.status": lambda _: means.work(desk.status), "restore.start": start})
