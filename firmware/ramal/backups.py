"""``ramal backup`` and ``ramal restore``: making, listing and checking backups, the recovery code, putting one back.

Runs in the command's own process. ``now`` is the daemon's work, or this process's while none runs; ``restore`` needs
that nothing runs on the home it is for. A recovery code is never a word of the command line: others could read it.
"""

import argparse
import getpass
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box import restore as putting
from ramal.box.home import Home, default_home
from ramal.control.client import Control, DaemonDown
from ramal.core import backups as rules
from ramal.core.office import Office
from ramal.errors import RamalError
from ramal.ops import backup_places
from ramal.store import backups as rows
from ramal.store import migrations, settings, users
from ramal.store.backups import Backup, BackupPicture
from ramal.store.db import open_reader, open_writer
from ramal.vault import backup_keys, backup_work
from ramal.vault.backup_file import BackupReader, BackupRefused, open_backup, recipe_of
from ramal.vault.backup_stage import Comparison, stage
from ramal.writer_lock import only_writer

DONE, NOT_DONE = 0, 1
ASK_S, LOOK_S = 15.0, 0.3
CODE_MAX = 4096
WARNING = (
    "Whoever has this code and a backup has everything of this office: passwords of phones and lines, who called, and "
    "the key of the recordings. Without it a backup can be opened on this box only. Write it down; keep it elsewhere."
)


def run(home: Home, arguments: argparse.Namespace) -> int:
    """One act; prints what a person has to know. Raises RamalError."""
    match arguments.act:
        case "now":
            return _now(home)
        case "verify":
            return _verify(home, arguments.value, arguments.code_file)
        case "key":
            return _key(home, arguments.value or "show", arguments.code_file, arguments.lost)
    return _list(home, arguments.json)


def restore(home: Home, file: str, code_file: str) -> int:
    """Put a backup back into ``home``. Raises RamalError; then nothing was changed."""
    path = Path(file)
    reader = opened(path, (home, default_home()), code_file)
    with closing(reader):
        print(f"Restoring {_what(reader)} into {home.root}.", flush=True)
        done = putting.restore(reader, home, path.name, _now_ms())
    print(f"Done: {_compared(done.comparison)}.")
    if done.comparison.migrated:
        print(f"The database was brought up to date: {', '.join(done.comparison.migrated)}.")
    if done.before is not None:
        print(f"What was there before lies in {done.before}. Remove it when everything is well.")
        print(
            "Recordings, voices and Asterisk's journals came along; calls since the backup are read again from these."
        )
    else:
        print("Recordings are not in a backup: copy their folder back from the copies outside the box.")
    if done.erased:
        print(
            f"{done.erased} people were erased after this backup was made, and their data is back. Erase them again: "
            "ramal subject erase NUMBER",
            file=sys.stderr,
        )
    if done.network is not None:
        print(f"The network settings of the backup are in {done.network}; they are not in force.")
    for left in reader.manifest.left_out:
        print(f"Not in the backup: {left}")
    return DONE


def opened(path: Path, homes: tuple[Home, ...], code_file: str = "") -> BackupReader:
    """A backup opened with a key of these homes, else with the recovery code that is asked for. BackupRefused."""
    keys = [one.key for one in putting.homes_keys(dict.fromkeys(homes))]
    recipe = recipe_of(path)
    if not code_file:
        try:
            return open_backup(path, keys)
        except BackupRefused as refused:
            if refused.code != "no-key" or not sys.stdin.isatty():
                raise
    return open_backup(path, [recipe.key(_typed(code_file))])


def _typed(code_file: str) -> str:
    if not code_file:
        return getpass.getpass("Recovery code or passphrase of this backup: ")[:CODE_MAX]
    try:
        if code_file == "-":
            return sys.stdin.readline(CODE_MAX)
        with open(code_file, encoding="utf-8") as file:
            return file.readline(CODE_MAX)
    except (OSError, UnicodeDecodeError) as error:
        raise RamalError(f"The recovery code in {code_file} cannot be read ({error}). Nothing was changed.") from error


# -- making ------------------------------------------------------------------------------------------------------------


def _now(home: Home) -> int:
    control = Control(home.control_sock)
    try:
        before = _latest_id(home)
        control.ask("backups.now", ASK_S)
    except DaemonDown:
        return _alone(home)
    while True:
        told = control.ask("backups.status", ASK_S)
        if not told["asked"] and not told["doing"]:
            break
        time.sleep(LOOK_S)
    with closing(open_reader(home.db)) as db:
        made = [one for one in rows.latest(db) if one.id > before]
        office = settings.load(db) or Office(name="")
    if not made:
        raise RamalError("The daemon made no backup; its log says why.")
    print(_line(made[0], {}, ZoneInfo(office.timezone)))
    for place, reason in told["away"].items():
        print(f"Not at its other place ({place}): {_reason(str(reason))}", file=sys.stderr)
    return DONE if made[0].verdict == "equal" else NOT_DONE


def _latest_id(home: Home) -> int:
    if not home.db.exists():
        return 0
    with closing(open_reader(home.db)) as db:
        if not db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'backup'").fetchone()[0]:
            return 0
        found = rows.latest(db, 1)
    return found[0].id if found else 0


def _alone(home: Home) -> int:
    """Without a daemon: the same, on this process's own thread."""
    if not home.db.exists():
        raise RamalError(f"There is no box in {home.root} yet, so there is nothing to back up. Start it: ramal up")
    with only_writer(home), closing(open_writer(home.db)) as db:
        migrations.migrate(db)
        office = settings.load(db)
        if office is None:
            raise RamalError(rules.SENTENCES["no-office"])
        chosen = rules.settings_of(office)
        folder = Path(chosen.folder) if chosen.folder else home.backups
        backup = rows.begin(db, "now", _now_ms())
        try:
            made = backup_work.made(home, folder, _now_ms())
        except BackupRefused as refused:
            rows.failed(db, backup, refused.code, _now_ms())
            raise
        rows.made(db, backup, made.path.name, made.bytes, made.sha256, _now_ms())
        found = backup_work.checked(home, made.path, folder / ".check")
        amiss = next(iter(found.amiss), "")
        figures = (found.tables, found.rows, found.files)
        rows.compared(db, made.path.name, amiss, figures, "" if found.equal else "differs", _now_ms())
        known = rows.lying(db)
        lying = [
            rules.Lying(one.name, one.bytes, one.name in known and known[one.name].verdict == "equal")
            for one in backup_places.lying_in(folder)
        ]
        old = rules.to_remove(lying, chosen, office.timezone)
        backup_places.remove_from(folder, old)
        rows.gone(db, list(old), _now_ms())
        print(_line(next(one for one in rows.latest(db, 1)), {}, ZoneInfo(office.timezone)))
    return DONE if found.equal else NOT_DONE


# -- looking -----------------------------------------------------------------------------------------------------------


def _list(home: Home, as_json: bool) -> int:
    with closing(open_reader(home.db)) as db:
        picture, office = rows.backups(db), settings.load(db) or Office(name="")
    chosen = rules.settings_of(office)
    folder = Path(chosen.folder) if chosen.folder else home.backups
    if as_json:
        print(json.dumps(_plain(picture, folder), ensure_ascii=False, indent=1))
        return DONE
    zone = ZoneInfo(office.timezone)
    print(f"{folder}, every night at {chosen.hour:02}:00; kept: {chosen.days} days, {chosen.weeks} weeks, "
          f"{chosen.months} months, at most {chosen.max_mb} MB.")  # fmt: skip
    for one in reversed(picture.latest):
        if one.gone_ms is None:
            print(_line(one, picture.places, zone))
    strangers = {one.name for one in backup_places.lying_in(folder)} - {one.name for one in picture.latest}
    for name in sorted(strangers):
        print(f"{name}  lies there, and this box knows nothing of it")
    if not picture.latest and not strangers:
        print("There is no backup yet. Make one: ramal backup now")
    return DONE


def _plain(picture: BackupPicture, folder: Path) -> dict[str, Any]:
    latest = [asdict(one) | {"sha256": one.sha256.hex()} for one in picture.latest]
    return {"folder": str(folder), "backups": latest, "places": picture.places}


def _line(one: Backup, places: Mapping[str, tuple[str, ...]], zone: ZoneInfo) -> str:
    when = datetime.fromtimestamp(one.began_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")
    if not one.name:
        return f"{when}  none was made. {_reason(one.reason) if one.ended_ms else 'It is being made.'}"
    verdict = {
        "equal": f"restored and compared, all equal ({one.tables} tables, {one.rows} rows, {one.files} files)",
        "failed": f"NOT GOOD: {_reason(one.reason)} {one.amiss}",
    }.get(one.verdict, "not compared yet")
    also = f"; also on: {', '.join(places[one.name])}" if places.get(one.name) else ""
    return f"{when}  {one.name}  {one.bytes / 1e6:.1f} MB  {verdict}{also}"


def _reason(code: str) -> str:
    return str(dict(rules.SENTENCES).get(code, code))  # type: ignore[call-overload]


def _verify(home: Home, value: str, code_file: str) -> int:
    path = Path(value) if value else _newest(home)
    with closing(opened(path, (home, default_home()), code_file)) as reader:
        print(f"{path.name}: {_what(reader)}.", flush=True)
        with tempfile.TemporaryDirectory(prefix="ramal-backup-", dir=home.root if home.root.is_dir() else None) as work:
            found = stage(reader, Path(work) / "home")
    if found.equal:
        print(f"Restored for a look and compared: {_compared(found)}.")
        return DONE
    for sentence in found.amiss:
        print(sentence, file=sys.stderr)
    print("This backup is NOT what was put in.", file=sys.stderr)
    return NOT_DONE


def _newest(home: Home) -> Path:
    with closing(open_reader(home.db)) as db:
        chosen = rules.settings_of(settings.load(db) or Office(name=""))
    folder = Path(chosen.folder) if chosen.folder else home.backups
    names = sorted(one.name for one in backup_places.lying_in(folder))
    if not names:
        raise RamalError(f"There is no backup in {folder}. Make one: ramal backup now")
    return folder / names[-1]


def _what(reader: BackupReader) -> str:
    told = reader.manifest
    when = datetime.fromtimestamp(told.made_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"“{_shown(told.office)}”, of {when}, made by Ramal {_shown(told.ramal)}"


def _compared(found: Comparison) -> str:
    return f"all equal ({found.tables} tables, {found.rows} rows, {found.files} files)"


def _shown(text: str) -> str:
    return "".join(mark if mark.isprintable() else "�" for mark in text)[:100]


# -- the key -----------------------------------------------------------------------------------------------------------


def _key(home: Home, act: str, code_file: str, lost: bool) -> int:
    if act not in ("show", "new", "passphrase"):
        raise RamalError("ramal backup key show, new or passphrase. Nothing was changed.")
    if not home.root.is_dir():
        raise RamalError(f"There is no box in {home.root} yet. Start it: ramal up")
    passphrase = ""
    if act == "passphrase":
        passphrase = _typed(code_file).strip()
        if not code_file and passphrase != getpass.getpass("Once more: ").strip():
            raise RamalError("These were two different passphrases. Nothing was changed.")
    if act == "show":
        key = backup_keys.obtain(home, _now_ms())
    else:
        key = backup_keys.add_new(home, _now_ms(), passphrase, lost)
    _audit(home, f"backups.key-{act}")
    if key.code:
        print(rules.grouped(key.code))
    else:
        print("Backups open with the passphrase that the owner chose; the box does not know it.")
    print(WARNING, file=sys.stderr)
    if act != "show":
        print("Backups that were made before open with what they were made with.", file=sys.stderr)
    return DONE


def _audit(home: Home, what: str) -> None:
    try:
        Control(home.control_sock).ask("audit", ASK_S, who="command line", what=what)
    except DaemonDown:
        if home.db.exists():
            with only_writer(home), closing(open_writer(home.db)) as db:
                migrations.migrate(db)
                users.audit(db, _now_ms(), "command line", what, "")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
