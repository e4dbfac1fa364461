"""The box's address for the page: how it stands, and asking root for another one. Requests run on the worker.

Law: this process may only ask (``network-wanted.json``); root checks, tries and returns (``box.network_serve``). What
somebody asked for stands in the audit before it is asked.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

from ramal.box.home import write_whole
from ramal.box.image import Image, image_here
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import network, network_asked
from ramal.core.network import NetworkRefused, Plan
from ramal.core.network_asked import WHO_MAX, Act, Asked
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject
from ramal.store import users

_BYTES_MAX = 64 * 1024


class Desk:
    """The requests; stateless, so that a daemon that begins anew in the middle knows as much."""

    def __init__(self, means: Means, image: Image) -> None:
        self._means, self._image = means, image

    def status(self) -> Answer:
        """``{"settable", "plan", "trial", "waits", "said"}``: what is in force, whether that is a trial, whether root
        was asked and has not answered yet, and what it said last."""
        trial = self._image.network_trial.exists()
        said = network_asked.parse_said(_text(self._image.network_said))
        return {
            "settable": self._image.is_here,
            "plan": asdict(self._plan()),
            "trial": trial,
            "waits": self._image.network_request.exists(),
            "said": None if said is None else asdict(said),
        }

    def change(self, who: str, form: dict[str, str]) -> Answer:
        """Ask for what the form says, on trial. NetworkRefused."""
        plan = network_asked.plan_of(form, self._plan())
        if plan == self._plan():
            raise NetworkRefused("That is how it is already. Nothing was changed.")
        detail = network.write(plan).replace("\n", "; ")
        return self._ask("change", who, detail, network.write(plan))

    def settle(self, act: Act, who: str) -> Answer:
        """Keep what is on trial (``confirm``), or return from it (``back``). RamalError."""
        if not self._image.network_trial.exists():
            raise RamalError("Nothing is on trial; the settings in force are those that were confirmed last.")
        return self._ask(act, who, "", "")

    def _ask(self, act: Act, who: str, detail: str, plan: str) -> Answer:
        if not self._image.is_here:
            raise RamalError("Whoever looks after this computer sets its network. Nothing was changed.")
        at_ms = self._means.clock_ms()
        self._means.write(lambda db: users.audit(db, at_ms, who, f"network.{act}", detail)).result()
        try:
            text = network_asked.asked_text(Asked(act, plan, who))
            write_whole(self._image.network_request, text, 0o640)
        except OSError as error:
            raise RamalError(f"Nothing was changed: {error.strerror or error}.") from error
        return {}

    def _plan(self) -> Plan:
        for path in (self._image.network_trial, self._image.network_kept):
            if path.exists():
                try:
                    return network.read(_text(path))
                except NetworkRefused:
                    continue
        return Plan()


def subject(means: Means, image: Image | None = None) -> Subject:
    """``network.status``, ``network.change`` (the form's fields), ``network.confirm``, ``network.back``."""
    desk = Desk(means, image or image_here())

    def change(request: Request) -> "Future[Answer]":
        who, form = _who(request), {key: request.text(key, "") for key in Plan.__slots__}
        return means.work(lambda: desk.change(who, form))

    def settle(act: Act) -> Callable[[Request], "Future[Answer]"]:
        def handle(request: Request) -> "Future[Answer]":
            who = _who(request)
            return means.work(lambda: desk.settle(act, who))

        return handle

    return Subject(
        "network",
        {
            "network.status": lambda _: means.work(desk.status),
            "network.change": change,
            "network.confirm": settle("confirm"),
            "network.back": settle("back"),
        },
    )


def _who(request: Request) -> str:
    who = request.text("who", "").strip()[:WHO_MAX]
    if not who:
        raise RamalError("It must be said who asks. Nothing was done.")
    return who


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_BYTES_MAX)
    except OSError:
        return ""
