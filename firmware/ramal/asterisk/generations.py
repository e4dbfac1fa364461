"""Asterisk's files on the disk: whole generations, and one link that says which is in force.

Law: whatever moment the power goes, ``current`` leads to a complete generation. Layout of ``etc``::

    generations/0007/…   never changed once it has its name
    current              link; what Asterisk reads at its next start or reload
    loaded               link; what the running Asterisk was last seen to hold; absent while that is unknown
    custom/              people's own files, included by the generated ones, never touched here

Thread: any, one at a time (``lock`` sees to it, also between processes).
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

KEEP = 5


class Busy(Exception):
    """Somebody else is changing the generations."""


class Disk:
    """The writing steps, one by one, so that a test can cut the power between any two of them."""

    def folder(self, path: Path) -> None:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)

    def file(self, path: Path, text: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def sync(self, folder: Path) -> None:
        """Make the names in ``folder`` last; a file's own fsync does not."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def link(self, path: Path, target: str) -> None:
        path.symlink_to(target)

    def remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class Generations:
    """The generations under ``etc``. Errors: OSError of the disk."""

    def __init__(self, etc: Path, disk: Disk | None = None) -> None:
        self.etc = etc
        self._disk = disk or Disk()
        self._folder = etc / "generations"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to change; Busy when another holds it. What a crash left behind is swept first."""
        self._disk.folder(self._folder)
        self._disk.folder(self.etc / "custom")
        descriptor = os.open(self.etc / ".lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy from None
            for rest in [*self._folder.glob(".*"), *self.etc.glob(".link-*")]:
                self._disk.remove(rest)
            yield
        finally:
            os.close(descriptor)

    @property
    def current(self) -> str | None:
        """The name of the generation in force, ``0007``."""
        return self._named("current")

    @property
    def loaded(self) -> str | None:
        """The name of the generation that the running Asterisk was last seen to hold."""
        return self._named("loaded")

    def read(self, name: str | None) -> dict[str, str]:
        """The files of a generation; none of a generation that is not there."""
        if name is None:
            return {}
        root = self._folder / name
        return {
            path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    def write(self, files: Mapping[str, str]) -> str:
        """A new generation of ``files``, complete and lasting; returns its name. ``current`` stays."""
        numbers = [int(path.name) for path in self._folder.iterdir() if path.name.isdecimal()]
        name = f"{max(numbers, default=0) + 1:04}"
        root = self._folder / f".new-{name}"
        self._disk.folder(root)
        folders = {root}
        for file, text in files.items():
            parts = PurePosixPath(file)
            if parts.is_absolute() or ".." in parts.parts or not parts.name:
                raise ValueError(f"not a file of a generation: {file!r}")
            path = root / parts
            self._disk.folder(path.parent)
            folders |= {path.parent, *(above for above in path.parents if above.is_relative_to(root))}
            self._disk.file(path, text)
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            self._disk.sync(folder)
        self._disk.rename(root, self._folder / name)
        self._disk.sync(self._folder)
        return name

    def point(self, link: str, name: str) -> None:
        """Let ``current`` or ``loaded`` lead to a generation, in one step."""
        temporary = self.etc / f".link-{link}"
        self._disk.remove(temporary)
        self._disk.link(temporary, f"generations/{name}")
        self._disk.rename(temporary, self.etc / link)
        self._disk.sync(self.etc)

    def forget_loaded(self) -> None:
        """From here on it is unknown what Asterisk holds."""
        self._disk.remove(self.etc / "loaded")
        self._disk.sync(self.etc)

    def prune(self) -> None:
        """Remove all but the last few generations and those that a link leads to."""
        names = sorted((path.name for path in self._folder.iterdir() if path.name.isdecimal()), key=int)
        for name in names[:-KEEP]:
            if name not in (self.current, self.loaded):
                self._disk.rename(self._folder / name, self._folder / f".old-{name}")
                self._disk.remove(self._folder / f".old-{name}")

    def _named(self, link: str) -> str | None:
        try:
            target = PurePosixPath(os.readlink(self.etc / link))
        except OSError:
            return None
        there = target.parent.as_posix() == "generations" and (self._folder / target.name).is_dir()
        return target.name if there else None
