"""Making the prompt files: an engine (asterisk.voices) speaks, sox brings the sound to Asterisk's 8 kHz mono wav.

Runs on the caller's thread (apply, first start); takes about 60 ms a prompt. A file that exists is never made again:
beside it ``.made`` holds a digest of its text and voice. Written whole or not at all, so a power cut leaves no half
sentence. ``speak`` makes what is missing; ``Sets`` keeps all that the machine says, and changes the voice of all of it
at once: a new voice speaks into a folder of its own, and only a whole set is ever put in force.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ramal.asterisk.own_sounds import MACHINE, OwnSounds
from ramal.asterisk.prompts import Prompt
from ramal.asterisk.voices import Argv, Espeak, SpeechFailed, Voices

__all__ = ["Argv", "Sets", "SpeechFailed", "lay_fallbacks", "speak"]

_LEAD_S = 0.15  # a phone loses the first moments while its speaker opens
_CUT = [*("silence", "1", "0.005", "0.4%", "reverse") * 2]  # of both ends: a voice rests after every text
VERSION = 1
"""Counted up when the treatment of the sound changes, so that every prompt is made anew."""
INDEX = ".made"
_SCRATCH = ".speak-"
_SCRATCH_LEFT_S = 3600.0
"""Older work of a sentence was cut off by a power cut: a sentence takes a minute at most."""
Progress = Callable[[int, int], None]


def speak(
    prompts: Iterable[Prompt],
    folder: Path,
    argv: Argv,
    progress: Progress | None = None,
    voices: Voices | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> int:
    """Make the missing or changed prompts under ``folder``; the number of files made. Without ``voices`` espeak-ng
    speaks. SpeechFailed says which one could not be; the others are there then. ``ended``: asked before each, stops
    early when true."""
    who = voices or Voices(Espeak(argv))
    wanted = list(prompts)
    made = _index(folder / INDEX)
    missing = [prompt for prompt in wanted if not _is_made(made, prompt, who, folder)]
    if not missing:
        return 0
    done = 0
    failed: SpeechFailed | None = None
    _tidy(folder)
    try:
        with ThreadPoolExecutor(max_workers=2) as pool:
            for prompt, by, failure in pool.map(lambda each: _tried(each, folder, argv, who, ended), missing):
                failed = failed or failure
                if by:
                    made[prompt.path] = f"{_digest(prompt, who)} {by}"
                    done += 1
                if progress is not None and by:
                    progress(done, len(missing))
    finally:
        if done:
            _keep(folder / INDEX, made)
    if failed is not None:
        raise failed
    return done


def _tidy(folder: Path) -> None:
    """Remove what a power cut left of sentences that were being spoken."""
    for left in folder.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _SCRATCH_LEFT_S:
                shutil.rmtree(left)


def lay_fallbacks(links: Iterable[tuple[str, str]], folder: Path) -> None:
    """Make each path (``prompts.fallbacks``) lead to the same sentence in the office's language, also to one that is
    not there yet."""
    for path, target in links:
        link = folder / f"{path}.wav"
        link.parent.mkdir(parents=True, exist_ok=True)
        words = os.path.relpath(folder / f"{target}.wav", link.parent)
        if link.is_symlink() and os.readlink(link) == words:
            continue
        temporary = link.with_name(f".{link.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(words)
        os.replace(temporary, link)


@dataclass(frozen=True, slots=True)
class Sets:
    """What the machine says in one home: ``prompts/machine`` is a link to the set in force."""

    sounds: OwnSounds
    argv: Argv
    voices: Voices

    def ready(self, prompts: Iterable[Prompt], progress: Progress | None = None) -> int:
        """Have every one of ``prompts`` playable, soon: what is missing is spoken into the set in force (the first one
        by espeak-ng, which is quick); how many were made. SpeechFailed: the others are there. Another voice for all
        of them is ``renew``'s."""
        wanted = list(prompts)
        with self._turn():
            folder = self._in_force()
            try:
                if folder is None:
                    folder = self._next()
                    folder.mkdir(parents=True, exist_ok=True)
                    try:
                        return speak(wanted, folder, self.argv, progress, Voices(self.voices.espeak))
                    finally:
                        self._point(folder)
                known = _index(folder / INDEX)
                lacking = [prompt for prompt in wanted if not _is_said(known, prompt, folder)]
                return speak(lacking, folder, self.argv, progress, self.voices)
            finally:
                self.sounds.settle_all(prompt.path for prompt in wanted)

    def lacking(self, prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
        """Those of ``prompts`` that the set in force does not say."""
        folder = self._in_force()
        known = _index(folder / INDEX) if folder is not None else {}
        return tuple(prompt for prompt in prompts if folder is None or not _is_said(known, prompt, folder))

    def stale(self, prompts: Iterable[Prompt]) -> bool:
        """Whether the set in force says something in another voice than is wanted now. What it does not say at all is
        the business of ``ready``."""
        folder = self._in_force()
        if folder is None:
            return False
        made = _index(folder / INDEX)
        return any(
            _is_said(made, prompt, folder) and not _is_made(made, prompt, self.voices, folder) for prompt in prompts
        )

    def renew(self, prompts: Iterable[Prompt], ended: Callable[[], bool] = lambda: False) -> int:
        """Speak all of ``prompts`` into a new set by the voices of now and put it in force; how many were made.

        Takes minutes with Piper. Until it is whole, every call hears the set before. Cut off anywhere, it goes on
        where it was.
        """
        wanted = list(prompts)
        folder, before = self._next(), self._in_force()
        folder.mkdir(parents=True, exist_ok=True)
        if before is not None:
            self._take_over(before, folder, wanted)
        made = speak(wanted, folder, self.argv, None, self.voices, ended)
        if ended():
            return made
        with self._turn():
            self._point(folder)
            self.sounds.settle_all(prompt.path for prompt in wanted)
            if before is not None and before != folder:
                shutil.rmtree(before, ignore_errors=True)
        return made

    def spoken_by(self, path: str) -> str:
        """The engine that said it in the set in force; "" when it is not known."""
        return self.all_spoken_by().get(path, "")

    def all_spoken_by(self) -> dict[str, str]:
        """Path to engine, of the set in force."""
        folder = self._in_force()
        made = _index(folder / INDEX) if folder else {}
        return {path: digest.partition(" ")[2] for path, digest in made.items()}

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One at a time changes the set in force, also another process."""
        self.sounds.prompts.mkdir(parents=True, exist_ok=True)
        with (self.sounds.prompts / ".turn").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _take_over(self, before: Path, folder: Path, wanted: list[Prompt]) -> None:
        """What the wanted voice said already is linked, not said again."""
        known, made = _index(before / INDEX), _index(folder / INDEX)
        for prompt in wanted:
            if _is_made(known, prompt, self.voices, before) and not _is_made(made, prompt, self.voices, folder):
                target = _file(folder, prompt)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                os.link(_file(before, prompt), target)
                made[prompt.path] = known[prompt.path]
        _keep(folder / INDEX, made)

    def _in_force(self) -> Path | None:
        link = self.sounds.prompts / MACHINE
        return link.resolve() if link.is_dir() else None

    def _next(self) -> Path:
        """Beside the set in force; the same one again after a power cut."""
        before = self._in_force()
        name = f"{MACHINE}.b" if before is not None and before.name == f"{MACHINE}.a" else f"{MACHINE}.a"
        return self.sounds.prompts / name

    def _point(self, folder: Path) -> None:
        """Put a whole set in force, having brought its sounds to the disk."""
        link = self.sounds.prompts / MACHINE
        subprocess.run(["sync", "--file-system", str(folder)], check=False, timeout=60)
        temporary = link.with_name(f".{MACHINE}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name)
        os.replace(temporary, link)


def _tried(
    prompt: Prompt, folder: Path, argv: Argv, voices: Voices, ended: Callable[[], bool]
) -> tuple[Prompt, str, SpeechFailed | None]:
    """Speak one; who did ("" when it was not to be done any more), or why nobody could."""
    if ended():
        return prompt, "", None
    try:
        return prompt, _make(prompt, folder, argv, voices), None
    except SpeechFailed as error:
        return prompt, "", error
    except OSError as error:
        return prompt, "", SpeechFailed(f"The sentence “{prompt.text[:60]}” could not be written: {error}")


def _make(prompt: Prompt, folder: Path, argv: Argv, voices: Voices) -> str:
    target = _file(folder, prompt)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch:
        raw, wav = Path(scratch, "raw.wav"), Path(scratch, "out.wav")
        by = voices.speak(prompt.spelt or prompt.text, prompt.language, raw)
        cut = [] if prompt.within is None else _CUT
        pad = [f"{silence_s:g}" for silence_s in prompt.within or (_LEAD_S, 0.05)]
        shaping = ["-r", "8000", "-c", "1", "-b", "16", str(wav), "norm", "-4", *cut, "pad", *pad]
        _run(argv("sox", ["-V1", "-t", "wav", str(raw), *shaping], [folder]), prompt)
        with wav.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(wav, target)
    return by


def _run(command: list[str], prompt: Prompt) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechFailed(f"The sentence “{prompt.text[:60]}” could not be spoken: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise SpeechFailed(f"The sentence “{prompt.text[:60]}” could not be spoken: {said}")


def _file(folder: Path, prompt: Prompt) -> Path:
    return folder / f"{prompt.path}.wav"


def _is_made(made: dict[str, str], prompt: Prompt, voices: Voices, folder: Path) -> bool:
    """Whether this text stands there in the voice wanted now (or what stood in for it)."""
    return made.get(prompt.path, "").partition(" ")[0] == _digest(prompt, voices) and _file(folder, prompt).exists()


def _is_said(made: dict[str, str], prompt: Prompt, folder: Path) -> bool:
    """Whether this text stands there in whatever voice."""
    return made.get(prompt.path, "").startswith(_text_digest(prompt)) and _file(folder, prompt).exists()


def _text_digest(prompt: Prompt) -> str:
    piece = "" if prompt.within is None else f"\n{prompt.spelt}\n{prompt.within}"
    return hashlib.sha256(f"{VERSION}\n{prompt.language}\n{prompt.text}{piece}".encode()).hexdigest()[:20]


def _digest(prompt: Prompt, voices: Voices) -> str:
    voice = hashlib.sha256(voices.spoken_by(prompt.language).encode()).hexdigest()[:12]
    return f"{_text_digest(prompt)}-{voice}"


def _keep(index_file: Path, made: dict[str, str]) -> None:
    temporary = index_file.with_name(f"{INDEX}.{os.getpid()}")
    temporary.write_text(json.dumps(made, sort_keys=True, indent=0), encoding="utf-8")
    os.replace(temporary, index_file)


def _index(file: Path) -> dict[str, str]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in table.items()} if isinstance(table, dict) else {}
