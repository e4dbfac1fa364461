"""The backup of the box: what it is called, when one is due, which ones are kept, what may stand in one, and why one
was not made.

Pure. Law: level-triggered: a night that was missed is made up for; the newest backup and the newest one that was
restored and found equal are never removed, whatever the counts and the bytes say.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from ramal.core.office import Backup, Office

Code = Literal[
    "no-room",
    "no-write",
    "no-stick",
    "no-key",
    "database",
    "busy",
    "stopped",
    "differs",
    "damaged",
    "no-office",
    "far",
    "newer",
    "other",
]
"""Why there is no (equal) backup. no-stick: no other disk is mounted there; far: the off-box place (core.copies)."""
FORMAT = 1
"""What this Ramal writes; it reads this and every older one."""
SUFFIX = ".ramal-backup"
DAY_MS = 24 * 3_600_000
LATE_MS = 2 * DAY_MS
"""So old the newest good backup may be before people are told."""
FIRST_WAIT_MS, LONGEST_WAIT_MS = 5 * 60_000, 6 * 3_600_000
PART_MAX = 400
"""Characters of a part's name."""
ROOTS = ("tables/", "secrets/", "own/", "custom/", "seals/", "system/")
ALONE = ("manifest.json", "office.toml", "settings.toml")
GROUPS, GROUP = 8, 4
"""Of a recovery code."""
PASSPHRASE_MIN, PASSPHRASE_MAX = 16, 200

_NAME = re.compile(r"ramal-(\d{8}-\d{6})(?:-\d{1,3})?" + re.escape(SUFFIX) + r"\Z", re.ASCII)

SENTENCES: Mapping[Code, str] = {
    "no-room": "The disk has no room for it. Older backups are kept. Make room, or have fewer kept: [backup] days, "
    "weeks, months, max_mb.",
    "no-write": "The folder of the backups cannot be written. Older backups are kept. Repair its permissions or its "
    "disk.",
    "no-stick": "No other disk is mounted at the folder of [backup] stick, so nothing was written there. Plug the "
    "stick in and mount it; the backup on the box itself is made all the same.",
    "no-key": "The key of the backups is damaged, so none is made. Put the file secrets/backup.key back, or make a "
    "new one: ramal backup key new",
    "database": "The database cannot be read whole, so no backup of it is made. Older backups are kept. The log says "
    "more.",
    "busy": "The box is busy with calls; the backup is made by itself when it is calm.",
    "stopped": "Making the backup was cut off; it is made anew by itself.",
    "differs": "The backup was restored into a scratch folder, and what came back is not what was put in. Older "
    "backups are kept. Make another: ramal backup now",
    "damaged": "The backup's file is not as it was written. Make another: ramal backup now",
    "no-office": "No office was applied yet, so there is nothing to back up.",
    "newer": "It was made by a newer Ramal. Bring this box up to date first: ramal update",
    "far": "The backup lies on the box, but not outside it. See: ramal copies test",
    "other": "It failed for a reason that only the log tells in full.",
}


@dataclass(frozen=True, slots=True)
class Lying:
    """A backup that lies somewhere: its file's name and bytes; ``equal``: it was restored and everything was equal."""

    name: str
    bytes: int
    equal: bool = False


def settings_of(office: Office) -> Backup:
    """The office's ``[backup]``; the defaults where it has none."""
    return office.backup[0] if office.backup else Backup()


def name_of(made_ms: int) -> str:
    """A backup's file name, by the time in UTC: names in order are times in order."""
    return f"ramal-{datetime.fromtimestamp(made_ms / 1000, UTC):%Y%m%d-%H%M%S}{SUFFIX}"


def made_ms(name: str) -> int | None:
    """When a backup was made, by its name; None when it is no backup's name."""
    found = _NAME.match(name)
    if found is None:
        return None
    try:
        moment = datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000)


def _turn(name: str) -> tuple[int, int]:
    """Names in the order in which they were made: a second one of the same second is ``…-2``."""
    number = name.removesuffix(SUFFIX).rpartition("-")[2]
    return made_ms(name) or 0, int(number) if len(number) < 6 else 1


def part_ok(name: str) -> bool:
    """Whether a part may have this name: below one of the known roots, nothing that leads out of them."""
    if name in ALONE:
        return True
    if not name.startswith(ROOTS) or len(name) > PART_MAX or "\\" in name or not name.isprintable():
        return False
    pieces = name.split("/")
    return all(piece not in ("", ".", "..") and len(piece.encode("utf-8", "replace")) <= 255 for piece in pieces)


def last_time_ms(hour: int, zone: str, now_ms: int) -> int:
    """The last moment at which the office's clock showed ``hour``:00."""
    local = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
    moment = local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    if moment.timestamp() * 1000 > now_ms:
        moment = (moment.replace(tzinfo=None) - timedelta(days=1)).replace(tzinfo=local.tzinfo)
    return round(moment.timestamp() * 1000)


def due(hour: int, zone: str, last_ms: int | None, since_ms: int, now_ms: int) -> bool:
    """Whether a backup has to be made: none was since the last ``hour``:00 of the office's clock. ``since_ms``: when
    the box came to life, which is what counts before its first backup. A last one far in the future was made with a
    wrong clock and counts for nothing."""
    if last_ms is not None and last_ms > now_ms + DAY_MS:
        last_ms = None
    reference = min(since_ms, now_ms) if last_ms is None else last_ms
    return last_time_ms(hour, zone, now_ms) > reference


def late(last_good_ms: int | None, since_ms: int, now_ms: int) -> int:
    """For how many whole days there has been no good backup, when that is two or more; else 0."""
    reference = since_ms if last_good_ms is None else last_good_ms
    return (now_ms - reference) // DAY_MS if now_ms - reference >= LATE_MS else 0


def wait_ms(tries: int) -> int:
    """How long to wait after so many failures in a row: five minutes, twice as long each time, six hours at most."""
    return min(LONGEST_WAIT_MS, FIRST_WAIT_MS << min(max(0, tries - 1), 20))


def to_remove(lying: Sequence[Lying], rules: Backup, zone: str) -> tuple[str, ...]:
    """Which backups go, the oldest first: kept are the newest of each of the last ``days`` days, ``weeks`` weeks and
    ``months`` months that have any (in the office's time zone), of these the oldest go until all fit into ``max_mb``.
    Files that are no backups by their names are nobody's business here."""
    ours = sorted(
        (one for one in lying if made_ms(one.name) is not None), key=lambda one: _turn(one.name), reverse=True
    )
    if not ours:
        return ()
    moments = {one.name: datetime.fromtimestamp((made_ms(one.name) or 0) / 1000, ZoneInfo(zone)) for one in ours}
    kept: set[str] = set()
    for count, bucket in ((rules.days, _day), (rules.weeks, _week), (rules.months, _month)):
        kept |= _newest_of_each(moments, bucket, count)
    equal = next((one.name for one in ours if one.equal), ours[0].name)
    always = {ours[0].name, equal}
    room = rules.max_mb * 1_000_000 - sum(one.bytes for one in ours if one.name in always)
    for one in ours:
        if one.name in always or one.name not in kept:
            continue
        room -= one.bytes
        if room < 0:
            kept.discard(one.name)
    return tuple(one.name for one in reversed(ours) if one.name not in kept | always)


def _newest_of_each(moments: Mapping[str, datetime], bucket: Callable[[datetime], str], count: int) -> set[str]:
    """``moments`` by name, the newest first."""
    first: dict[str, str] = {}
    for name, moment in moments.items():
        if (key := bucket(moment)) not in first:
            if len(first) == count:
                break
            first[key] = name
    return set(first.values())


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _week(moment: datetime) -> str:
    return "{}-{}".format(*moment.isocalendar()[:2])


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def canonical(typed: str) -> str:
    """A recovery code or passphrase as it is counted: without spaces and hyphens, in small letters, so that it may be
    typed as it reads."""
    folded = unicodedata.normalize("NFKC", typed).casefold()
    return "".join(mark for mark in folded if not mark.isspace() and mark not in "-\u2010\u2011\u2012\u2013")


def grouped(code: str) -> str:
    """A recovery code for reading: groups of four."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))
