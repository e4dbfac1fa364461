"""Updates for the page: what runs and what waits, bundles that come in, a backup first, a restart that waits for calls.

Requests run on the control thread and only look or write a small file; the thread ``updates`` waits for the backup and
for calls. Law: this process may only ask (``update-wanted.json``); root verifies and does (``ramal update serve``), and
says how far it is (``progress.json``). Nothing here is opened or believed of a bundle.
"""

import base64
import binascii
import contextlib
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ramal import backup_first
from ramal.backup_first import Backing
from ramal.box.home import write_whole
from ramal.box.image import Image, image_here
from ramal.control.client import Control
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import slots, updates
from ramal.core.slots import Facts
from ramal.core.updates import FILE_MAX, WAIT_S, Asked, Standing, UpdateRefused, Waiting
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject

log = logging.getLogger(__name__)

LIFE_MS = 60 * 60 * 1000
"""An upload nobody went on with for so long is dropped."""
STALE_MS = 30 * 60 * 1000
RESERVE_BYTES = 200 << 20
"""An upload leaves this much of the disk to recordings."""
STORY_CHARS = 200_000
LOOK_S = 1.0
GOODBYE_MS = 8000
"""So long the callers who are left have to hear that their call ends."""
_UPLOAD = re.compile(r"[0-9a-f]{32}\Z")
_STORY = re.compile(r"[AB]-[0-9]{1,12}\Z")
_NO_IMAGE = "This machine was not started from a Ramal image; it is updated as it was installed. Nothing was changed."
_NOBODYS = ("Local/", "PJSIP/ramal-health-")


def subject(means: Means, image: Image | None = None, look_s: float = LOOK_S) -> Subject:
    """``update.status``, ``update.piece``, ``update.install``, ``update.look``, ``update.restart``, ``update.stay``,
    ``update.story``."""
    backing = backup_first.Daemon(Control(means.home.control_sock))
    desk = Desk(means, image or image_here(), look_s, backing)
    return Subject(
        "updates",
        {
            "update.status": lambda _: desk.status(),
            "update.piece": desk.piece,
            "update.install": desk.install,
            "update.look": desk.look,
            "update.restart": desk.restart,
            "update.stay": lambda _: desk.stay(),
            "update.story": desk.story,
        },
        start=desk.start,
        stop=desk.stop,
        now_and_then=desk.tidy,
    )


@dataclass(frozen=True, slots=True)
class _Restart:
    """A restart that waits for calls."""

    act: Literal["try", "back"]
    who: str
    waiting: Waiting
    calls: int | None = None
    """In progress when last looked; None before that, or when Asterisk does not tell."""
    told_ms: int = 0
    """When the callers who were left were told that their call ends."""
    told: frozenset[str] = frozenset()
    """The channels that were told."""


@dataclass(frozen=True, slots=True)
class _Install:
    """An update that waits for a backup; ``until_ms``: then it waits no longer, 0 = the backup is not asked for yet."""

    source: str
    who: str
    until_ms: int = 0


class Desk:
    """The requests, and the thread that waits. ``backing``: what makes a backup before an update, if anything does."""

    def __init__(self, means: Means, image: Image, look_s: float = LOOK_S, backing: Backing | None = None) -> None:
        self._means, self._image, self._look_s, self._backing = means, image, look_s, backing
        self._install: _Install | None = None
        self._lock = threading.Lock()
        self._restart: _Restart | None = None
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="updates", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a restart that waits is forgotten, and the box stays up."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    # -- requests ------------------------------------------------------------------------------------------------------

    def status(self) -> Answer:
        """``{"image", "version"}``, and on an image the slots, what is under way, the history, and what a release that
        was left had to say."""
        if not self._image.is_here:
            return {"image": False, "version": version("ramal")}
        facts, standing, restart = self._facts(), self._standing(), self._restart
        other = slots.other_of(facts.running) if facts.running else None
        note = facts.note(other) if other else slots.Note()
        return {
            "image": True,
            "version": self._image.version(),
            "running": facts.running,
            "on_trial": facts.on_trial,
            "other": {"slot": other, **{name: getattr(note, name) for name in ("state", "version", "why", "tries")}},
            "armed": other is not None and facts.armed == other,
            "tries_left": max(0, slots.TRIES_MAX - note.tries),
            "standing": asdict(standing) | {"sticks": list(standing.sticks)},
            "asked": self._image.request.exists(),
            "backing": self._install is not None,
            "restart": _told(restart) if restart else None,
            "history": [asdict(entry) for entry in slots.parse_history(_text(self._image.slots / slots.HISTORY), 20)],
            "stories": sorted((path.stem for path in _stories(self._image)), reverse=True)[:5],
            "wait_s": WAIT_S,
            "file_max": self._room(),
        }

    def piece(self, request: Request) -> Answer:
        """``data`` (base64) behind what came before of ``upload`` ("" begins one, and forgets an earlier one), which
        has ``at`` bytes already; ``{"upload", "bytes"}``. UpdateRefused when there is no room or it is too large."""
        self._must_be_image()
        name, at = request.text("upload", ""), request.given.get("at", 0)
        try:
            data = base64.b64decode(request.text("data"), validate=True)
        except (binascii.Error, ValueError):
            raise RamalError("“update.piece” needs “data” as base64. Nothing was kept.") from None
        with self._lock:
            if not name:
                self._must_be_idle()
                self._forget_uploads(0)
                name = secrets.token_hex(16)
                self._image.updates.mkdir(mode=0o750, parents=True, exist_ok=True)
                self._path(name).touch(mode=0o640, exist_ok=False)
            path = self._path(name)
            if not _UPLOAD.match(name) or not path.is_file():
                raise UpdateRefused("no-file", "This file is not here any more. Send it again.")
            size = path.stat().st_size
            if at != size:
                raise UpdateRefused("no-file", "The pieces of the file did not come in their order. Send it again.")
            if len(data) > self._room() or size + len(data) > FILE_MAX:
                path.unlink()
                raise UpdateRefused("no-room", "There is no room for this file on the box. Nothing was kept.")
            with path.open("ab") as file:
                file.write(data)
        return {"upload": name, "bytes": size + len(data)}

    def install(self, request: Request) -> Answer:
        """Ask root to install ``upload``, or ``source``: an http(s) address, or the path of a bundle on a stick."""
        self._must_be_image()
        upload, source = request.text("upload", ""), request.text("source", "").strip()
        with self._lock:
            self._must_be_idle()
            if self._facts().on_trial:
                raise UpdateRefused("on-trial", "A release runs on trial. Nothing was installed; wait some minutes.")
            if upload:
                path = self._path(upload)
                if not _UPLOAD.match(upload) or not path.is_file() or not path.stat().st_size:
                    raise UpdateRefused("no-file", "This file is not here any more. Send it again.")
                _sync(path)
                source = str(path)
            elif source.startswith("/"):
                if source not in self._standing().sticks:
                    raise UpdateRefused("no-file", "This update is on no stick any more. Look for it again.")
            elif not re.match(r"https?://[^\s/]", source) or len(source) > updates.SOURCE_MAX:
                raise UpdateRefused("no-source", "An address begins with http:// or https://. Nothing was installed.")
            self._install = _Install(source, request.text("who", "command line"))
            if self._backing is None:
                self._go_on()
        self._woken.set()
        return {}

    def look(self, request: Request) -> Answer:
        """Ask root which updates are on USB sticks."""
        self._must_be_image()
        with self._lock:
            self._must_be_idle()
            self._ask("look", "", request.text("who", "command line"))
        return {}

    def restart(self, request: Request) -> Answer:
        """Start the release that waits (``act`` try) or the one before (back), as soon as nobody talks or waits, at
        the latest after ``wait_s`` seconds."""
        self._must_be_image()
        act = request.text("act")
        if act not in ("try", "back"):
            raise RamalError(f"“{act[:20]}” is not possible; a restart is “try” or “back”. Nothing was changed.")
        wait_s, now_ms = updates.wait_of(request.given.get("wait_s", WAIT_S)), self._means.clock_ms()
        with self._lock:
            self._must_be_idle()
            if act == "try":
                slots.try_now(self._facts(), now_ms)  # what would be refused later is refused now
            else:
                slots.back(self._facts(), now_ms)
            waiting = Waiting(now_ms, now_ms + wait_s * 1000)
            kind: Literal["try", "back"] = "try" if act == "try" else "back"
            self._restart = _Restart(kind, request.text("who", "command line"), waiting)
        self._woken.set()
        return {}

    def stay(self) -> Answer:
        """Do not restart after all; ``{"stays": whether one was waiting}``."""
        with self._lock:
            was, self._restart = self._restart, None
        return {"stays": was is not None}

    def story(self, request: Request) -> Answer:
        """What a release that was left had to say: ``{"text"}`` of ``name``, such as B-1795000000."""
        name = request.text("name")
        path = self._image.failed_boots / f"{name}.txt"
        if not _STORY.match(name) or not path.is_file():
            raise UpdateRefused("no-story", "There is no such record any more.")
        return {"text": _text(path)[-STORY_CHARS:]}

    def tidy(self) -> None:
        """Drop what somebody began to send and forgot."""
        if self._image.is_here and self._install is None and self._standing().phase not in ("verifying", "installing"):
            with self._lock:
                self._forget_uploads(LIFE_MS)

    # -- waiting for calls ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(self._look_s if self._restart or self._install else None)
            self._woken.clear()
            try:
                self._look_at_backup()
                self._look_at_calls()
            except Exception:
                log.exception("the restart for an update stumbled; it goes on waiting")
                self._stopping.wait(self._look_s)

    def _look_at_backup(self) -> None:
        waits, backing = self._install, self._backing
        if waits is None or backing is None or self._stopping.is_set():
            return
        now_ms = self._means.clock_ms()
        # Asked without the lock: the answer comes from the control thread, which may be waiting for it.
        if not waits.until_ms:
            over = not backing.begin()
            waits = replace(waits, until_ms=now_ms + backup_first.PATIENCE_MS)
        else:
            over = backing.is_over()
        # The clock may be set meanwhile: neither then is an update held up for good.
        over = over or not waits.until_ms - 2 * backup_first.PATIENCE_MS <= now_ms < waits.until_ms
        with self._lock:
            self._install = waits
            if over:
                self._go_on()

    def _go_on(self) -> None:
        """Root may begin. With the lock."""
        waits, self._install = self._install, None
        if waits is not None:
            self._ask("install", waits.source, waits.who)

    def _look_at_calls(self) -> None:
        if self._restart is None or self._stopping.is_set():
            return
        channels = self._channels()
        calls = None if channels is None else len(set(channels.values()))
        now_ms = self._means.clock_ms()
        with self._lock:
            restart = self._restart
            if restart is None:
                return
            self._restart = restart = replace(restart, calls=calls)
            # Asterisk that does not answer may have calls: the bound counts then.
            if not updates.may_restart(restart.waiting, 1 if calls is None else calls, now_ms):
                return
            if calls and (not restart.told_ms or abs(now_ms - restart.told_ms) < GOODBYE_MS):
                channels = {one: call for one, call in (channels or {}).items() if one not in restart.told}
                told = restart.told | frozenset(channels)
                self._restart = replace(restart, told_ms=restart.told_ms or now_ms, told=told)
            else:
                self._ask(restart.act, "", restart.who)
                self._restart = None
                log.info("the box restarts for an update (%s, asked by %s, %s calls)", restart.act, restart.who, calls)
                return
        self._say_goodbye(channels or {})

    def _channels(self) -> dict[str, str] | None:
        """Channel → its call, whoever talks or waits; None when Asterisk does not tell."""
        try:
            answer, rows = self._means.ask_list("CoreShowChannels")
        except RamalError:
            return None
        if not answer.ok:
            return None
        found = {row.get("Channel"): row.get("Linkedid") for row in rows}
        return {channel: call for channel, call in found.items() if not channel.startswith(_NOBODYS)}

    def _say_goodbye(self, channels: Mapping[str, str]) -> None:
        """Callers from outside hear a sentence before their call ends (dialplan/restart.conf)."""
        where = (("Context", "ramal-restart"), ("Exten", "s"), ("Priority", "1"))
        for channel in channels:
            if channel.startswith("PJSIP/line-"):
                with contextlib.suppress(RamalError):  # the caller went meanwhile
                    self._means.ask("Redirect", (("Channel", channel), *where))

    # -- files ---------------------------------------------------------------------------------------------------------

    def _must_be_image(self) -> None:
        if not self._image.is_here:
            raise UpdateRefused("no-image", _NO_IMAGE)

    def _must_be_idle(self) -> None:
        if self._restart is not None:
            raise UpdateRefused("restarting", "The box is about to restart for an update. Call that off first.")
        if (
            self._install is not None
            or self._image.request.exists()
            or self._standing().phase in ("verifying", "installing", "restarting")
        ):
            raise UpdateRefused("busy", "An update is under way already. Wait for its end.")

    def _standing(self) -> Standing:
        """What root said last; what was under way when the machine stopped is under way no more."""
        standing = updates.parse_standing(_text(self._image.progress))
        if standing.phase in ("verifying", "installing", "restarting"):
            now_ms = self._means.clock_ms()
            booted_ms = now_ms - int(time.monotonic() * 1000)
            if standing.at_ms < booted_ms or abs(now_ms - standing.at_ms) > STALE_MS:
                return Standing()
        return standing

    def _facts(self) -> Facts:
        names = (*slots.SLOTS, slots.TRYING)
        files = {name: _text(self._image.slots / name) for name in names}
        autoboot = _text(self._image.autoboot).encode("ascii", "replace")
        return slots.facts_of(_text(self._image.command_line), autoboot, files)

    def _ask(self, act: updates.Act, source: str, who: str) -> None:
        self._image.request.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        asked = Asked(act, source, who, self._means.clock_ms())
        write_whole(self._image.request, updates.asked_text(asked), 0o640)

    def _room(self) -> int:
        """Bytes an upload may still have."""
        folder = self._image.updates if self._image.updates.is_dir() else self._image.data
        try:
            return max(0, min(FILE_MAX, shutil.disk_usage(folder).free - RESERVE_BYTES))
        except OSError:
            return 0

    def _path(self, name: str) -> Path:
        return self._image.updates / f"{name}.raucb"

    def _forget_uploads(self, older_ms: int) -> None:
        now_ms = self._means.clock_ms()
        for path in self._image.updates.glob("*.raucb"):
            age_ms = abs(now_ms - path.stat().st_mtime_ns // 1_000_000)  # a clock may have been set back since
            if _UPLOAD.match(path.stem) and age_ms >= older_ms:
                path.unlink(missing_ok=True)


def _told(restart: _Restart) -> dict[str, Any]:
    return {"act": restart.act, "calls": restart.calls, "until_ms": restart.waiting.until_ms}


def _stories(image: Image) -> list[Path]:
    return [path for path in image.failed_boots.glob("*.txt") if _STORY.match(path.stem)]


def _text(path: Path, most: int = 1 << 20) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError:
        return ""


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
