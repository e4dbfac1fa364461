"""Making the prompt files: espeak-ng speaks, sox brings the sound to Asterisk's 8 kHz mono wav.

Runs on the caller's thread (apply, first start); takes about 60 ms a prompt. A file that exists is never made again:
its name holds its text (``prompts.office_prompt``) or its sentence's digest stands in ``.made``. Written whole or not
at all, so a power cut leaves no half sentence.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ramal.asterisk.prompts import Prompt
from ramal.core.office import Language
from ramal.errors import RamalError

_VOICE: dict[Language, str] = {"pt-BR": "pt-br", "en": "en-us", "es": "es-419"}
_LEAD_S = 0.15  # a phone loses the first moments while its speaker opens
VERSION = 1
"""Counted up when the voice or the treatment changes, so that every prompt is made anew."""

Argv = Callable[[str, Sequence[str], Sequence[Path]], list[str]]
"""``argv(program, arguments, folders)``: the command line that runs a program of the peers' prefix."""


class SpeechFailed(RamalError):
    """A prompt could not be made."""


def speak(
    prompts: Iterable[Prompt], folder: Path, argv: Argv, progress: Callable[[int, int], None] | None = None
) -> int:
    """Make the missing or changed prompts under ``folder``; the number of files made. SpeechFailed says which one
    could not be made; those that could are there then."""
    wanted = list(prompts)
    index_file = folder / ".made"
    made = _index(index_file)
    missing = [
        prompt for prompt in wanted if made.get(prompt.path) != _digest(prompt) or not _file(folder, prompt).exists()
    ]
    if not missing:
        return 0
    done = 0
    failed: SpeechFailed | None = None
    with ThreadPoolExecutor(max_workers=2) as pool:
        for prompt, failure in pool.map(lambda prompt: _tried(prompt, folder, argv), missing):
            if failure is not None:
                failed = failed or failure
                continue
            made[prompt.path] = _digest(prompt)
            done += 1
            if progress is not None:
                progress(done, len(missing))
    temporary = index_file.with_name(f".made.{os.getpid()}")
    temporary.write_text(json.dumps(made, sort_keys=True, indent=0), encoding="utf-8")
    os.replace(temporary, index_file)
    if failed is not None:
        raise failed
    return done


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


def _tried(prompt: Prompt, folder: Path, argv: Argv) -> tuple[Prompt, SpeechFailed | None]:
    try:
        _make(prompt, folder, argv)
    except SpeechFailed as error:
        return prompt, error
    except OSError as error:
        return prompt, SpeechFailed(f"The sentence “{prompt.text[:60]}” could not be written: {error}")
    return prompt, None


def _make(prompt: Prompt, folder: Path, argv: Argv) -> None:
    target = _file(folder, prompt)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".speak-", dir=folder) as scratch:
        text, raw, wav = Path(scratch, "text"), Path(scratch, "raw.wav"), Path(scratch, "out.wav")
        text.write_text(prompt.text, encoding="utf-8")
        voice = _VOICE[prompt.language]
        _run(argv("espeak-ng", ["-v", voice, "-s", "150", "-f", str(text), "-w", str(raw)], [folder]), prompt)
        shaping = ["-r", "8000", "-c", "1", "-b", "16", str(wav), "norm", "-4", "pad", str(_LEAD_S), "0.05"]
        _run(argv("sox", ["-V1", str(raw), *shaping], [folder]), prompt)
        with wav.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(wav, target)


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


def _digest(prompt: Prompt) -> str:
    return hashlib.sha256(f"{VERSION}\n{prompt.language}\n{prompt.text}".encode()).hexdigest()[:20]


def _index(file: Path) -> dict[str, str]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in table.items()} if isinstance(table, dict) else {}
