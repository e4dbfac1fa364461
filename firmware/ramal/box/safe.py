"""``python -m ramal.box.safe check | good | prepare``: safe mode on the box's files. The rules are in ``core.safe``.

``check`` (on a box ``box.early`` itself, which imports less) as root, very early; ``good`` when the start has been seen
to be one; ``prepare`` as the user ``ramal``, in safe mode only, before Asterisk. Law: whatever cannot be read or
written here leaves the box starting as usual.
"""

import contextlib
import importlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ramal.box import early
from ramal.box.home import Home, default_home


@dataclass(frozen=True, slots=True)
class Places:
    """``mark`` is there in safe mode, and holds Asterisk's files of it."""

    count: Path = Path("/data/system/failed-boots/count")
    mark: Path = Path(early.MARK)

    @property
    def etc(self) -> Path:
        return self.mark / "etc"

    @property
    def no_data(self) -> Path:
        """There when the data partition cannot be used; the home is an empty one in memory then."""
        return self.mark / early.NO_DATA


def check(places: Places, owner: Path) -> str:
    """Count this start; a sentence when it is a safe one, else "". ``owner``: whose folder the mark is like."""
    return early.check(str(places.count), str(places.mark), str(owner))


def good(places: Places, home: Home) -> bool:
    """Whether the box came up, by its daemon and its Asterisk; then the count is forgotten."""
    from ramal.control.client import Control
    from ramal.core import starts
    from ramal.errors import RamalError

    is_safe = places.mark.is_dir()
    if not is_safe:
        try:
            if not Control(home.control_sock).ask("live", 5.0).get("asterisk", {}).get("up"):
                return False
        except RamalError:
            return False
    before = early.read(str(places.count)) or 0
    after = starts.good(is_safe, before)
    if after != before:
        early.keep(str(places.count), after)
    return True


def prepare(places: Places, home: Home) -> str:
    """Asterisk's files for safe mode, of the last generation when nothing is better; in a sentence what they are."""
    os.umask(0o027)
    first = importlib.import_module("ramal.box.first")
    no_data = places.no_data.exists()
    if no_data:
        with contextlib.suppress(Exception):  # nobody prepares a home in safe mode; the page needs one
            first.run(home)
    with contextlib.suppress(Exception):
        first.lay_run(home, first.RUN)
        home.safe_mode.write_text(early.NO_DATA if no_data else "", encoding="ascii")  # for the page
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
    office = None if before is None else reduced(before)
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
