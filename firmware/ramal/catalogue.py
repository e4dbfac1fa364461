"""``ramal recordings``: what is kept, whether it is as it was sealed, and the key. Runs in the command's own process.

Works with and without a daemon. A verification is written down by the daemon, or by this process while none runs.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ramal.box.home import Home
from ramal.control.client import Control, DaemonDown
from ramal.core.chain import Head, head_from
from ramal.core.flaws import Flaw
from ramal.errors import RamalError
from ramal.ops.verifying import check_of
from ramal.store import migrations, seals, sounds
from ramal.store.db import open_reader, open_writer
from ramal.vault import keys
from ramal.vault.verify import Progress, Verification
from ramal.writer_lock import only_writer

DONE, NOT_DONE = 0, 1
ASK_S = 15.0
PORTION = 200
WARNING = (
    "Whoever has this key can listen to every recording of this box that they have a copy of; without it nobody ever "
    "can again, not even you. Keep it away from the box, where only the owner gets at it."
)


def run(home: Home, arguments: argparse.Namespace) -> int:
    """One act; prints what a person has to know. Raises RamalError."""
    match arguments.act:
        case "list":
            return _list(home, arguments.json)
        case "verify":
            return _verify(home, tuple(_head(text) for text in arguments.head), not arguments.quick, arguments.json)
    return _key(home, arguments.value or "show", arguments.file, arguments.lost)


# -- looking -----------------------------------------------------------------------------------------------------------


def _list(home: Home, as_json: bool) -> int:
    after = 0
    with closing(open_reader(home.db)) as db:
        while rows := sounds.portion(db, after, PORTION):
            for sound in rows:
                print(json.dumps(_plain(sound)) if as_json else _line(sound))
            after = rows[-1].recording
        if not as_json:
            count, total = db.execute("SELECT count(*), sum(bytes) FROM sound WHERE gone_ms IS NULL").fetchone()
            print(f"{count} recordings are kept, {(total or 0) / 1e6:.1f} MB.")
    return DONE


def _line(sound: sounds.Sound) -> str:
    length = f"{sound.duration_ms // 60_000}:{sound.duration_ms // 1000 % 60:02}"
    what = f"gone ({sound.gone_why})" if sound.gone_ms is not None else f"{sound.bytes // 1024} KiB"
    return f"{sound.recording}  {length:>7}  {what:>12}  {_shown(sound.path)}"


def _plain(sound: sounds.Sound) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(sound).items()}


def _shown(text: str) -> str:
    """A text of the database on a terminal: nothing that could steer it."""
    return "".join(mark if mark.isprintable() else "�" for mark in text)


# -- verifying ---------------------------------------------------------------------------------------------------------


def _verify(home: Home, given: tuple[Head, ...], with_files: bool, as_json: bool) -> int:
    began_ms = time.time_ns() // 1_000_000
    found: list[Flaw] = []
    amiss = 0
    with closing(open_reader(home.db)) as db:
        verification = Verification(home, db, given, with_files, _progress())
        for flaw in verification.flaws():
            amiss += 1
            if len(found) < 1000:
                found.append(flaw)
            print(json.dumps(flaw.plain()) if as_json else _shown(f"{flaw.where}: {flaw.what}"), flush=True)
    progress = verification.progress
    _say_progress(progress, end=True)
    ended_ms = time.time_ns() // 1_000_000
    if with_files:
        _write_down(home, check_of(progress, began_ms, ended_ms, amiss, found))
    if as_json:
        return NOT_DONE if amiss else DONE
    looked = f"{progress.done} files, {progress.bytes / 1e6:.1f} MB, {progress.seals} rows of the catalogue"
    if amiss:
        print(f"{amiss} things are NOT as they were sealed ({looked}).")
        return NOT_DONE
    print(f"Everything is as it was sealed ({looked}).")
    if progress.head is not None:
        print(f"The seal now: {progress.head.text}")
    return DONE


def _write_down(home: Home, check: seals.Check) -> None:
    try:
        Control(home.control_sock).ask("recordings.checked", ASK_S, check=json.dumps(asdict(check)))
    except DaemonDown:
        with only_writer(home), closing(open_writer(home.db)) as db:
            migrations.migrate(db)
            seals.keep_check(db, check)


def _head(text: str) -> Head:
    head = head_from(text)
    if head is None:
        raise RamalError("This is no seal as Ramal prints it: a number, then eight groups of letters and digits.")
    return head


def _progress() -> Callable[[Progress], None]:
    last = [0.0]

    def seen(progress: Progress) -> None:
        if time.monotonic() - last[0] > 0.5:
            last[0] = time.monotonic()
            _say_progress(progress)

    return seen


def _say_progress(progress: Progress, end: bool = False) -> None:
    if sys.stderr.isatty():
        told = f"\r{progress.done} of {progress.files} files, {progress.bytes / 1e6:.0f} MB"
        print("\r" + " " * len(told) + "\r" if end else told, end="", file=sys.stderr, flush=True)


# -- the key -----------------------------------------------------------------------------------------------------------


def _key(home: Home, act: str, file: str, lost: bool) -> int:
    match act:
        case "show":
            return _show(home)
        case "export":
            text = keys.export(home)
            _put(file, text)
            print(WARNING, file=sys.stderr)
            _audit(home, "recordings.key-exported")
        case "import":
            if not file:
                raise RamalError("Which file? For example: ramal recordings key import key.txt")
            data = sys.stdin.buffer.read() if file == "-" else _read(file)
            home.prepare()
            count, ring = keys.merge(home, data)
            print(f"{count} new keys were brought; the box has {len(ring.keys)} now.")
            _audit(home, "recordings.key-imported")
        case "new":
            home.prepare()
            key = keys.add_new(home, time.time_ns() // 1_000_000, lost)
            print(f"New recordings are encrypted with the key {key.id[:8]} from now on. Export it: it is not on paper.")
            _audit(home, "recordings.key-made")
        case _:
            raise RamalError("The key can be shown, exported, imported or made new: show, export, import, new.")
    return DONE


def _show(home: Home) -> int:
    ring = keys.load(home)
    with closing(open_reader(home.db)) as db:
        used = sounds.key_ids(db)
    for key in ring.keys.values():
        when = time.strftime("%Y-%m-%d", time.gmtime(key.made_ms // 1000))
        print(f"{key.id[:8]}  made {when}{'  in use' if ring.current and key.id == ring.current.id else ''}")
    lost = sorted(used - set(ring.keys))
    for key_id in lost:
        print(f"{key_id[:8]}  MISSING: recordings that need it cannot be played. Import the exported keys.")
    for number in ring.damaged:
        print(f"line {number} of {home.recordings_key} is DAMAGED. Import the exported keys.")
    if not ring.keys and not lost and not ring.damaged:
        print("There is no key yet: it is made with the first recording that is kept.")
    return NOT_DONE if lost or ring.damaged else DONE


def _put(file: str, text: str) -> None:
    if file in ("", "-"):
        sys.stdout.write(text)
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RamalError(f"The key was not exported: {file} cannot be made ({error.strerror}).") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as source:
            return source.read(1 << 20)
    except OSError as error:
        raise RamalError(f"The file {file} cannot be read ({error.strerror}). Nothing was changed.") from error


def _audit(home: Home, what: str) -> None:
    """Who used the command line is who the system says; a box without a daemon writes it down here."""
    who = f"shell:{os.environ.get('SUDO_USER') or os.environ.get('USER') or os.getuid()}"
    try:
        Control(home.control_sock).ask("audit", ASK_S, who=who, what=what)
    except DaemonDown:
        from ramal.store import users

        with only_writer(home), closing(open_writer(home.db)) as db:
            migrations.migrate(db)
            users.audit(db, time.time_ns() // 1_000_000, who, what, "")
