"""The sound programs of this machine, put together for whoever needs them: who speaks, and who opens strangers' files.

Errors (not provided, RamalError) come when they are used. Any thread.
"""

from collections.abc import Sequence
from pathlib import Path

from ramal.asterisk.incoming import Jail
from ramal.asterisk.own_sounds import OwnSounds
from ramal.asterisk.speak import Argv, Sets
from ramal.asterisk.voices import voices
from ramal.provide import Peers, jail, peers


def argv_of(programs: Peers) -> Argv:
    """How a program of the prefix is run for speaking."""

    def argv(program: str, arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
        return programs.argv(program, *arguments, binds=list(folders))

    return argv


def sets_of(prompts: Path, own: Path, models: Path, programs: Peers | None = None) -> Sets:
    """What the machine says in a home with these folders, by the voices it has now."""
    argv = argv_of(programs or peers())
    return Sets(OwnSounds(prompts, own), argv, voices(models, argv))


def prison() -> Jail:
    """How a decoder is run on a file from outside."""
    root = peers().prefix
    return lambda program, words, file: jail.argv(root, program, words, file)
