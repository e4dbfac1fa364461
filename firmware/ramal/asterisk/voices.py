"""Who speaks: engines that turn a text into a wav, the same for all of them.

espeak-ng is always there (the peers' prefix). Piper speaks a language once a person has laid a voice model for it into
the home: ``voices/pt_BR.onnx`` with ``voices/pt_BR.onnx.json`` (or ``pt_BR.json``), and a program ``piper`` in
``voices/`` or on PATH. Law: an engine runs as a process with the text on its standard input, never as our own code,
and at low priority; whatever goes wrong with Piper, espeak-ng says the sentence. Any thread that may wait.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ramal.asterisk.prompts import FOLDER
from ramal.core.office import Language
from ramal.errors import RamalError

Argv = Callable[[str, Sequence[str], Sequence[Path]], list[str]]
"""``argv(program, arguments, folders)``: the command line that runs a program of the peers' prefix."""

LIMIT_S = 120.0
"""One sentence may take so long; a Pi 4 speaks about twice as fast as real time with a medium Piper voice."""
_ESPEAK_VOICE: dict[Language, str] = {"pt-BR": "pt-br", "en": "en-us", "es": "es-419"}
_ESPEAK_WORDS_MIN = 150


class SpeechFailed(RamalError):
    """A sentence could not be spoken."""


class Engine(Protocol):
    """Something that speaks. ``version`` changes whenever the same text would sound differently."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def languages(self) -> tuple[Language, ...]: ...

    def speak(self, text: str, language: Language, out: Path) -> int:
        """Write ``text`` to ``out`` as a WAV (16 bit, mono); its rate in Hz. SpeechFailed when it cannot."""


@dataclass(frozen=True, slots=True)
class Espeak:
    """espeak-ng of the peers' prefix: every language, small, fast, and never missing."""

    argv: Argv
    version: str = "?"
    name: str = "espeak-ng"
    languages: tuple[Language, ...] = ("pt-BR", "en", "es")

    def speak(self, text: str, language: Language, out: Path) -> int:
        words = ["-v", _ESPEAK_VOICE[language], "-s", str(_ESPEAK_WORDS_MIN), "--stdin", "-w", str(out)]
        _run(self.argv("espeak-ng", words, [out.parent]), text)
        return _rate_hz(out, text)


@dataclass(frozen=True, slots=True)
class Piper:
    """Piper with the models of one home; ``models`` by language: the ``.onnx`` and its ``.json``."""

    program: Path
    models: tuple[tuple[Language, Path, Path], ...]
    name: str = "piper"

    @property
    def languages(self) -> tuple[Language, ...]:
        return tuple(language for language, _, _ in self.models)

    @property
    def version(self) -> str:
        """Of the program and all models: by the settings' digest and the model's size and time, for reading 60 MB of
        model at each start would cost a Pi a second."""
        digest = hashlib.sha256()
        for path in (self.program, *(path for _, *both in self.models for path in both)):
            state = path.stat()
            digest.update(f"{path.name}\n{state.st_size}\n{state.st_mtime_ns}\n".encode())
            if path.suffix == ".json":
                digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def speak(self, text: str, language: Language, out: Path) -> int:
        model, config = next((model, config) for of, model, config in self.models if of == language)
        words = ["--model", str(model), "--config", str(config), "--output_file", str(out)]
        quiet = ["nice", "-n", "15"] if shutil.which("nice") else []
        _run([*quiet, str(self.program), *words], " ".join(text.split()))  # a line is one utterance to Piper
        return _rate_hz(out, text)


@dataclass(frozen=True, slots=True)
class Voices:
    """The engines of one home, the best first for each language. ``espeak`` is the last resort."""

    espeak: Engine
    others: tuple[Engine, ...] = ()

    def of(self, language: Language) -> Engine:
        """Who speaks a language now."""
        return next((engine for engine in self.others if language in engine.languages), self.espeak)

    def spoken_by(self, language: Language) -> str:
        """The engine's name and version: what makes a prompt be made anew when it changes."""
        engine = self.of(language)
        return f"{engine.name} {engine.version}"

    def speak(self, text: str, language: Language, out: Path) -> str:
        """Speak; the name of the engine that did. SpeechFailed when not even espeak-ng could."""
        engine = self.of(language)
        try:
            engine.speak(text, language, out)
        except SpeechFailed:
            if engine is self.espeak:
                raise
            engine = self.espeak
            engine.speak(text, language, out)
        return engine.name


def voices(folder: Path, argv: Argv, espeak_version: str = "") -> Voices:
    """The engines for a home whose models lie in ``folder``. A model without its json, or that cannot be read, is as
    if it were not there. Never raises."""
    espeak = Espeak(argv, espeak_version) if espeak_version else Espeak(argv)
    piper = _piper(folder)
    return Voices(espeak, (piper,) if piper else ())


def _piper(folder: Path) -> Piper | None:
    try:
        if not folder.is_dir():
            return None
        own = [path for path in (folder / "piper", folder / "piper" / "piper") if path.is_file()]
        found = next((path for path in own if os.access(path, os.X_OK)), None) or shutil.which("piper")
        models = [(language, *pair) for language in FOLDER if (pair := _model(folder, language))]
        return Piper(Path(found), tuple(models)) if found and models else None
    except (OSError, ValueError):
        return None


def _model(folder: Path, language: Language) -> tuple[Path, Path] | None:
    for name in (FOLDER[language], language):
        model = folder / f"{name}.onnx"
        for config in (folder / f"{name}.onnx.json", folder / f"{name}.json"):
            if model.is_file() and model.stat().st_size and config.is_file():
                json.loads(config.read_bytes())
                return model, config
    return None


def _rate_hz(file: Path, text: str) -> int:
    """The rate in a WAV's header; SpeechFailed when nothing that sounds was written (an engine that ended well and
    wrote nothing is one that failed)."""
    try:
        head = file.read_bytes()[:44]
        size = file.stat().st_size
    except OSError as error:
        raise SpeechFailed(f"The sentence “{text[:60]}” was not written: {error.strerror}.") from error
    if size <= 44 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise SpeechFailed(f"The sentence “{text[:60]}” came out empty.")
    return int.from_bytes(head[24:28], "little")


def _run(command: list[str], text: str) -> None:
    try:
        said = text.encode() + b"\n"
        done = subprocess.run(command, input=said, capture_output=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechFailed(f"The sentence “{text[:60]}” could not be spoken: {error}") from error
    if done.returncode != 0:
        why = (done.stderr or done.stdout).decode(errors="replace").strip()[-300:]
        raise SpeechFailed(f"The sentence “{text[:60]}” could not be spoken: {why}")
