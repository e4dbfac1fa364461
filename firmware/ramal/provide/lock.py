"""The lock files: every Python package with its version and the hashes of its files, for all machines Ramal runs on.

``make lock`` writes them anew from pyproject.toml with the newest fitting versions. They name no index: the machine's
own pip configuration says where to download, the hashes say what may come from there.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ramal.errors import RamalError
from ramal.provide.say import say

RUN = Path("firmware/requirements.lock")
DEV = Path("firmware/requirements-dev.lock")
_HERE = "sys_platform == 'linux' and platform_python_implementation == 'CPython'"
_UV = "uv>=0.9,<1"


class LockError(RamalError):
    """A lock file is missing or could not be written."""


def write(checkout: Path) -> None:
    """Resolve pyproject.toml into both lock files, with a uv in a scratch venv that is thrown away."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    # The editable install of the project builds without isolation, so its build tools are locked too.
    run = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    with tempfile.TemporaryDirectory(prefix="ramal-lock-") as scratch:
        uv = _uv(Path(scratch))
        _compile(uv, run, checkout / RUN, ())
        # Constrained by the first, so that both install the same versions of what they share.
        _compile(
            uv, [*run, *project["dependency-groups"]["dev"]], checkout / DEV, ("--constraint", str(checkout / RUN))
        )


def _uv(scratch: Path) -> Path:
    say(f"fetching {_UV} into a scratch folder")
    subprocess.run([sys.executable, "-m", "venv", scratch / "venv"], check=True)
    done = subprocess.run([scratch / "venv/bin/python", "-m", "pip", "install", "-q", "--only-binary", ":all:", _UV])
    if done.returncode != 0:
        raise LockError("pip could not fetch uv; its own words are above. The lock files are as they were.")
    return scratch / "venv/bin/uv"


def _compile(uv: Path, requirements: list[str], lock: Path, more: tuple[str, ...]) -> None:
    say(f"resolving {lock.name}")
    with tempfile.TemporaryDirectory(prefix="ramal-lock-") as folder:
        # A project of its own, because only a project may tell uv to leave out what CPython on Linux never installs.
        wishes = Path(folder, "pyproject.toml")
        wishes.write_text(
            '[project]\nname = "ramal-lock"\nversion = "0"\nrequires-python = ">=3.11"\n'
            f'dependencies = {json.dumps(requirements)}\n[tool.uv]\nenvironments = ["{_HERE}"]\n'
        )
        command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
        command += ["--only-binary", ":all:", "--no-header", "--no-annotate", "--no-emit-index-url", "--upgrade"]
        done = subprocess.run(
            [*command, *more, "pyproject.toml"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
        )
    if done.returncode != 0:
        raise LockError(f"uv found no set of versions for {lock.name}; its own words are above. The file is as it was.")
    text = (
        "# Written by `make lock` from pyproject.toml; do not edit. Installed with --require-hashes.\n"
        f"# For Python 3.11 and newer on Linux, amd64 and arm64.\n{done.stdout}"
    )
    lock.write_text(text)
