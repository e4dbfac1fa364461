"""The releases that the proof of updates installs: the next one, and two that must not stay. Signed as any release.

All three are one build of a copy of this checkout whose database has one migration more; the bad ones are its root
behind another command line, and its root without the one file of Asterisk that the call of the health check needs.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ramal_image import ImageError, build, bundle, disk, tools
from ramal_image.build import Built, Wanted

MIGRATION = "0005 proof of the image"
LEFT_OUT = "usr/lib/*/asterisk/modules/app_echo.so"
NEVER = "ramal.init=/usr/bin/false"
_LAST = "    return migrations\n"
_MORE = f"""\
    @migrations(name="{MIGRATION}")
    def fifth(database: "Database") -> None:
        database.execute("CREATE TABLE proof_of_the_image (id INTEGER PRIMARY KEY) STRICT")

"""


def provide(want: Wanted, since_s: float, folder: Path) -> Mapping[str, str]:
    """The bundles ``good``, ``never-starts`` and ``no-call`` in ``folder``, by their file names; made once for an image
    of the time ``since_s``."""
    note = folder / "made.json"
    if note.exists() and note.stat().st_mtime > since_s:
        found: dict[str, str] = json.loads(note.read_text())
        return found
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = _make(want, folder / "work", folder)
    note.write_text(json.dumps(made))
    return made


def _make(want: Wanted, work: Path, folder: Path) -> Mapping[str, str]:
    following = replace(want, version=f"{want.version}.1", quick=True, checkout=_checkout(want.checkout, work / "tree"))
    built = build.build(following, work / "built")
    made = build.bundled(following, built)
    os.link(made, folder / made.name)
    bundles = {
        "good": made.name,
        "never-starts": _never_starts(following, built, folder),
        "no-call": _no_call(following, built, work / "root", folder),
    }
    shutil.rmtree(work)
    return bundles


def _checkout(source: Path, target: Path) -> Path:
    """This checkout as it is, with one migration more."""
    for name in ("firmware", "web", "hw", "systemd", "image"):
        shutil.copytree(source / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (path for path in source.iterdir() if path.is_file() and path.name != ".git"):
        shutil.copy2(file, target / file.name)
    tools.run("git", "init", "-q", target)  # the build asks it what belongs to the product
    migrations = target / "firmware/ramal/store/migrations.py"
    text = migrations.read_text()
    head, found, tail = text.rpartition(_LAST) if text.count(_LAST) == 1 else ("", "", "")
    if not found:
        raise ImageError("store/migrations.py is not written as the proof of updates expects it.")
    migrations.write_text(head + _MORE + found + tail)
    return target


def _never_starts(want: Wanted, built: Built, folder: Path) -> str:
    boot, line = folder / "boot.vfat", folder / "cmdline.txt"
    shutil.copyfile(built.boot, boot)
    line.write_text(f"{build.command_line(want.arch, 'A')} {NEVER}\n")
    tools.run("mcopy", "-o", "-i", boot, line, "::cmdline.txt", env={"MTOOLS_SKIP_CHECK": "1"})
    version = f"{want.version}-never-starts"
    made = bundle.make_bundle(want.arch, version, boot, built.root, build.keys(), folder / "never-starts.raucb")
    boot.unlink()
    line.unlink()
    return made.name


def _no_call(want: Wanted, built: Built, root: Path, folder: Path) -> str:
    tools.run("unsquashfs", "-q", "-n", "-d", root, built.root)
    found = list(root.glob(LEFT_OUT))
    if not found:
        raise ImageError(f"The root has no {LEFT_OUT}, which the release without calls is to lack.")
    for file in found:
        file.unlink()
    squash = folder / "no-call.squashfs"
    disk.squashfs(root, squash, want.epoch, 3)
    shutil.rmtree(root)
    version = f"{want.version}-no-call"
    made = bundle.make_bundle(want.arch, version, built.boot, squash, build.keys(), folder / "no-call.raucb")
    squash.unlink()
    return made.name
