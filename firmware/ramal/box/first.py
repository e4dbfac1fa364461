"""``ramal prepare``: what must be on the disk before Asterisk starts, at every start of the image's box.

Runs on its own process's main thread, as the user ``ramal``, before Asterisk; the network is not there yet and not
needed. Law: **nothing here keeps calls from working**: a database that cannot be opened or migrated, a settings file
that cannot be read, a disk that refuses is a sentence, and Asterisk starts with the last generation of its files. It
speaks nothing: the daemon does, beside the calls (``InForce.refresh``), and until then callers hear the tones that a
missing sentence falls back to.
"""

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from ramal.asterisk.apply import apply
from ramal.asterisk.generations import Generations
from ramal.asterisk.prompts import fallbacks
from ramal.asterisk.render import render
from ramal.asterisk.speak import lay_fallbacks
from ramal.box import asterisk, claim, prepare
from ramal.box.home import UMASK, Home, Settings, SettingsRefused
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.provide import Peers, peers
from ramal.vault import switches
from ramal.vault.backup_stage import RESTORED
from ramal.writer_lock import HomeTaken

RUN = Path("/run/ramal")
"""Where sockets and locks go on the image: memory, so that nothing of it outlives the power."""
LAN = Settings(sip_bind="0.0.0.0", page_bind="0.0.0.0", page_port=80)
"""A new box's settings. Who may reach them is the firewall's business (box.firewall)."""

Say = Callable[[str], None]


def run(home: Home, where: Path | None = None, programs: Peers | None = None, say: Say | None = None) -> int:
    """Prepare ``home``; ``where`` takes its sockets (the image's RUN, when it is there). 0, or 1 when something could
    not be done; every reason was said, and calls work as well as they can."""
    tell = say or _say
    os.umask(UMASK)
    found = programs or peers()
    trouble = _fails(lambda: lay_run(home, where if where is not None else RUN), tell)
    trouble = _fails(home.prepare, tell) or trouble
    trouble = _fails(lambda: share(home), tell) or trouble
    trouble = _fails(lambda: switches.put_back(home.root / RESTORED, home.asterisk_lib), tell) or trouble
    settings, damaged = _settings(home, tell)
    trouble = _fails(lambda: home.put_in_force(settings), tell) or trouble
    trouble = _fails(lambda: asterisk.lay_data(home, found), tell) or trouble
    office, unopened = _office(home, tell)
    trouble = trouble or damaged or unopened
    if office is not None:
        trouble = _files(home, settings, found, office, tell) or trouble
        trouble = _claim(home, tell) or trouble
    elif Generations(home.etc).current is None:
        # Not even last time's files: an Asterisk without phones is still one that the page can mend.
        trouble = _files(home, settings, found, Office(name="Ramal"), tell) or trouble
    return 1 if trouble else 0


def lay_run(home: Home, where: Path) -> None:
    """Let the home's ``run`` lead to ``where``. Nothing where that is not there (any other machine)."""
    link = home.root / "run"
    if not where.is_dir() or not os.access(where, os.W_OK) or (link.is_symlink() and link.resolve() == where.resolve()):
        return
    home.root.mkdir(mode=0o750, parents=True, exist_ok=True)
    if link.is_dir() and not link.is_symlink():  # a home brought from elsewhere: sockets of processes long gone
        aside = home.root / f".run-before-{os.getpid()}"
        link.rename(aside)
        for rest in sorted(aside.rglob("*"), reverse=True):
            rest.rmdir() if rest.is_dir() and not rest.is_symlink() else rest.unlink()
        aside.rmdir()
    elif link.is_symlink():
        link.unlink()
    link.symlink_to(where)


def share(home: Home) -> None:
    """Give the page's user, who shares our group, what it needs and no more: the folder of secrets is the group's
    (and the keys of recordings in it, which the page decrypts with); the AMI secret and the phones' key are ours."""
    folder = home.claim.parent
    folder.chmod(0o2750)
    for name, mode in (("ami", 0o600), ("phones", 0o600), ("web-session", 0o640), ("recordings.key", 0o640)):
        path = folder / name
        if path.exists() and path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)


def _fails(job: Callable[[], object], say: Say) -> bool:
    """Whether a step could not be done (said); the others are done all the same."""
    try:
        job()
    except (RamalError, OSError, sqlite3.Error) as error:
        say(str(error))
        return True
    return False


def _settings(home: Home, say: Say) -> tuple[Settings, bool]:
    try:
        if not home.settings_file.exists():
            home.save_settings(LAN)
        return home.settings(), False
    except (SettingsRefused, OSError) as error:
        say(f"{error} The box starts with its usual ports instead.")
        return LAN, True


def _office(home: Home, say: Say) -> tuple[Office | None, bool]:
    """The office in force, an empty one on a new box; None when nobody can tell (said already)."""
    try:
        return prepare.office(home, prepare.EMPTY, say), False
    except HomeTaken as error:
        say(str(error))
        return None, False
    except Exception as error:  # whatever a damaged file makes SQLite or the settings' reader do
        say(f"{error} Asterisk starts with the settings it had last.")
        return None, True


def _files(home: Home, settings: Settings, programs: Peers, office: Office, say: Say) -> bool:
    """Asterisk's files, and the links that let a missing sentence be heard in another language; whether it failed."""
    try:
        lay_fallbacks(fallbacks(office), home.prompts)
        for music in office.music:
            (home.own_music / music.name).mkdir(parents=True, exist_ok=True)
        apply(render(office, asterisk.box_of(home, settings, programs)), home.etc, None)
    except Exception as error:  # a fault of ours must not cost calls: the last generation is whole
        say(f"Asterisk's files were not made anew ({error}). It starts with those of before.")
        return True
    return False


def _claim(home: Home, say: Say) -> bool:
    try:
        if home.claim_anew.exists():  # a word on the card (box.card)
            claim.anew(home)
            home.claim_anew.unlink()
        code = claim.ensure(home)
    except (RamalError, OSError) as error:
        say(str(error))
        return True
    if code is not None:
        say("This box is not claimed yet; its console and `ramal claim` show the code.")
    return False


def _say(sentence: str) -> None:
    print(f"ramal: {sentence}", file=sys.stderr, flush=True)
