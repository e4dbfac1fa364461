"""``python -m ramal.box.safe check | good | prepare``: safe mode on the box's files. The rules are in ``core.safe``.

``check`` runs as root, very early at every start, before anything heavy is imported; ``good`` when the start has been
seen to be one; ``prepare`` as the user ``ramal``, in safe mode only, before Asterisk. Law: whatever cannot be read or
written here leaves the box starting as usual.
"""

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ramal.box.home import Home, default_home, write_whole


@dataclass(frozen=True, slots=True)
class Places:
    """``mark`` is there in safe mode, and holds Asterisk's files of it."""

    count: Path = Path("/data/system/failed-boots/count")
    fallback: Path = Path("/data/system/fallback-phone")
    """The extension that gets the calls of safe mode, when somebody named one."""
    mark: Path = Path("/run/ramal-safe")

    @property
    def etc(self) -> Path:
        return self.mark / "etc"


def check(places: Places, owner: Path) -> str:
    """Count this start; a sentence when it is a safe one, else "". ``owner``: whose folder the mark is like."""
    from ramal.core.safe import begin

    start = begin(_count(places))
    _keep(places, start.count)
    if not start.safe:
        return ""
    places.mark.mkdir(mode=0o755, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        whose = owner.stat()
        os.chown(places.mark, whose.st_uid, whose.st_gid)
    return (
        "This box starts in safe mode: its last starts did not come up. Calls go to one phone, the page is there, ssh "
        "is not. The next start is a usual one again."
    )


def good(places: Places, home: Home) -> bool:
    """Whether the box came up, by its daemon and its Asterisk; then the count is forgotten."""
    from ramal.control.client import Control
    from ramal.core import safe
    from ramal.errors import RamalError

    is_safe = places.mark.is_dir()
    if not is_safe:
        try:
            if not Control(home.control_sock).ask("live", 5.0).get("asterisk", {}).get("up"):
                return False
        except RamalError:
            return False
    before = _count(places) or 0
    after = safe.good(is_safe, before)
    if after != before:
        _keep(places, after)
    return True


def prepare(places: Places, home: Home) -> str:
    """Asterisk's files for safe mode, of the last generation when nothing is better; in a sentence what they are."""
    os.umask(0o027)
    first = importlib.import_module("ramal.box.first")
    with contextlib.suppress(Exception):
        first.lay_run(home, first.RUN)
        home.safe_mode.touch()  # for the page
    try:
        return _reduced(places, home)
    except Exception as error:  # whatever is at fault in this home is why we are here
        places.etc.mkdir(parents=True, exist_ok=True)
        current = places.etc / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(home.asterisk_etc)
        return f"Asterisk starts with the files it had last ({error})."


def _reduced(places: Places, home: Home) -> str:
    from dataclasses import replace

    from ramal.asterisk.apply import apply
    from ramal.asterisk.render import render
    from ramal.box import asterisk, first
    from ramal.box.firewall import office_of
    from ramal.box.home import SettingsRefused
    from ramal.core.safe import reduced
    from ramal.errors import RamalError
    from ramal.provide import peers

    before = office_of(home)
    office = None if before is None else reduced(before, _text(places.fallback))
    if office is None:
        raise RamalError("there is no office with a phone to be read")
    try:
        settings = home.settings()
    except SettingsRefused:
        settings = first.LAN
    box = asterisk.box_of(home, settings, peers())
    box = replace(box, etc=str(places.etc / "current"), custom=str(places.etc / "custom"))
    apply(render(office, box), places.etc, None)
    to = office.numbers[0].to if office.numbers else "nobody: the office has no number"
    return f"Every call goes to {to}."


def _count(places: Places) -> int | None:
    text = _text(places.count)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")[:40].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _keep(places: Places, count: int) -> None:
    with contextlib.suppress(OSError):  # a disk that refuses must not keep the box from starting
        places.count.parent.mkdir(parents=True, exist_ok=True)
        write_whole(places.count, f"{count}\n", 0o644)


def main(words: list[str]) -> int:
    """One of the three; 2 for anything else."""
    places, home = Places(), default_home()
    match words:
        case ["check"]:
            told = check(places, home.root)
        case ["good"]:
            return 0 if good(places, home) else 1
        case ["prepare"]:
            told = prepare(places, home)
        case _:
            print("usage: python -m ramal.box.safe check | good | prepare", file=sys.stderr)
            return 2
    if told:
        print(f"ramal: {told}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
