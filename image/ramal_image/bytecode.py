"""Byte code for everything that a box runs, unchecked (the root is read-only): the same bytes in every build.

Law: it is made by the very Python that the image has. For another architecture that would take a quarter of an hour
through qemu-user; byte code does not depend on the processor, so the same version from the machine's own locked base
layer makes it, in a folder of its own. Needs root (chroot). Main thread.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ramal.provide import archive
from ramal.provide.say import say
from ramal_image import ImageError, base, debs, tools
from ramal_image.debs import Deb
from ramal_image.wheels import PYTHON

TREES = (f"usr/lib/python{PYTHON}", "opt/ramal/lib")
"""Where the root's Python files lie."""
MAKERS = (f"python{PYTHON}-minimal", f"libpython{PYTHON}-minimal", f"libpython{PYTHON}-stdlib")
"""The packages whose versions must be equal for their byte code to be."""
_RUNNER = (f"./usr/bin/python{PYTHON}", f"./usr/lib/python{PYTHON}", "./usr/lib/*-linux-gnu/*.so*", "./usr/lib64",
           "./lib64", "./lib", "./bin")  # fmt: skip


def compile_all(root: Path, runner: Path | None = None) -> None:
    """Make ``root``'s byte code anew, with its own Python or that of the folder ``runner`` (of this machine's
    architecture). ImageError when the root has no such Python."""
    if not (root / f"usr/bin/python{PYTHON}").exists():
        raise ImageError(f"The root has no Python {PYTHON}; change wheels.PYTHON to the one that forky has now.")
    for name in ("usr/lib", "opt/ramal/lib"):
        for folder in sorted((root / name).glob("**/__pycache__")):
            shutil.rmtree(folder)
    if runner is None:
        _run(root, "", TREES)
    else:
        _abroad(root, runner)
    for name in TREES:
        for path in (root / name).glob("**/__pycache__"):
            os.utime(path)


@contextmanager
def runner(
    locked: Sequence[Deb], own: Sequence[Deb] | None, arch: str, epoch: int, cache: Path, mirror: str | None
) -> Iterator[Path | None]:
    """A folder with the same Python for this machine's own architecture, where ``arch`` is another; ``own``: that
    architecture's lock. None where the root's Python itself must do it."""
    here = archive.architecture()
    if arch == here or own is None or not _equal(locked, own):
        if arch != here:
            say(f"  the locks of {arch} and {here} have not the same Python: byte code is made slowly")
        yield None
        return
    layer = base.installed(own, here, epoch, cache, mirror)
    with tempfile.TemporaryDirectory(prefix="ramal-python-", dir=cache) as scratch:
        folder = Path(scratch)
        tools.run("tar", "--extract", "--file", layer, "--directory", folder, "--wildcards", *_RUNNER)
        for name in ("dev/shm", "tmp"):  # what two processes of Python meet by
            (folder / name).mkdir(parents=True)
        yield folder


def _equal(some: Sequence[Deb], others: Sequence[Deb]) -> bool:
    return all(debs.version_of(some, name) == debs.version_of(others, name) for name in MAKERS)


def _abroad(root: Path, runner: Path) -> None:
    """Copy the files to the runner, compile them as if they lay in their own places, and take the byte code back."""
    for name in TREES:
        target = runner / "target" / name
        target.parent.mkdir(parents=True)
        tools.run("cp", "-a", root / name, target)
    _run(runner, "/target", TREES)
    for name in TREES:
        for folder in sorted((runner / "target" / name).glob("**/__pycache__")):
            shutil.copytree(folder, root / folder.relative_to(runner / "target"))


def _run(where: Path, below: str, trees: Sequence[str]) -> None:
    words = ["-q", "-j", "2", "--invalidation-mode", "unchecked-hash", "-x", "/bad_|badsyntax|lib2to3/tests"]
    if below:
        words += ["-s", below, "-p", "/"]
    tools.run("chroot", where, f"/usr/bin/python{PYTHON}", "-I", "-m", "compileall", *words,
              *(f"{below}/{name}" for name in trees),
              env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""})  # fmt: skip
