"""The checkout's .venv, made from a lock file: exact versions, checked by hash, ready-made wheels only.

Law: .venv is right exactly when its stamp says so. The stamp is taken away before the first change and written after
the last, so an interrupted set-up is seen by the next one, which starts over.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide import lock
from ramal.provide.host import tied
from ramal.provide.say import Progress, say
from ramal.provide.turn import turn

_STAMP = ".ramal-stamp.json"
_BUILDING = ".ramal-building"
# Also when we run in an activated .venv, a new one is made from the Python below it.
_BASE: str = getattr(sys, "_base_executable", sys.executable)
# What of pip's environment would put the packages elsewhere. Where they come from stays the machine's own choice.
_ELSEWHERE = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_NO_BINARY", "PIP_DRY_RUN", "PIP_REQUIREMENT")


class VenvError(RamalError):
    """.venv could not be made."""


def provide(checkout: Path, lock_file: Path = lock.RUN) -> Path:
    """Make ``checkout``/.venv hold what ``lock_file`` (a path in the checkout) says; the venv's python."""
    home = checkout / ".venv"
    python = home / "bin/python"
    expected = _stamp(checkout, lock_file)
    if _satisfied(home, expected):
        return python
    with turn(checkout / ".venv.lock", "is making .venv"):
        if _satisfied(home, expected):
            return python
        _make(checkout, home, lock_file, expected)
    return python


def _make(checkout: Path, home: Path, lock_file: Path, expected: Mapping[str, str]) -> None:
    old = _read(home)
    python = home / "bin/python"
    if (home / _BUILDING).exists():
        say(".venv is half made (an earlier run was interrupted); making it anew")
        shutil.rmtree(home)
    elif home.exists() and _version(python) != expected["python"]:
        say(f".venv is made for another Python; making it anew for {expected['python']}")
        shutil.rmtree(home)
    if not home.exists():
        say(f"making .venv with Python {expected['python']}")
        home.mkdir()
        (home / _BUILDING).touch()
        _run([_BASE, "-m", "venv", str(home)], "python3 -m venv could not make .venv")
    (home / _BUILDING).touch()
    (home / _STAMP).unlink(missing_ok=True)
    progress = Progress(f"installing the Python packages of {lock_file}, checked by hash")
    count = sum(line[:1].isalnum() for line in (checkout / lock_file).read_text().splitlines())
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--only-binary", ":all:"]
    pip += ["--progress-bar", "off"]
    words = [*pip, "--require-hashes", "-r", str(checkout / lock_file)]
    _run(words, "pip could not install the locked packages", lambda seen: progress.at(100 * seen / count))
    progress.done()
    say("installing the project itself, editable")
    # Without isolation: the build tools are in the lock, so this downloads nothing.
    itself = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    _run([*itself, "--no-build-isolation", "-e", str(checkout)], "pip could not install the project itself")
    # The run-time lock is part of the dev lock, so what an earlier stamp says of the same files stays true.
    kept = {key: value for key, value in old.items() if expected.get(key, value) == value}
    unfinished = home / (_STAMP + ".new")
    unfinished.write_text(json.dumps({**kept, **expected}, indent=1) + "\n")
    unfinished.rename(home / _STAMP)
    (home / _BUILDING).unlink()


def _stamp(checkout: Path, lock_file: Path) -> dict[str, str]:
    files = {lock_file, Path("pyproject.toml")} | ({lock.RUN} if lock_file == lock.DEV else set())
    if not (checkout / lock_file).exists():
        raise lock.LockError(
            f"{lock_file} is missing in {checkout}. Get it back with git, or write it with `make lock`."
        )
    hashes = {str(name): hashlib.sha256((checkout / name).read_bytes()).hexdigest() for name in files}
    # The path: an editable install and the scripts' first lines hold it, so a moved checkout needs a new .venv.
    return {**hashes, "python": _version(Path(sys.executable)), "checkout": str(checkout)}


def _satisfied(home: Path, expected: Mapping[str, str]) -> bool:
    found = _read(home)
    whole = not (home / _BUILDING).exists() and (home / "bin/python").exists()
    return whole and all(found.get(key) == value for key, value in expected.items())


def _read(home: Path) -> dict[str, str]:
    try:
        return {str(key): str(value) for key, value in json.loads((home / _STAMP).read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _version(python: Path) -> str:
    if str(python) == sys.executable:
        return "{}.{}.{}".format(*sys.version_info[:3])
    ask = "import sys; print('{}.{}.{}'.format(*sys.version_info[:3]))"
    try:
        return subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def _run(command: list[str], failed: str, collected: Callable[[int], None] = lambda seen: None) -> None:
    """Run it silently, telling ``collected`` how many packages pip has begun with; show its words when it fails."""
    environment = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE and key != "PYTHONPATH"}
    printed, seen = [], 0
    with subprocess.Popen(
        tied(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            printed.append(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied")):
                seen += 1
                collected(seen)
    if running.returncode != 0:
        raise VenvError(
            f"{failed}:\n{''.join(printed[-25:]).strip()}\nNothing outside .venv was changed. "
            "When the network is back (or the disk has room), run this again."
        )
