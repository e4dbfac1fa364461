"""Which sound is heard where a sentence has two: the machine's own, and what the office recorded or uploaded.

Law: the dialplan knows one path of a sentence, ``prompts/<path>.wav``, and needs nobody to choose. That file is a link
(or copy) of the one in force, put there by rename, so that a call hears the old one or the new one and never half::

    prompts/machine -> machine.<n>/      what the engines spoke, one whole set; swapped when the voice changes
    prompts/<path>.wav                   what is played
    own/prompts/<path>/<ms>.<source>.wav every sound people gave this sentence; nothing is ever written over
                       <ms>.<source>.wide.wav   the same at 16 kHz, when it came so
                       chosen.wav        a link to the one in force; not there = the machine speaks
    own/takes/                           recorded at a phone, not kept yet

``settle`` brings the played file to what ``chosen`` and ``machine`` say; it may run at any time, twice, and after a
crash anywhere. ``dialplan/prompt.pl`` does the same for a phone while nothing of ours runs. Any thread.
"""

import contextlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Source = Literal["phone", "upload", "line"]
MACHINE = "machine"
CHOSEN = "chosen.wav"
PATH = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*\Z")
"""A sentence's path: never a dot, so it cannot leave its folder."""
_BY = r"(?:\.(?P<agent>[0-9]*)\.(?P<phone>[0-9]*))?"
VERSION = re.compile(rf"(?P<at_ms>[0-9]{{10,16}})\.(?P<source>phone|upload|line){_BY}\.wav\Z")
MARK = re.compile(rf"(?P<at_ms>[0-9]{{10,16}})\.machine{_BY}\Z")


@dataclass(frozen=True, slots=True)
class Version:
    """One sound people gave: its file's name, when, how, and (from a phone) whose code at which phone."""

    name: str
    at_ms: int
    source: str
    agent: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class OwnSounds:
    """The sounds of one home: ``prompts`` is what is played, ``own`` what people gave."""

    prompts: Path
    own: Path

    def played(self, path: str) -> Path:
        return self.prompts / f"{_checked(path)}.wav"

    def machine(self, path: str) -> Path:
        return self.prompts / MACHINE / f"{_checked(path)}.wav"

    def folder(self, path: str) -> Path:
        return self.own / _checked(path)

    def versions(self, path: str) -> list[Version]:
        """What people gave this sentence, the newest first."""
        found = [version for name in _names(self.folder(path)) if (version := version_of(name))]
        return sorted(found, key=lambda version: (version.at_ms, version.name), reverse=True)

    def chosen(self, path: str) -> str:
        """The name of the version in force; "" when the machine speaks. A ``chosen`` that is none of the versions
        (its file was taken away by hand) counts as what it sounds like: it stays in force as "?"."""
        chosen = self.folder(path) / CHOSEN
        if not chosen.exists():
            return ""
        for version in self.versions(path):
            if same(chosen, self.folder(path) / version.name):
                return version.name
        return "?"

    def choose(self, path: str, version: str) -> None:
        """Put one of the versions in force, or the machine ("")."""
        folder = self.folder(path)
        if version:
            if version_of(version) is None:
                raise FileNotFoundError(version)
            put(folder / version, folder / CHOSEN)
        else:
            (folder / CHOSEN).unlink(missing_ok=True)
        sync(folder)
        self.settle(path)

    def add(self, path: str, sound: Path, at_ms: int, source: Source) -> str:
        """Take ``sound`` (moved) as a new version; its name. Not in force yet."""
        folder = self.folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        while (target := folder / f"{at_ms}.{source}.wav").exists():
            at_ms += 1
        with sound.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(sound, target)
        sync(folder)
        return target.name

    def discard(self, path: str) -> None:
        """What is played here cannot be heard: take it away where it came from. A version stays, out of force."""
        played, machine = self.played(path), self.machine(path)
        with contextlib.suppress(OSError):  # also a folder of that name: nothing of ours
            if same(played, machine):
                machine.unlink()
            elif same(played, self.folder(path) / CHOSEN):
                (self.folder(path) / CHOSEN).unlink()
            played.unlink()

    def settle(self, path: str) -> bool:
        """Play what is in force; whether anything had to change. Without any sound the played file stays."""
        played = self.played(path)
        for _ in range(5):  # somebody may choose again meanwhile: then the last choice counts
            chosen, machine = self.folder(path) / CHOSEN, self.machine(path)
            wanted = chosen if chosen.exists() else machine
            if not wanted.exists() or same(wanted, played):
                return False
            try:
                put(wanted, played)
            except FileNotFoundError:
                continue
            if wanted is machine and chosen.exists():
                continue
            return True
        return False

    def settle_all(self, paths: Iterable[str]) -> int:
        """How many sentences were brought to what is in force; what cannot be is logged, and played as it was."""
        done = 0
        for path in paths:
            try:
                done += self.settle(path)
            except OSError as error:
                log.warning("the sentence %s could not be put in place: %s", path, error)
        return done

    def replaced(self) -> list[str]:
        """The paths of every sentence people ever gave a sound."""
        found = {file.parent.relative_to(self.own).as_posix() for file in self.own.rglob("*.*") if file.is_file()}
        return sorted(path for path in found if PATH.match(path))


def version_of(name: str) -> Version | None:
    """What a version's file name says."""
    found = VERSION.match(name)
    if found is None:
        return None
    return Version(name, int(found["at_ms"]), found["source"], found["agent"] or "", found["phone"] or "")


def same(one: Path, other: Path) -> bool:
    """Whether both files hold the same sound: links of each other, or (after a copy of the home) equal bytes."""
    try:
        first, second = one.stat(), other.stat()
        if (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino):
            return True
        return first.st_size == second.st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def put(source: Path, target: Path) -> None:
    """Make ``target`` the sound of ``source`` in one step, whoever is playing it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        try:
            os.link(source, new)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            shutil.copyfile(source, new)  # another disk, or one without links
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)  # rename of two links of one file leaves both


def sync(folder: Path) -> None:
    """Have a folder's names on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _checked(path: str) -> str:
    if not PATH.match(path):
        raise ValueError(f"not a sentence's path: {path!r}")
    return path
