"""``python3 -m ramal.provide run|test|check|bench|peers|lock|image…``: set up what that needs, then become it.

Settings come as environment variables, as make passes them on (OFFICE, LAN, RAMAL_HOME, TESTS, BENCH; of the image
ARCH, MIRROR, RELEASE, QUICK, PROOFS), so that no shell ever splits a file name.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from ramal.errors import RamalError
from ramal.provide import archive, host, lock, prefix, suite, venv

CHECKOUT = Path(__file__).resolve().parents[3]


def main(words: Sequence[str]) -> int:
    """Run one of the commands; 0 or an exit code. Every RamalError is one sentence on standard error."""
    command = COMMANDS.get(words[0]) if len(words) == 1 else None
    if command is None:
        print(f"usage: python3 -m ramal.provide {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return command()
    except RamalError as error:
        print(f"ramal: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(
            f"ramal: {error.strerror or error}{where}. Nothing half made is used. "
            "Put that right (is this checkout yours, is the disk full?) and run this again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nramal: interrupted; run it again and it goes on from here", file=sys.stderr)
        return 130


def run() -> NoReturn:
    """The box: set up, then become ``ramal up``."""
    host.provide(host.RUN_NEEDS)
    python = _project(lock.RUN)
    prefix.provide()
    _become(python, "-m", "ramal", "up", *up_flags(os.environ))


def up_flags(settings: Mapping[str, str]) -> list[str]:
    """What make's variables mean to ``ramal up``."""
    office = ["--office", settings["OFFICE"]] if settings.get("OFFICE") else []
    return [*office, *(["--lan"] if settings.get("LAN", "0") not in ("", "0") else [])]


TESTS_AT_ONCE = 4

BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")
"""Tests of a file share a box, so they stay together; the long files come first (tests/conftest.py)."""


def test() -> int:
    """Everything: the checks, then the tests named by TESTS (by default all, side by side: most of their time is
    waiting for real calls)."""
    host.provide(host.TEST_NEEDS)
    python = _project(lock.DEV)
    prefix.provide()
    failed = _checks(python)
    chosen = shlex.split(os.environ.get("TESTS", ""))
    if failed or chosen:
        return failed or _become(python, "-m", "pytest", *chosen)
    return suite.run(python, CHECKOUT, ["-n", str(TESTS_AT_ONCE), *BY_FILE], _environment())


def check() -> int:
    """Lint, format, types and layers; no peers needed."""
    host.provide(tuple(need for need in host.TEST_NEEDS if need.package != "chromium"))
    return _checks(_project(lock.DEV))


def bench() -> NoReturn:
    """The benchmark, with what BENCH adds to its command line."""
    host.provide(host.RUN_NEEDS)
    python = _project(lock.DEV)
    prefix.provide()
    _become(python, "-m", "tests.bench", *shlex.split(os.environ.get("BENCH", "")))


def peers() -> int:
    """Only the peers: for a machine that has the Python packages already."""
    host.provide(host.RUN_NEEDS)
    print(prefix.provide())
    return 0


def write_locks() -> int:
    """The lock files, anew."""
    host.provide(host.RUN_NEEDS)
    lock.write(CHECKOUT)
    return 0


def image() -> NoReturn:
    """The flashable image (image/README.md)."""
    _image("build")


def image_lock() -> NoReturn:
    """The image's Debian packages, chosen anew."""
    _image("lock")


def image_same() -> NoReturn:
    """The image twice, compared."""
    _image("same")


def image_test() -> NoReturn:
    """The image, built and proved in QEMU with phones and callers outside it."""
    _image("test")


def image_words(settings: Mapping[str, str]) -> list[str]:
    """What make's variables mean to ``ramal_image``."""
    names = (
        *(("ARCH", "--arch"), ("MIRROR", "--mirror"), ("RELEASE", "--release")),
        *(("PROOFS", "--only"), ("BUILT", "--image")),
    )
    words = [word for name, flag in names if settings.get(name) for word in (flag, settings[name])]
    flags = (("QUICK", "--quick"), ("ANEW", "--anew"))
    return [*words, *(flag for name, flag in flags if settings.get(name, "0") not in ("", "0"))]


def _image(command: str) -> NoReturn:
    arch = os.environ.get("ARCH") or archive.architecture()
    proves = command == "test"
    host.provide((*host.RUN_NEEDS, *host.IMAGE_NEEDS, *host.needs_of(arch, proofs=proves)))
    python = _project(lock.DEV)
    if proves:
        prefix.provide()
    folders = os.pathsep.join(str(CHECKOUT / name) for name in ("firmware", "image"))
    _become(python, "-m", "ramal_image", command, *image_words(os.environ), PYTHONPATH=folders)


COMMANDS: Mapping[str, Callable[[], int]] = {
    "run": run,
    "test": test,
    "check": check,
    "bench": bench,
    "peers": peers,
    "lock": write_locks,
    "image": image,
    "image-lock": image_lock,
    "image-same": image_same,
    "image-test": image_test,
}


def _project(lock_file: Path) -> Path:
    python = venv.provide(CHECKOUT, lock_file)
    _catalogs(python)
    return python


def _catalogs(python: Path) -> None:
    web = CHECKOUT / "web/ramal_web"
    stale = [po for po in web.glob("translations/**/*.po") if _older(po.with_suffix(".mo"), po)]
    if stale and (web / "catalogs.py").exists():
        # The package imports this module before it runs, which runpy would warn about.
        words = [str(python), "-W", "ignore::RuntimeWarning", "-m", "ramal_web.catalogs"]
        done = subprocess.run(words, cwd=CHECKOUT, env=_environment())
        if done.returncode != 0:
            raise venv.VenvError("The translations could not be compiled; the reason is above.")


def _older(made: Path, source: Path) -> bool:
    return not made.exists() or made.stat().st_mtime < source.stat().st_mtime


def _checks(python: Path) -> int:
    """Run them all, so that one look shows everything; non-zero when any of them failed."""
    tool, codes = [str(python), "-m"], []
    for words in (
        [*tool, "ruff", "check", "."],
        [*tool, "ruff", "format", "--check", "."],
        [*tool, "mypy"],
        [*tool, "pytest", "tests/test_layering.py"],
    ):
        print(f"ramal: {' '.join(words[2:])}", flush=True)
        codes.append(subprocess.run(words, cwd=CHECKOUT, env=_environment()).returncode)
    return max(codes, default=0, key=abs)


def _become(python: Path, *words: str, **more: str) -> NoReturn:
    """Replace this process, so that Ctrl-C and the exit code are the program's own."""
    os.chdir(CHECKOUT)
    sys.stdout.flush()
    os.execve(python, [str(python), *words], {**_environment(), **more})


def _environment() -> dict[str, str]:
    # PYTHONPATH=firmware was for the time before .venv; the editable install knows the folders.
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
