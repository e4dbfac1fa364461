"""The nightly backup: made, restored into a scratch folder and compared, copied to other places, old ones removed.

Law: level-triggered: what is to be done follows from the rows, the folders and the clock, so a night without power and
a daemon that died are made up for. The work is done by a process of its own (vault.backup_work) that ends when people
call. Its thread is named ``backups``; requests run on the control thread and only look or hand over.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.core import backups as rules
from ramal.core import copies, warnings
from ramal.core.backups import Code, Lying
from ramal.core.calm import calm
from ramal.core.events import ConditionSeen
from ramal.core.office import Backup, Office
from ramal.errors import RamalError
from ramal.ops import backup_places as places
from ramal.ops.far import FarFailed
from ramal.ops.leisure import Leisure, Stopping
from ramal.ops.means import Means, Subject
from ramal.ops.vault import calls_now
from ramal.store import backups as rows
from ramal.store import users
from ramal.store.backups import Kind, Place
from ramal.vault import backup_keys

log = logging.getLogger(__name__)

LOOK_S = 0.2
END_S = 5.0
WORK_MAX_S = 6 * 3600.0
SAID_MAX = 1 << 20
SCRATCH = ".check"
IDLE_TICKS = 6
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def subject(means: Means, load: Callable[[], float] = lambda: os.getloadavg()[0]) -> Subject:
    """``backups.now``, ``backups.status``, ``backups.code`` (the recovery code), ``backups.noted`` (it was written
    down)."""
    keeper = Backups(means, load=load)
    return Subject(
        "backups",
        {
            "backups.now": lambda _: keeper.ask(),
            "backups.status": lambda _: keeper.told(),
            "backups.code": keeper.code,
            "backups.noted": keeper.noted,
        },
        start=keeper.start,
        stop=keeper.stop,
    )


def folder_of(means: Means, settings: Backup) -> Path:
    """Where this office's backups lie on the box."""
    return Path(settings.folder) if settings.folder else means.home.backups


class Backups:
    """The thread. ``load`` and ``clock`` are what tests put in the place of the box's own."""

    def __init__(
        self,
        means: Means,
        *,
        load: Callable[[], float] = lambda: os.getloadavg()[0],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._means, self._clock = means, clock
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._leisure = Leisure(means, load, clock, self._stopping)
        self._asked = False
        self._wanted = ""
        """The backup that somebody asked for: its copies are not put off either."""
        self._doing = ""
        self._waiting = False
        self._tries, self._again_s = 0, float("-inf")
        self._away: dict[Place, tuple[str, int, float]] = {}
        """Why the last backup is not there: reason, how often it was tried, when it is tried again."""
        self._started_ms = means.clock_ms()
        self._thread = threading.Thread(target=self._work, name="backups", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is being made is made anew by the next one."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    # -- requests ------------------------------------------------------------------------------------------------------

    def ask(self) -> Answer:
        """Make one now. RamalError without an office."""
        if not self._means.office().name:
            raise RamalError(rules.SENTENCES["no-office"])
        self._asked = True
        self._again_s = float("-inf")
        self._away.clear()
        self._woken.set()
        return self.told()

    def told(self) -> Answer:
        """``{"doing", "waiting", "asked", "folder", "away", "noted"}``; doing: making, comparing, copying or ""; away:
        reason by place; noted: whether the owner said that the recovery code is written down."""
        folder = folder_of(self._means, rules.settings_of(self._means.office()))
        away = {place: reason for place, (reason, _, _) in self._away.items()}
        doing = {"doing": self._doing, "waiting": self._waiting, "asked": self._asked}
        return doing | {"folder": str(folder), "away": away, "noted": self._noted()}

    def _noted(self) -> bool:
        try:
            known = backup_keys.load(self._means.home)
        except backup_keys.BackupKeyUnusable:
            return True  # there is worse to be told
        return not known or known[-1].noted_ms > 0

    def code(self, request: Request) -> "Future[Answer]":
        """``{"code", "noted_ms", "made_ms"}``; code "": a passphrase that only the owner knows. Audited."""
        who, at_ms = request.text("who", "command line"), self._means.clock_ms()

        def job(db: Any) -> Answer:
            key = backup_keys.obtain(self._means.home, at_ms)
            users.audit(db, at_ms, who, "backups.code", "")
            return {"code": rules.grouped(key.code), "noted_ms": key.noted_ms, "made_ms": key.made_ms}

        return self._means.write(job)

    def noted(self, request: Request) -> "Future[Answer]":
        """The owner has written the code down."""
        who, at_ms = request.text("who", "command line"), self._means.clock_ms()

        def job(db: Any) -> Answer:
            backup_keys.note(self._means.home, at_ms)
            users.audit(db, at_ms, who, "backups.noted", "")
            return {}

        return self._means.write(job)

    # -- rounds --------------------------------------------------------------------------------------------------------

    def round(self) -> bool:
        """Do what is due now; whether there may be more at once. Errors are told, not raised, but for Stopping."""
        office = self._means.office()
        if not office.name:
            return False
        settings = rules.settings_of(office)
        folder = folder_of(self._means, settings)
        self._notice_gone(folder)
        try:
            return self._do(office, settings, folder)
        finally:
            self._doing = ""
            self._tell(settings)

    def _work(self) -> None:
        while not self._stopping.is_set():
            more = False
            try:
                more = self.round()
            except Stopping as error:
                log.info("the backup waits: %s", error)
            except RamalError as error:
                log.warning("the backup waits: %s", error)
            except Exception:
                log.exception("the backup stumbled; it is tried again")
            if not more:
                self._woken.wait(self._means.tick_s * (1 if self._waiting else IDLE_TICKS))
                self._woken.clear()

    def _do(self, office: Office, settings: Backup, folder: Path) -> bool:
        now_ms = self._means.clock_ms()
        last = self._means.read(rows.last_made)
        asked, due = self._asked, self._due(settings, office.timezone, last, now_ms)
        unchecked = last is not None and not last.verdict and (folder / last.name).exists()
        away = [place for place in self._places(office, settings) if self._is_due(place, last, office, settings)]
        if not (asked or due or unchecked or away):
            self._waiting = False
            return False
        self._waiting = not self._calm(asked or (last is not None and last.name == self._wanted))
        if self._waiting:
            return False
        if asked or due:
            self._make("now" if asked else "night", folder)
        elif unchecked and last is not None:
            self._compare(folder / last.name)
        elif last is not None:
            self._copy(away[0], office, settings, folder / last.name, last.sha256)
        self._remove_old(folder, settings, office.timezone)
        return True

    def _calm(self, asked: bool) -> bool:
        """Who asks does not wait for the load, only for a rush of calls."""
        if asked:
            return calm(calls_now(self._means.state()), 0.0, 0.0, os.cpu_count() or 1)
        return self._leisure.calm(working=False)

    def _due(self, settings: Backup, zone: str, last: rows.Backup | None, now_ms: int) -> bool:
        if self._clock() < self._again_s:
            return False
        since_ms = self._means.read(rows.since_ms)
        since_ms = self._started_ms if since_ms is None else since_ms
        return rules.due(settings.hour, zone, last.began_ms if last else None, since_ms, now_ms)

    # -- the work ------------------------------------------------------------------------------------------------------

    def _make(self, kind: Kind, folder: Path) -> None:
        self._doing = "making"
        backup = self._write(lambda db: rows.begin(db, kind, self._means.clock_ms()))
        try:
            said = self._run(("make", str(self._means.home.root), str(folder)), hurry=kind == "now")
        except Stopping:
            self._write(lambda db: rows.failed(db, backup, "busy", self._means.clock_ms()))
            raise
        reason = str(said["code"])
        if reason:
            self._asked = False
            self._tries += 1
            self._again_s = self._clock() + rules.wait_ms(self._tries) / 1000
            self._write(lambda db: rows.failed(db, backup, reason, self._means.clock_ms()))
            log.warning("no backup was made: %s", said["sentence"])
            return
        self._tries, self._again_s = 0, float("-inf")
        self._away.clear()
        name, size, digest = str(said["name"]), int(said["bytes"]), bytes.fromhex(said["sha256"])
        self._write(lambda db: rows.made(db, backup, name, size, digest, self._means.clock_ms()))
        log.info("backup %s was made: %d KiB, %d rows", name, size // 1024, said["rows"])
        self._doing, self._asked = "comparing", False
        self._wanted = name if kind == "now" else ""
        self._compare(folder / name, hurry=kind == "now")

    def _compare(self, file: Path, hurry: bool = False) -> None:
        self._doing = "comparing"
        scratch = file.parent / SCRATCH
        said = self._run(("check", str(self._means.home.root), str(file), str(scratch)), hurry)
        reason = str(said["code"])
        if reason == "no-room":
            amiss = str(said["sentence"])
        else:
            amiss = next(iter(said.get("amiss", ())), str(said.get("sentence", "")))
        figures = (int(said.get("tables", 0)), int(said.get("rows", 0)), int(said.get("files", 0)))
        self._write(lambda db: rows.compared(db, file.name, amiss, figures, reason, self._means.clock_ms()))
        if reason:
            log.error("backup %s was restored for a look, and is not good: %s", file.name, amiss)
        else:
            log.info("backup %s was restored and compared: all equal, %d tables, %d rows", file.name, *figures[:2])

    def _places(self, office: Office, settings: Backup) -> list[Place]:
        far: list[Place] = ["far"] if settings.off_box and office.copy else []
        return [*(["stick"] if settings.stick else []), *far]  # type: ignore[list-item]

    def _is_due(self, place: Place, last: rows.Backup | None, office: Office, settings: Backup) -> bool:
        if last is None or last.verdict != "equal" or last.gone_ms is not None:
            return False
        if place in self._away and self._clock() < self._away[place][2]:
            return False
        if place == "stick":
            return not (Path(settings.stick) / last.name).exists()
        address = copies.place_of(office.copy[0])
        return last.name not in self._means.read(lambda db: rows.copies_at(db, address))

    def _copy(self, place: Place, office: Office, settings: Backup, file: Path, sha256: bytes) -> None:
        self._doing = "copying"
        try:
            if place == "stick":
                stick = Path(settings.stick)
                size = places.onto(stick, self._means.home.root, file, sha256, self._leisure.pace)
                address = settings.stick
                old = self._old(places.lying_in(stick), settings, office.timezone)
                places.remove_from(stick, old)
            else:
                far = places.FarPlace(office.copy[0], self._means.home.copies / "backups", self._leisure.pace)
                far.send(file, sha256)
                size, address = file.stat().st_size, copies.place_of(office.copy[0])
                there = self._means.read(lambda db: rows.copies_at(db, address)) | {file.name: size}
                lying = [Lying(name, of) for name, of in there.items()]
                old = self._old(lying, settings, office.timezone)
                if old:
                    far.remove(old)
        except (places.PlaceFailed, FarFailed, OSError) as error:
            reason = error.code if isinstance(error, places.PlaceFailed | FarFailed) else "no-write"
            tries = self._away.get(place, ("", 0, 0.0))[1] + 1
            self._away[place] = (reason, tries, self._clock() + rules.wait_ms(tries) / 1000)
            log.warning("backup %s lies on the box only: %s", file.name, error)
            return
        self._away.pop(place, None)

        def job(db: Any) -> None:
            rows.copied(db, file.name, place, address, size, self._means.clock_ms())
            for name in old:
                rows.dropped(db, name, address)

        self._write(job)
        log.info("backup %s lies at %s, too", file.name, address)

    def _remove_old(self, folder: Path, settings: Backup, zone: str) -> None:
        old = self._old(places.lying_in(folder), settings, zone)
        if old:
            places.remove_from(folder, old)
            self._write(lambda db: rows.gone(db, list(old), self._means.clock_ms()))
            log.info("%d old backups were removed", len(old))

    def _old(self, lying: Sequence[Lying], settings: Backup, zone: str) -> tuple[str, ...]:
        """What goes for its age, wherever it lies: nothing while nobody knows what day it is."""
        return rules.to_remove(self._known(lying), settings, zone) if self._means.trusted() else ()

    def _known(self, lying: Sequence[Lying]) -> list[Lying]:
        known = self._means.read(rows.lying)
        return [Lying(one.name, one.bytes, one.name in known and known[one.name].verdict == "equal") for one in lying]

    def _notice_gone(self, folder: Path) -> None:
        """Files that somebody removed or brought back, a folder that is another one or not mounted."""
        there = {one.name for one in places.lying_in(folder)}
        missing = [name for name in self._means.read(rows.lying) if name not in there]
        again = [name for name in self._means.read(rows.gone_names) if name in there]

        def job(db: Any) -> None:
            rows.gone(db, missing, self._means.clock_ms())
            rows.back(db, again)

        if missing or again:
            self._write(job)

    def _tell(self, settings: Backup) -> None:
        now_ms = self._means.clock_ms()
        latest, good, since = self._means.read(lambda db: (rows.latest(db, 20), rows.last_good(db), rows.since_ms(db)))
        since = self._started_ms if since is None else since
        late = rules.late(good.began_ms if good else None, since, now_ms)
        self._warn(warnings.BACKUP_LATE, late > 0, (("days", late),))
        last = next((one for one in latest if one.ended_ms is not None and one.reason not in ("busy", "stopped")), None)
        self._warn(warnings.BACKUP_FAILED, bool(last and last.reason), (("reason", last.reason if last else ""),))
        place, (reason, _, _) = next(iter(self._away.items()), ("", ("", 0, 0.0)))
        self._warn(warnings.BACKUP_AWAY, bool(place), (("place", place), ("reason", reason)))

    def _warn(self, code: str, holds: bool, args: warnings.Args) -> None:
        if holds or code in self._means.state().warnings:
            self._means.tell(ConditionSeen(code, holds, args if holds else ()))

    def _write(self, job: Callable[[Any], Any]) -> Any:
        return self._means.write(job).result()

    def _run(self, words: Sequence[str], hurry: bool) -> dict[str, Any]:
        """The work's own line; Stopping when the daemon ends or people call."""
        ionice = shutil.which("ionice", path=_PATH)
        idle = (ionice, "-c", "3") if ionice else ()
        command = [*idle, sys.executable, "-m", "ramal.vault.backup_work", *words]
        ends_s = time.monotonic() + WORK_MAX_S
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            try:
                while True:
                    try:
                        out, _ = process.communicate(timeout=LOOK_S)
                        break
                    except subprocess.TimeoutExpired:
                        self._pace(hurry, ends_s)
            except BaseException:
                self._end(process)
                raise
        return _said(out, process.returncode)

    def _pace(self, hurry: bool, ends_s: float) -> None:
        if self._stopping.is_set() or not hurry:
            self._leisure.pace()
        if time.monotonic() > ends_s:
            raise RamalError("The backup took hours and was given up; it is tried again.")

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.kill()  # it leaves a half file with a name that is no backup's; the next one removes it
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)


def _said(out: bytes, code: int) -> dict[str, Any]:
    other: Code = "other"
    try:
        told = json.loads(out[:SAID_MAX])
    except ValueError:
        told = None
    if isinstance(told, dict) and "code" in told:
        return told
    return {"code": other, "sentence": f"{rules.SENTENCES[other]} (exit code {code})"}
