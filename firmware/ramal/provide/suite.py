"""The whole suite, and a second look, alone, at the few tests that failed in the crowd.

Law: a test that fails alone fails. Four workers with a real Asterisk each on two shared processors now and then starve
one call of some seconds; what failed there is run once more with the machine to itself, in its whole file: the tests of
a file may be one story, in which an earlier one starts what a later one needs. What passes then is named, loudly and in
``build/unsteady.txt``, for it is to be mended; more than ``LIMIT`` failures are no bad luck and get no second look.
Runs in the process that make starts.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LIMIT = 6
"""Tests that may be looked at once more."""

TESTS_FAILED = 1
"""pytest's exit code for "tests were run and some failed"; any other (interrupted, wrong usage) is no bad luck."""

UNSTEADY = Path("build/unsteady.txt")


def run(python: Path, folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run pytest with ``words`` in ``folder``, and once more what failed; pytest's exit code of the last run."""
    cache = folder / "build/pytest-cache"
    pytest = [str(python), "-m", "pytest", "-o", f"cache_dir={cache}"]
    code = subprocess.run([*pytest, "--cache-clear", *words], cwd=folder, env=environment).returncode
    failed = _failed(cache) if code == TESTS_FAILED else ()
    (folder / UNSTEADY).unlink(missing_ok=True)
    if not 0 < len(failed) <= LIMIT:
        return code
    print(f"\nramal: {len(failed)} failed while tests ran side by side; their files once more, alone:", flush=True)
    files = dict.fromkeys(name.partition("::")[0] for name in failed)
    code = subprocess.run([*pytest, *files], cwd=folder, env=environment).returncode
    if code == 0:
        (folder / UNSTEADY).write_text("".join(f"{name}\n" for name in failed))
        print(
            "ramal: passed alone, but not in the crowd. Unsteady, to be mended:\n  " + "\n  ".join(failed), flush=True
        )
    return code


def _failed(cache: Path) -> tuple[str, ...]:
    kept = cache / "v/cache/lastfailed"
    return tuple(sorted(json.loads(kept.read_text()))) if kept.exists() else ()
