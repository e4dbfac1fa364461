"""The office's sentences: what is said, who says it, another sound for it, and back.

Law: the files are the truth (asterisk.own_sounds) and calls need nobody to choose, so everything here may happen late
or never. A choice is in the files before its row is written: a row without its sound would promise what nobody hears.
What phones recorded meanwhile is found by looking at the folders, and gets its row and its line in the audit then.
Requests only check on the control thread; files are opened on threads of their own, one at a time. The voice is
renewed on another, in the background.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ramal.asterisk import incoming, programs
from ramal.asterisk.incoming import NotTaken
from ramal.asterisk.own_sounds import MARK, PATH, OwnSounds, put, same, sync, version_of
from ramal.asterisk.prompt_list import Entry, entries
from ramal.asterisk.prompts import needed
from ramal.control.protocol import Request
from ramal.control.server import Answer
from ramal.errors import RamalError
from ramal.ops.means import Means, Subject
from ramal.ops.uploads import Uploads
from ramal.store import prompts as choices
from ramal.store.prompts import Choice
from ramal.store.users import audit

log = logging.getLogger(__name__)

TAKE_LIFE_S = 3600.0
"""A take at a phone that nobody kept is dropped after so long."""


class NoPrompt(RamalError):
    """A sentence the office does not have."""

    code = "no-prompt"


def subject(means: Means) -> Subject:
    """``prompts.list``, ``prompts.one``, ``prompts.replace``, ``prompts.restore``, ``prompts.use``, ``prompts.undo``,
    and ``sound.piece`` for what is to be uploaded."""
    uploads = Uploads(means.home.incoming)
    desk = Prompts(means, uploads)
    return Subject(
        "prompts",
        {
            "prompts.list": desk.listed,
            "prompts.one": desk.one,
            "prompts.replace": desk.replace,
            "prompts.restore": desk.restore,
            "prompts.use": desk.use,
            "prompts.undo": desk.undo,
            "sound.piece": uploads.piece,
        },
        stop=desk.stop,
        at_up=desk.look,
        now_and_then=desk.look,
    )


def later(job: Callable[[], Answer], turn: threading.Lock) -> "Future[Answer]":
    """Have ``job`` done on a thread of its own, in turn; the thread keeps no process from ending."""
    future: Future[Answer] = Future()

    def run() -> None:
        with turn:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:
                    future.set_exception(error)

    threading.Thread(target=run, name="sound", daemon=True).start()
    return future


class Prompts:
    """One home's sentences. Requests are free to the control thread; ``look`` is the rounds' own."""

    def __init__(self, means: Means, uploads: Uploads) -> None:
        self._means, self._uploads = means, uploads
        self._sounds = OwnSounds(means.home.prompts, means.home.own_prompts)
        self._opening = threading.Lock()
        """One file from outside is opened at a time."""
        self._choosing = threading.RLock()
        """One sentence is changed at a time, its rows with it."""
        self._voice: threading.Thread | None = None
        self._ended = threading.Event()

    def stop(self) -> None:
        """End the renewal of the voice soon; the set in force stays."""
        self._ended.set()

    # -- asking --------------------------------------------------------------------------------------------------------

    def listed(self, request: Request) -> "Future[Answer]":
        """``{"prompts": [row]}``, a row as ``one`` says without ``versions``; ``supervisors``: whether anybody can
        record at a phone; ``renewing``: whether the machine's voice is being changed."""

        def job() -> Answer:
            office = self._means.office()
            last = self._means.read(choices.last)
            spoken_by = self._spoken_by()
            rows = [self._row(entry, last.get(entry.path), spoken_by) for entry in entries(office)]
            renewing = self._voice is not None and self._voice.is_alive()
            return {"prompts": rows, "supervisors": any(one.supervisor for one in office.agents), "renewing": renewing}

        return self._means.work(job)

    def one(self, request: Request) -> "Future[Answer]":
        """The sentence ``path``: ``{"path", "id", "language", "text", "kind", "of", "number", "by": "machine" or
        "own", "engine", "source", "at_ms", "who", "note", "undo": bool, "changed_ms", "versions": [{"version",
        "at_ms", "source", "who", "note", "chosen"}]}``. NoPrompt."""
        path = request.text("path")

        def job() -> Answer:
            entry = self._entry(path)
            rows = self._means.read(lambda db: choices.standing(db, path))
            known = self._means.read(lambda db: choices.makers(db, path))
            chosen = self._sounds.chosen(path)
            versions = [
                {
                    "version": version.name,
                    "at_ms": version.at_ms,
                    "source": version.source,
                    "who": known[version.name].who if version.name in known else version.agent,
                    "note": known[version.name].note if version.name in known else "",
                    "chosen": version.name == chosen,
                }
                for version in self._sounds.versions(path)
            ]
            row = self._row(entry, rows[0] if rows else None, self._spoken_by())
            return {**row, "undo": bool(rows), "versions": versions}

        return self._means.work(job)

    # -- changing ------------------------------------------------------------------------------------------------------

    def replace(self, request: Request) -> "Future[Answer]":
        """Make ``upload`` the sound of ``path``; ``file`` is the name it came with. ``{"version", "duration_ms",
        "form"}``. NotTaken with a sentence when it is no sound that can be used."""
        path, name, who = request.text("path"), request.text("upload"), who_of(request)
        title = title_of(request.text("file", ""))
        try:
            self._entry(path)
        except NoPrompt:
            self._uploads.drop(name)
            raise

        def job() -> Answer:
            with contextlib.ExitStack() as stack:
                stack.callback(self._uploads.drop, name)
                taken = incoming.take(self._uploads.path(name), "prompt", programs.prison())
                at_ms = self._means.clock_ms()
                with self._choosing:
                    version = self._keep(path, taken, at_ms)
                    self._sounds.choose(path, version)
                    self._note(Choice(path, at_ms, who, "upload", version, title), "prompt.replaced")
            return {"version": version, "duration_ms": taken.duration_ms, "form": taken.form}

        return later(job, self._opening)

    def restore(self, request: Request) -> "Future[Answer]":
        """The machine's voice for ``path`` again; ``{"changed"}``. The office's own sounds are kept."""
        path, who = request.text("path"), who_of(request)
        self._entry(path)

        def job() -> Answer:
            with self._choosing:
                if not self._sounds.chosen(path):
                    return {"changed": False}
                self._sounds.choose(path, "")
                self._note(Choice(path, self._means.clock_ms(), who, "machine", ""), "prompt.machine")
            return {"changed": True}

        return self._means.work(job)

    def use(self, request: Request) -> "Future[Answer]":
        """Put ``version`` of ``path`` in force again; ``{"changed"}``."""
        path, version, who = request.text("path"), request.text("version"), who_of(request)
        self._entry(path)

        def job() -> Answer:
            with self._choosing:
                if version_of(version) is None or version not in {one.name for one in self._sounds.versions(path)}:
                    raise NoPrompt("There is no such sound of this sentence any more. Nothing was changed.")
                if self._sounds.chosen(path) == version:
                    return {"changed": False}
                self._sounds.choose(path, version)
                self._note(Choice(path, self._means.clock_ms(), who, "again", version), "prompt.again")
            return {"changed": True}

        return self._means.work(job)

    def undo(self, request: Request) -> "Future[Answer]":
        """Take the last choice for ``path`` back; ``{"changed", "version"}``, "" = the machine's voice."""
        path, who = request.text("path"), who_of(request)
        self._entry(path)

        def job() -> Answer:
            with self._choosing:
                there = [one.name for one in self._sounds.versions(path)]
                at_ms = self._means.clock_ms()

                def back(db: sqlite3.Connection) -> str | None:
                    version = choices.undo(db, path, there)
                    if version is not None:
                        audit(db, at_ms, who, "prompt.undone", path)
                    return version

                version = self._means.write(back).result()
                if version is None:
                    return {"changed": False, "version": self._sounds.chosen(path)}
                self._sounds.choose(path, version)
            return {"changed": True, "version": version}

        return self._means.work(job)

    # -- rounds --------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """What phones did is written down and made better; what was forgotten goes; a new voice begins to speak."""
        now_ms = self._means.clock_ms()
        self._uploads.tidy(now_ms)
        self._tidy_takes()
        for path in self._sounds.replaced():
            with self._choosing:
                self._find(path, now_ms)
                self._improve(path)
                self._sounds.settle(path)
        self._renew()

    def _find(self, path: str, now_ms: int) -> None:
        """Rows for what was chosen without us: at a phone, or by a hand in the folders."""
        folder = self._sounds.folder(path)
        known = self._means.read(choices.known)
        marks = [found for entry in os.listdir(folder) if (found := MARK.match(entry))]
        news = [
            Choice(path, one.at_ms, one.agent, "phone", one.name, one.phone)
            for one in self._sounds.versions(path)
            if one.source == "phone" and (path, one.name) not in known
        ]
        news += [Choice(path, int(m["at_ms"]), m["agent"] or "", "machine", "", m["phone"] or "") for m in marks]
        for choice in sorted(news, key=lambda choice: choice.at_ms):
            self._note(choice, "prompt.recorded" if choice.version else "prompt.machine")
        for mark in marks:
            (folder / mark.string).unlink(missing_ok=True)
        rows = self._means.read(lambda db: choices.standing(db, path))
        chosen = self._sounds.chosen(path)
        if chosen != (rows[0].version if rows else ""):
            self._note(Choice(path, now_ms, "", "found", chosen), "prompt.found")

    def _improve(self, path: str) -> None:
        """Trim and level what was recorded at a phone; the raw take stays beside it (``.raw``)."""
        folder = self._sounds.folder(path)
        for one in self._sounds.versions(path):
            take, raw = folder / one.name, folder / f"{one.name.removesuffix('.wav')}.raw"
            if one.source != "phone" or (raw.exists() and not os.path.samefile(raw, take)):
                continue
            try:
                better = incoming.take(take, "prompt", programs.prison()).wav
            except NotTaken as refused:
                log.info("the take of %s stays as it is: %s", path, refused)
                raw.unlink(missing_ok=True)
                shutil.copyfile(take, raw)
                continue
            if not raw.exists():
                os.link(take, raw)
            chosen = folder / "chosen.wav"
            was_chosen = chosen.exists() and same(chosen, take)
            _write(take, better)
            if was_chosen:
                put(take, chosen)
            sync(folder)

    def _tidy_takes(self) -> None:
        folder = self._means.home.own / "takes"
        for take in folder.glob("*.wav") if folder.is_dir() else ():
            if time.time() - take.stat().st_mtime > TAKE_LIFE_S:
                take.unlink(missing_ok=True)

    def _renew(self) -> None:
        """Begin to speak everything anew when the voice has changed."""
        if self._ended.is_set() or (self._voice is not None and self._voice.is_alive()):
            return
        home, wanted = self._means.home, list(needed(self._means.office()))
        sets = programs.sets_of(home.prompts, home.own_prompts, home.voices)
        if not wanted or not sets.stale(wanted):
            return

        def run() -> None:
            log.info("the voice has changed; every sentence is spoken anew, calls hear the old one until all are done")
            try:
                made = sets.renew(wanted, self._ended.is_set)
                if not self._ended.is_set():
                    log.info("the new voice is in force: %d sentences", made)
            except Exception:
                log.exception("the new voice could not speak; the one before stays")

        self._voice = threading.Thread(target=run, name="voice", daemon=True)
        self._voice.start()

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _entry(self, path: str) -> Entry:
        found = next((entry for entry in entries(self._means.office()) if entry.path == path), None)
        if found is None or not PATH.match(path):
            raise NoPrompt("This office has no such sentence. Nothing was changed.")
        return found

    def _row(self, entry: Entry, last: Choice | None, spoken_by: dict[str, str]) -> dict[str, Any]:
        played, chosen = self._sounds.played(entry.path), self._sounds.chosen(entry.path)
        version = version_of(chosen)
        return {
            **asdict(entry),
            "by": "own" if chosen else "machine",
            "engine": spoken_by.get(entry.path, ""),
            "source": version.source if version else "",
            "at_ms": last.at_ms if last else (version.at_ms if version else None),
            "who": last.who if last else "",
            "note": last.note if last else "",
            "there": played.exists(),
            "changed_ms": played.stat().st_mtime_ns // 1_000_000 if played.exists() else 0,
        }

    def _spoken_by(self) -> dict[str, str]:
        home = self._means.home
        try:
            return programs.sets_of(home.prompts, home.own_prompts, home.voices).all_spoken_by()
        except RamalError:
            return {}

    def _keep(self, path: str, taken: incoming.Taken, at_ms: int) -> str:
        """A new version of what was brought, and the same at 16 kHz beside it; its name."""
        folder = self._means.home.incoming
        with tempfile.TemporaryDirectory(prefix="made-", dir=folder) as scratch:
            made = Path(scratch, "made.wav")
            made.write_bytes(taken.wav)
            version = self._sounds.add(path, made, at_ms, "upload")
        _write(self._sounds.folder(path) / f"{version.removesuffix('.wav')}.wide.wav", taken.wide)
        return version

    def _note(self, choice: Choice, what: str) -> None:
        """Keep a choice, with its line in the audit."""

        def job(db: sqlite3.Connection) -> None:
            choices.chosen(db, choice)
            audit(db, choice.at_ms, choice.who, what, f"{choice.path} {choice.note}".rstrip())

        self._means.write(job).result()


def _write(target: Path, data: bytes) -> None:
    """Whole or not at all."""
    new = target.with_name(f".{target.name}.{os.getpid()}")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, target)


def who_of(request: Request) -> str:
    """Who asks."""
    return request.text("who", "command line")


def title_of(name: str) -> str:
    """A file's name as people see it: no folders, nothing that does not print."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in last if char.isprintable())[: choices.NOTE_MAX]
