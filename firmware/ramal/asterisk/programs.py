"""The sound programs of this machine, put together for whoever needs them: who speaks, and who opens strangers' files.

Errors (not provided, RamalError) come when they are used. Any thread.
"""

import functools
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ramal.asterisk.incoming import Jail
from ramal.asterisk.own_sounds import OwnSounds
from ramal.asterisk.speak import Argv, Sets
from ramal.asterisk.voices import Voices, voices
from ramal.provide import Peers, jail, peers


def argv_of(programs: Peers) -> Argv:
    """How a program of the prefix is run for speaking."""

    def argv(program: str, arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
        return programs.argv(program, *arguments, binds=list(folders))

    return argv


def voices_of(models: Path, programs: Peers | None = None) -> Voices:
    """Who speaks in a home whose voice models lie in ``models``."""
    found = programs or peers()
    return voices(models, argv_of(found), _espeak_version(found.prefix, tuple(found.argv("espeak-ng", "--version"))))


@functools.lru_cache(maxsize=4)
def _espeak_version(prefix: Path, command: tuple[str, ...]) -> str:
    """``1.52.0``, asked once a process; "" when it does not say."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"[0-9]+(?:\.[0-9]+)+", done.stdout)
    return found[0] if found else ""


def sets_of(prompts: Path, own: Path, models: Path, programs: Peers | None = None) -> Sets:
    """What the machine says in a home with these folders, by the voices it has now."""
    found = programs or peers()
    return Sets(OwnSounds(prompts, own), argv_of(found), voices_of(models, found))


def prison() -> Jail:
    """How a decoder is run on a file from outside."""
    root = peers().prefix
    return lambda program, words, file: jail.argv(root, program, words, file)
