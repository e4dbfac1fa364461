"""What was spoken in this run of the tests, for every box of every worker: a sentence is spoken once.

The folder is the controller's (tests/conftest.py); a lock on it keeps workers apart, and each box has copies, so that a
test may put a tone in place of a sentence.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ramal.asterisk.own_sounds import MACHINE

FOLDER = "RAMAL_TEST_SPOKEN"
"""The environment variable that names the folder."""


@contextlib.contextmanager
def shared(prompts: Path) -> Iterator[None]:
    """Lay there what was spoken before; what the block makes the box speak is kept for the next."""
    if FOLDER not in os.environ:  # not under pytest: every box speaks for itself
        yield
        return
    cache = Path(os.environ[FOLDER])
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        machine = prompts / MACHINE
        before = _copy(cache, prompts / f"{MACHINE}.a", _index(cache))
        if before and not machine.is_symlink():
            machine.symlink_to(f"{MACHINE}.a")
        yield
        after = _index(machine)
        _copy(machine, cache, {path: digest for path, digest in after.items() if before.get(path) != digest})


def lay(prompts: Path) -> None:
    """Only lay there what was spoken before."""
    with shared(prompts):
        pass


def _copy(source: Path, target: Path, wanted: dict[str, str]) -> dict[str, str]:
    """Copy these prompts, and say in the target's index that it has them; ``wanted``."""
    for path in wanted:
        copy = target / f"{path}.wav"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / f"{path}.wav", copy)
    if wanted:
        (target / ".made").write_text(json.dumps(_index(target) | wanted), encoding="utf-8")
    return wanted


def _index(folder: Path) -> dict[str, str]:
    """Path without ending to digest, as ``ramal.asterisk.speak`` keeps it."""
    index = folder / ".made"
    return dict(json.loads(index.read_text(encoding="utf-8"))) if index.exists() else {}
