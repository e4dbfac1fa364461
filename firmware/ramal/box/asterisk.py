"""Asterisk as this box runs it: where it finds its files, how it is started, how it is stopped.

``box_of`` and ``lay_data`` only compute and link; ``start`` returns a process of the peers' prefix (or the machine's
own Asterisk). Runs on the main thread of ``ramal up``; on the image systemd starts Asterisk instead.
"""

import contextlib
import os
import re
import subprocess
from pathlib import Path

from ramal.asterisk.render import Box
from ramal.box import leftovers
from ramal.box.home import Home, Settings
from ramal.provide import Peers, RunningPeer


def version_of(peers: Peers) -> tuple[int, int]:
    """``22.10.1+dfsg`` as ``(22, 10)``."""
    found = re.match(r"(\d+)\.(\d+)", peers.version)
    return (int(found[1]), int(found[2])) if found else (20, 0)


def box_of(home: Home, settings: Settings, peers: Peers) -> Box:
    """What the renderer must know about this machine."""
    return Box(
        etc=str(home.asterisk_etc),
        data=str(home.asterisk_data),
        lib=str(home.asterisk_lib),
        log=str(home.asterisk_log),
        spool=str(home.asterisk_spool),
        run=str(home.run),
        recordings=str(home.recordings),
        prompts=str(home.prompts),
        own=str(home.own),
        custom=str(home.etc / "custom"),
        sip_bind=settings.sip_bind,
        sip_port=settings.sip_port,
        rtp_first=settings.rtp_first,
        rtp_last=settings.rtp_last,
        ami_port=settings.ami_port,
        ami_secret=home.ami_secret(),
        external_address=settings.external_address,
        sip_bind6=bind6(settings.sip_bind),
        modules=str(peers.modules),
        music=str(peers.music),
        version=version_of(peers),
    )


def bind6(sip_bind: str, known: Path = Path("/proc/self/net/if_inet6")) -> str:
    """Where phones are answered by IPv6: wherever they are at all addresses, on a machine that has IPv6."""
    return "::" if sip_bind == "0.0.0.0" and known.exists() else ""


_ENGLISH = ("beep", "queue-youarenext", "queue-thereare", "queue-callswaiting", "queue-thankyou")


def lay_data(home: Home, peers: Peers) -> None:
    """Asterisk's data folder: its own documentation and English sounds, and our words in the other languages."""
    _link(home.asterisk_data / "documentation", peers.data / "documentation")
    english = peers.sounds / "en"
    _link(home.asterisk_data / "sounds" / "en", english)
    for language in ("pt_BR", "es"):
        words = home.prompts / language / "asterisk"
        words.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (words / "beep.wav").symlink_to(english / "beep.wav")
        _link(words / "say", home.prompts / language / "say")  # where say.conf finds the pieces of numbers
        _link(home.asterisk_data / "sounds" / language, words)
    # Where a language lacks a word of Asterisk's own, the English one is heard: a figure must never be left out.
    for name in ("digits", *(f"{word}.wav" for word in _ENGLISH)):
        _link(home.asterisk_data / "sounds" / name, Path("en") / name)
    _link(home.prompts / "nowhere.raw", Path("/dev/null"))
    _link(home.prompts / "nowhere.wav", Path("/dev/null"))  # what app_queue records of a callback before it is one
    _lay_switches(home)


def _lay_switches(home: Home) -> None:
    """Have AstDB written ahead (WAL, which SQLite remembers in the file). Asterisk opens it without a word about how,
    and its default makes and removes a file for each of the five commits of a call: on ext4 that was more than half of
    what a call wrote to the card beside its recording (measured in a VM: 730 kB). Asterisk must not run; where it
    does, or the file is damaged, everything is as it was."""
    import sqlite3  # here: this module comes before calls, on every start

    path = home.asterisk_lib / "astdb.sqlite3"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=1.0)) as db:
        db.execute("PRAGMA page_size=1024")  # of a new one only: each commit writes whole pages, and a switch is small
        db.execute("PRAGMA journal_mode=WAL")


def start(home: Home, peers: Peers) -> RunningPeer:
    """Start Asterisk in the foreground of its own session; its console goes to ``log/asterisk.log``."""
    console = (home.log / "asterisk.log").open("ab")
    with console:
        return peers.start(
            "asterisk",
            *leftovers.argv(home, "asterisk"),
            binds=_binds(home),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _binds(home: Home) -> list[Path]:
    return [home.root] if home.run.is_relative_to(home.root) else [home.root, home.run]


def _link(link: Path, target: Path) -> None:
    """Make ``link`` point to ``target``, atomically, also when it points elsewhere."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    os.replace(temporary, link)
