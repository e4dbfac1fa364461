"""Root's part of an update: verifies, installs, starts the new release once, goes back. ``ramal update``.

Runs on the thread of a command: ``ramal update serve`` (a path unit starts it when the daemon left a request) or a
person's own. Law: the daemon may only ask; what it asks is parsed as a stranger's, and RAUC trusts signatures alone.
One at a time, held by the boot selection's lock; what became of it is in ``progress.json`` at every moment.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ramal import backup_first
from ramal.box import sticks, taking
from ramal.box.home import Home
from ramal.box.image import Image
from ramal.box.rauc import BundleRefused, Rauc, checked
from ramal.box.slots import Boot
from ramal.control.client import Control
from ramal.core import slots, updates
from ramal.core.slots import SlotsRefused
from ramal.core.updates import Asked, Phase, Progress, Standing, UpdateRefused
from ramal.errors import RamalError

TOLD_S = 0.5
"""Progress is written down at most this often."""
REQUEST_MAX = 10_000
_UPLOAD = re.compile(r"[0-9a-f]{32}\.raucb\Z")
"""How the daemon names a bundle that was sent to the page (ops.updates)."""


@dataclass(slots=True)
class Updating:
    """One update on its way. ``told`` is called with everything that goes into progress.json."""

    boot: Boot
    rauc: Rauc
    told: Callable[[Standing], None] = lambda standing: None
    _standing: Standing = field(default_factory=Standing)
    _told_s: float = 0.0

    @property
    def image(self) -> Image:
        """Where all this happens."""
        return self.boot.image

    def install(self, source: str, older_too: bool = False) -> str:
        """Verify ``source`` and put it into the slot that does not run, armed to be started once; its version.
        ``older_too``: also a release before the one that runs, whose faults are known; only root may want that.
        RamalError when it was not; then the release that runs and what boots by itself are as they were."""
        self._say("verifying")
        try:
            facts = self.boot.facts()
            target = slots.other_of(facts.running or "A")
            slots.before_writing(facts, target, 0)  # refuses now, and not after a download
            bundle = self.rauc.verified(checked(source))
            self._check_age(bundle.version, older_too)
            self._say("installing", version=bundle.version)
            began_s = time.time()
            try:
                self.rauc.install(source, self._progressed)
                self._check_installed(target, bundle.version, began_s, older_too)
            except RamalError as error:
                with self.boot.alone():
                    code = error.code or "failed"
                    self.boot.carry_out(slots.failed(target, bundle.version, code, self.boot.clock_ms()))
                raise
            with self.boot.alone():
                if self.boot.facts().armed is None:
                    raise BundleRefused("failed", "RAUC did not make the new release the next one.")
                self.boot.carry_out(slots.named(self.boot.facts(), target, bundle.version, self.boot.clock_ms()))
        except RamalError as error:
            self._say("failed", code=error.code or "failed", reason=str(error)[:300])
            raise
        self._say("installed", percent=100)
        return bundle.version

    def _check_age(self, version: str, older_too: bool) -> None:
        running = self.image.version()
        if not older_too and updates.is_older(version, running):
            raise BundleRefused(
                "older",
                f"This update ({version}) is older than what runs ({running}). Root may install it all the same at the "
                "console (ramal update install); the release before this one comes with “ramal update back”.",
            )

    def _check_installed(self, target: slots.Slot, version: str, since_s: float, older_too: bool) -> None:
        """Between the look and the installation the source is still another's, who may exchange one signed bundle for
        an older one: what RAUC itself noted counts, and such a release is not to be started."""
        found = self.rauc.installed(target, since_s)
        if found and found != version:
            try:
                self._check_age(found, older_too)
            except BundleRefused:
                with self.boot.alone():
                    self.boot.carry_out(slots.before_writing(self.boot.facts(), target, self.boot.clock_ms()))
                raise

    def try_it(self) -> None:
        """Restart into the release that was installed, once. RamalError when none waits."""
        self._restart(lambda: slots.try_now(self.boot.facts(), self.boot.clock_ms()))

    def back(self) -> None:
        """Restart into the release before this one. RamalError when there is none that was healthy."""

        def plan() -> slots.Plan:
            facts = self.boot.facts()
            first = slots.back(facts, self.boot.clock_ms())
            if facts.on_trial:
                return first
            self.boot.carry_out(first)
            return slots.try_now(self.boot.facts(), self.boot.clock_ms())

        self._restart(plan)

    def look(self) -> tuple[str, ...]:
        """The updates on USB sticks, as paths; sticks are mounted read-only for that."""
        found = tuple(str(path) for path in sticks.bundles(self.image, self.boot.runs))
        self._say(self._standing.phase, sticks=found)
        return found

    def serve(self) -> bool:
        """Do what the daemon asked for, if anything; whether there was something."""
        asked = updates.parse_asked(taking.take(self.image.request, REQUEST_MAX) or "")
        if asked is None:
            return False
        self._standing = Standing(asked_ms=asked.at_ms)
        try:
            match asked.act:
                case "install":
                    self.install(self._allowed(asked))
                case "try":
                    self.try_it()
                case "back":
                    self.back()
                case "look":
                    self.look()
        except RamalError as error:
            self._say("failed", code=error.code or "failed", reason=str(error)[:300])
        finally:
            self._tidy(asked)
        return True

    def _allowed(self, asked: Asked) -> str:
        """A file the daemon names lies where it may put one, or on a stick; RAUC opens it as root."""
        if not asked.source.startswith("/"):
            return asked.source
        real = Path(os.path.realpath(asked.source))
        for folder in (self.image.updates, self.image.sticks):
            if real.is_relative_to(os.path.realpath(folder)) and real.suffix == ".raucb":
                return str(real)
        raise BundleRefused("no-file", "The file of the update is not where updates are kept.")

    def _tidy(self, asked: Asked) -> None:
        """An uploaded bundle is not needed again, whatever became of it."""
        file = Path(asked.source)
        if asked.act == "install" and file.parent == self.image.updates and _UPLOAD.match(file.name):
            with contextlib.suppress(OSError):
                taking.remove(file)
        if asked.act == "install":
            sticks.leave(self.image, self.boot.runs)

    def _restart(self, plan: Callable[[], slots.Plan]) -> None:
        try:
            with self.boot.alone():
                found = plan()
                self._say("restarting")
                self.boot.carry_out(found)
        except RamalError as error:
            self._say("failed", code=error.code or "failed", reason=str(error)[:300])
            raise

    def _progressed(self, progress: Progress) -> None:
        if time.monotonic() - self._told_s >= TOLD_S or progress.percent == 100:
            self._say("installing", percent=progress.percent, words=progress.words)

    def _say(self, phase: Phase, **more: object) -> None:
        self._told_s = time.monotonic()
        self._standing = replace(self._standing, phase=phase, at_ms=self.boot.clock_ms(), **more)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):  # the folder is the daemon's too, and is no reason to stop
            taking.write(self.image.progress, updates.standing_text(self._standing), 0o644)
        self.told(self._standing)


# -- the command -------------------------------------------------------------------------------------------------------


def run(image: Image, act: str, source: str) -> int:
    """``ramal update``: status, history, install FILE|URL, try, back, look, serve."""
    boot = Boot(image)
    match act:
        case "status":
            _status(boot)
        case "history":
            _history(boot)
        case "install":
            if not source:
                raise UpdateRefused("no-source", "Say which update: a file or an address. Nothing was changed.")
            whole = source if "://" in source else str(Path(source).resolve())
            backing = backup_first.Daemon(Control(Home(image.data / "ramal").control_sock))
            print("A backup is made first.", file=sys.stderr)
            if not backup_first.wait(backing, lambda: time.monotonic_ns() // 1_000_000, lambda: time.sleep(1)):
                print("No backup was made; the update goes on.", file=sys.stderr)
            version = Updating(boot, Rauc(image), _print).install(whole, older_too=True)
            print(f"Version {version} is installed beside the one that runs. Start it with “ramal update try”.")
        case "try":
            Updating(boot, Rauc(image), _print).try_it()
        case "back":
            Updating(boot, Rauc(image), _print).back()
        case "look":
            for path in Updating(boot, Rauc(image)).look():
                print(path)
        case _:
            Updating(boot, Rauc(image)).serve()
    return 0


def _status(boot: Boot) -> None:
    facts = boot.facts()
    print(f"Version {boot.image.version() or '?'} runs in slot {facts.running or '?'}", end="")
    print(", on trial." if facts.on_trial else ".")
    if facts.running is not None:
        other = slots.other_of(facts.running)
        note = facts.note(other)
        print(f"Slot {other}: {note.version or '?'} ({note.state}{', ' + note.why if note.why else ''}).")
    if facts.armed is not None:
        print("It is to be started once: “ramal update try”.")


def _history(boot: Boot) -> None:
    boot.facts()  # says so where there are no slots
    for entry in boot.history():
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.at_ms / 1000))
        print("  ".join(word for word in (at, entry.what, entry.slot, entry.version, entry.why) if word))


def _print(standing: Standing) -> None:
    print(f"{standing.percent:3d}%  {standing.words or standing.phase}", file=sys.stderr)


__all__ = ["SlotsRefused", "Updating", "run"]
