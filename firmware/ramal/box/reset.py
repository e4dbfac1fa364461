"""``ramal reset owner | network | factory``: what a person can take back, up to the box as it came.

``owner`` and ``network`` act at once, in the command's process. ``factory`` only writes down what is wanted; the next
start carries it out before anything else runs (``ramal-reset.service``, as root), because nothing may hold the files
then. Law: **recordings under a legal hold survive a factory reset** with their keys, their calls and their seals,
unless it was asked for twice; and when nobody can tell what is held, nothing is removed. A power cut at any instant
only means that the rest is done at the next start: what is wanted is forgotten last. So does whatever stops it
half-way, for ``STARTS_MAX`` starts: then the box starts without being kept waiting. Nothing in the home can make it
fail: root takes things away in one step each (``box.graves``) and leaves the database to the home's user
(``box.as_owner``). Homes from before a restore go, too.
"""

import json
import logging
import os
import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ramal.box import claim
from ramal.box.as_owner import OwnerSilent, as_owner
from ramal.box.graves import bury, empty, grave_of
from ramal.box.home import Home, write_whole
from ramal.box.network import Network
from ramal.box.prepare import hashed
from ramal.control.client import Control, DaemonDown
from ramal.errors import RamalError
from ramal.store import only_held
from ramal.store.db import open_writer, transaction
from ramal.vault import removal
from ramal.writer_lock import only_writer

log = logging.getLogger(__name__)

OWN_KEYS = "recordings.key"
ASK_S = 15.0
STARTS_MAX = 3
"""So many starts try to finish a reset: each may take twenty minutes in which nobody can call (``as_owner``)."""
_WISH_MAX = 10_000
_DEEPEST = 16
"""Names in the path of a recording, below the home."""


class ResetRefused(RamalError):
    """Nothing was removed."""


class ResetUnfinished(RamalError):
    """It stopped half-way: recordings that are not held may be gone."""


@dataclass(frozen=True, slots=True)
class Places:
    """What a box has beside its home. The slots' state is the updates', and stays."""

    system: Path = Path("/data/system")
    backups: Path = Path("/data/backups")

    @property
    def wanted(self) -> Path:
        return self.system / "reset.json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A factory reset that was asked for; ``also_held``: what is under a hold goes too; ``starts`` have begun it."""

    also_held: bool = False
    starts: int = 0


def run(home: Home, kind: str, also_held: int, sure: bool, places: Places | None = None) -> int:
    """One act of the command line; ``also_held``: how often that was asked. RamalError."""
    where = places or Places()
    match kind:
        case "owner":
            print(owner(home))
        case "network":
            print(network(Network()))
        case "factory":
            print(ask(home, where, also_held, sure))
            (where.system / "network.toml").unlink(missing_ok=True)  # its unit reads it before the reset is carried out
            _restart()
        case "carry-out":
            for sentence in carry_out(home, where):
                print(sentence)
    return 0


def owner(home: Home) -> str:
    """Let the box be claimed anew: the owner's password and sessions are worth nothing from now on."""
    code = claim.new_code()
    try:
        # The file first: a password whose code nobody knows would close the box for good.
        write_whole(home.claim, f"{code}\n", 0o640)
        Control(home.control_sock).ask("users.reset", ASK_S, name="owner", hash=hashed(code), who="box")
        claim.tell_console(home, code)
    except DaemonDown:
        code = str(as_owner(home, lambda: claim.anew(home)))
    except RamalError:
        home.claim.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise ResetRefused(
            f"The new code cannot be kept ({error.strerror or error}). Run the command as root."
        ) from error
    return f"The owner's password is worth nothing any more. Claim the box anew in the page with the code {code}"


def network(box: Network) -> str:
    """Return to DHCP, for good: there is nobody to confirm it to."""
    for path in (box.places.trial, box.places.kept):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ResetRefused(f"{path} cannot be removed ({error.strerror}). Run the command as root.") from error
    told = box.boot()
    box.reload()
    return told or "The box asks for its address by DHCP again, without a VLAN."


def ask(home: Home, places: Places, also_held: int, sure: bool) -> str:
    """Write down that a factory reset is wanted. ResetRefused with what has to be known first."""
    if not sure:
        raise ResetRefused(
            "A factory reset removes the office, all calls, recordings and backups of this box, for good. Recordings "
            f"under a legal hold stay. {_RELEASE} Nothing was changed. If that is wanted: ramal reset factory --sure"
        )
    count = as_owner(home, lambda: _held_count(home))
    if also_held == 1 and count != 0:
        many = f"{count} calls are" if count is not None else "Nobody can tell how many calls are"
        raise ResetRefused(
            f"{many} under a legal hold, and removing their recordings may be against the law. Nothing was changed. "
            f"{_RELEASE} Or, if it must be, say it twice: {_TWICE}"
        )
    if count is None and not also_held:
        raise ResetRefused(_UNKNOWN)
    try:
        places.system.mkdir(parents=True, exist_ok=True)
        _write_down(places, Wanted(also_held=also_held > 1))
    except OSError as error:
        raise ResetRefused(f"Nothing was changed: {error.strerror or error}. Run the command as root.") from error
    kept = f" {count} calls under a hold stay." if count and also_held < 2 else ""
    return f"The box starts anew now and is then as it came.{kept}"


def carry_out(home: Home, places: Places) -> list[str]:
    """Do what was asked for, if anything was; sentences for the journal. At the start, before anything uses the home.
    ResetRefused leaves the home as it is, and the wish goes, so that the box starts. ResetUnfinished leaves the wish,
    and the next start goes on, unless it was tried often enough."""
    wanted = _wanted(places)
    if wanted is None:
        return []
    kept = frozenset() if wanted.also_held else _kept(home, _named(home, places, wanted))
    grave = grave_of(home.root)
    _sweep(home, kept, grave)
    for path in (places.system / "network.toml", places.system / "first-boot"):
        path.unlink(missing_ok=True)
    for folder in (places.system / "ssh", places.system / "failed-boots", places.system / "journal"):
        shutil.rmtree(folder, ignore_errors=True)
    for one in (*_listed(places.backups), *_beside(home.root)):
        _away(one, grave)
    empty(grave)
    _sync(places.system)
    places.wanted.unlink()
    _sync(places.system)
    work = home.recordings_work
    stayed = [one for one in kept if one.is_relative_to(home.recordings) and work not in one.parents and one.exists()]
    return [
        f"The box is as it came; {len(stayed)} recordings under a legal hold stayed.",
        *([f"{_RELEASE} Then reset it once more."] if stayed else []),
    ]


_RELEASE = "To have them removed, too, end their holds in the page first (“Keeping recordings”)."
_TWICE = "ramal reset factory --sure --also-held --also-held"
_EVERYTHING = f"if everything must go: flash the card or disk anew, or, where somebody can type commands: {_TWICE}"
"""Nobody can log in to a box of ours."""
_UNKNOWN = (
    "Nobody can tell which recordings are under a legal hold, because the database cannot be read. Nothing was "
    f"removed. Restore a backup first; or, {_EVERYTHING}"
)


def _named(home: Home, places: Places, wanted: Wanted) -> Sequence[str]:
    """What the home's user leaves; the files to keep. As ``carry_out``."""
    begun = replace(wanted, starts=wanted.starts + 1)
    _note(places, begun)
    try:
        named, stopped = as_owner(home, lambda: _leave_held(home))
    except OwnerSilent as error:
        named, stopped = [], str(error)
    except (RamalError, sqlite3.Error) as error:
        if not wanted.starts:
            places.wanted.unlink(missing_ok=True)
            raise ResetRefused(f"{_UNKNOWN} ({error})") from error
        named, stopped = [], str(error)  # a start before this one may have removed something
    if not stopped:
        if not named:
            # The database goes, perhaps before the recordings: a start after a power cut could not look any more.
            _note(places, replace(begun, also_held=True))
        return [str(one) for one in named]
    told = (
        f"The reset is not finished ({stopped}). What is under a legal hold is kept; of the other recordings some may "
        "be gone already. "
    )
    if begun.starts < STARTS_MAX:
        raise ResetUnfinished(f"{told}The next start goes on with it.")
    places.wanted.unlink(missing_ok=True)
    raise ResetUnfinished(
        f"{told}It was begun at {begun.starts} starts and is not tried again by itself. Ask for it once more; or, "
        f"{_EVERYTHING}"
    )


def _note(places: Places, wanted: Wanted) -> None:
    """Write down how far it came. A full disk must not keep a reset from making room."""
    try:
        _write_down(places, wanted)
    except OSError as error:
        log.warning("how far the reset came could not be written down: %s", error)


def _held_count(home: Home) -> int | None:
    """How many calls are held; None when nobody can tell."""
    if not home.db.exists():
        return 0 if not any(home.recordings.rglob("*.*")) else None
    try:
        connection = sqlite3.connect(f"file:{home.db}?mode=ro", uri=True, timeout=5.0)
        try:
            return len(only_held.held(connection))
        finally:
            connection.close()
    except sqlite3.Error:
        return None


def _wanted(places: Places) -> Wanted | None:
    """The wish, when there is one: root's own file with a JSON object; anything else is none, and is put away."""
    try:
        descriptor = os.open(places.wanted, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        own = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid()
        text = file.read(_WISH_MAX).decode("utf-8", "replace") if own else ""
    if not text.lstrip().startswith("{"):
        places.wanted.unlink(missing_ok=True)
        return None
    try:
        table = json.loads(text)
        starts = table.get("starts")
        return Wanted(table.get("also_held") is True, starts if isinstance(starts, int) and starts > 0 else 0)
    except ValueError:  # a torn wish is still one, with what it cannot have meant
        return Wanted()


def _write_down(places: Places, wanted: Wanted) -> None:
    """Have the wish on the disk. OSError."""
    write_whole(places.wanted, json.dumps(asdict(wanted)), 0o600)


def _leave_held(home: Home) -> tuple[list[str], str]:
    """Bring the database to what is held; the recordings' files to keep, below the home, and the database's (none when
    nothing is held: then the database goes too), and what stopped it half-way. An error: nothing was removed."""
    if not home.db.exists():
        if any(home.recordings.rglob("*.*")):
            raise ResetRefused("There are recordings, and no database.")
        return [], ""
    with only_writer(home):
        db = open_writer(home.db)
        try:
            keys = only_held.held(db)
            if not keys:
                return [], ""
            try:
                _erase_others(home, db, keys)
                only_held.forget(db, keys)
                return [str(home.db.relative_to(home.root)), *only_held.files(db, keys)], ""
            except (OSError, RamalError, sqlite3.Error) as error:
                return [], str(error) or type(error).__name__
        finally:
            db.close()


def _kept(home: Home, named: Sequence[str]) -> frozenset[Path]:
    """The files that stay, of those the home's own user named: plain ones, and none that lies elsewhere or deeper than
    a recording ever does."""
    if not named:
        return frozenset()
    recordings = home.recordings.relative_to(home.root)
    paths = {home.db}
    for one in map(Path, named):
        if one.is_relative_to(recordings) and ".." not in one.parts and len(one.parts) <= _DEEPEST:
            paths.add(home.root / one)
    paths |= {path for path in _listed(home.claim.parent) if path.name.startswith(OWN_KEYS)}
    paths |= set(_listed(home.seals))
    paths.add(home.recordings_work / "keys")
    return frozenset(path for path in paths if _is_plain(path))


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _listed(folder: Path) -> list[Path]:
    """What lies in a folder that is no link; nothing of one that cannot be read."""
    try:
        return [] if folder.is_symlink() else sorted(folder.iterdir())
    except OSError:
        return []


def _beside(root: Path) -> list[Path]:
    """Homes that lie beside since a backup was put back, and halves of such; what holds was told by the one in use."""
    return [*root.parent.glob(f"{root.name}.before-restore-*"), *root.parent.glob(f".{root.name}.restoring*")]


def _erase_others(home: Home, db: sqlite3.Connection, keys: Collection[int]) -> None:
    """Remove the files of every recording that is not held, and say so in the chain."""
    at_ms = time.time_ns() // 1_000_000

    def write(job: Callable[[sqlite3.Connection], Any]) -> Any:
        with transaction(db):
            return job(db)

    others = [one for one in only_held.recordings(db) if only_held.of_call(one) not in keys]
    removal.erase(home, write, others, at_ms, "factory")


def _sweep(home: Home, kept: frozenset[Path], grave: Path) -> None:
    """Remove everything of the home but ``kept`` and the folders on the way to it."""
    needed = {above for path in kept for above in path.parents}

    def below(folder: Path) -> None:
        for one in _listed(folder):
            if one in kept:
                continue
            if one in needed and not one.is_symlink():
                below(one)
            else:
                _away(one, grave)

    if home.root.is_dir():
        below(home.root)
        _sync(home.root)


def _away(path: Path, grave: Path) -> None:
    """Out of its place; what a failing disk does not let go is told and stays, so that the box starts."""
    try:
        bury(path, grave)
    except OSError as error:
        log.error("a reset could not remove %s: %s", path, error)


def _restart(words: Sequence[str] = ("systemctl", "reboot")) -> None:
    try:
        subprocess.run(words, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RamalError(f"Switch the box off and on: it could not start anew by itself ({error}).") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
