"""Looking through database files for a person, in a process of its own: ``python -m ramal.ops.looking``.

Law: no process that has a database open may open its file a second time: closing that drops SQLite's locks on it (they
are the process's, not the descriptor's), and another process then takes the write-ahead log away under its feet. That
was seen: SIGBUS. The person comes by standard input, so that no list of processes shows it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ramal.core.privacy import Identity, Mask
from ramal.errors import RamalError
from ramal.store import erase


def count(paths: Sequence[Path], who: Identity, put: str, names: Sequence[str]) -> dict[Path, int]:
    """How many places in each of these files have something of the person; those that have none are left out."""
    told = json.dumps({"who": asdict(who), "put": put, "names": names, "paths": [str(path) for path in paths]})
    done = subprocess.run(
        [sys.executable, "-m", "ramal.ops.looking"], input=told.encode(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RamalError(
            f"The database's files could not be looked through ({done.stderr[-300:]!r}). It is tried again."
        )
    return {Path(path): int(number) for path, number in json.loads(done.stdout).items()}


def main() -> None:
    """Read whom to look for, print what was found."""
    told = json.load(sys.stdin)
    who = Identity(**{**told["who"], "names": tuple(told["who"]["names"])})
    mask = Mask(who, told["put"], told["names"])
    found = {}
    for path in map(Path, told["paths"]):
        try:
            number = len(erase.scan_file(path, mask)) if path.is_file() else 0
        except FileNotFoundError:
            continue
        if number:
            found[str(path)] = number
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
