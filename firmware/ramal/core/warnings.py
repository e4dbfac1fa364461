"""What is amiss right now: one registry, shown in the page and logged once when raised and once when cleared.

Pure. A warning is a code with figures; its sentence belongs to whoever shows it (in the reader's language). Raising is
level-triggered: the same condition seen again keeps the time it was first seen and only refreshes the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ASTERISK_DOWN = "asterisk-down"
"""No session to Asterisk; args: reason."""
DISK_LOW = "disk-low"
"""The recordings' disk has less free than the reserve; args: free_mb, path."""
DISK_FULL = "disk-full"
"""The recordings' disk is (as good as) full: calls go on, recordings are lost; args: free_mb, path."""
RECORDINGS_MISSING = "recordings-missing"
"""Talks of the last day have no recording; args: count."""
RECORDINGS_SHORT = "recordings-short"
"""Talks of the last day have a recording much shorter than the talk; args: count."""
HISTORY_BEHIND = "history-behind"
"""The journals are read slower than they grow, or cannot be read; args: behind_bytes, reason."""
DAEMON_RESTARTING = "daemon-restarting"
"""The daemon was started several times in a short while without ending cleanly; args: starts, within_min."""
RECORDINGS_UNKEPT = "recordings-unkept"
"""Recordings stay as plain wav files; args: count, reason (key, encoder, room, disk, gone, sound)."""
SEALS_BROKEN = "seals-broken"
"""The last verification of the recordings found something amiss; args: count."""
COPIES_BEHIND = "copies-behind"
"""Recordings have been without their off-box copy for too long; args: days, count, reason (core.copies' codes)."""
BACKUP_LATE = "backup-late"
"""There has been no good backup of settings and database for days; args: days."""
BACKUP_FAILED = "backup-failed"
"""The last backup could not be made, or was not equal when it was restored; args: reason (core.backups' codes)."""
BACKUP_AWAY = "backup-away"
"""The last backup lies on the box only; args: place (stick, far), reason (core.backups' codes, of far core.copies')."""
BACKUPS = (BACKUP_LATE, BACKUP_FAILED, BACKUP_AWAY)
RECORDING_STOPPED = "recording-stopped"
"""New calls are not recorded; args: reason (room, quota), free_mb, short_mb."""
ROOM_SOON = "room-soon"
"""At this pace there is no more room for recordings in a few days; args: days."""
RECORDINGS_EARLY = "recordings-early"
"""Recordings go before their time for want of room; args: count (of the last 30 days), days (age of the youngest)."""
RECORDINGS_ORPHANED = "recordings-orphaned"
"""Files among the recordings that belong to none; args: count, path (of one)."""
OFFICE_EMPTY = "office-empty"
"""No office was applied yet."""

PROMPTS_MISSING = "prompts-missing"
"""Sentences that cannot be played, and could not be spoken anew; args: count, first (a path), amiss."""

CLOCK_UNTRUSTED = "clock-untrusted"
"""The box does not know what time it is; args: why (core.clock.Why)."""

WATCHDOG_OFF = "watchdog-off"
"""This machine has a watchdog, and nobody feeds it: a machine that hangs stays so; no args."""

MESSAGES_UNMAILED = "messages-unmailed"
"""Messages of the last week that no mail server took for days, and that are not tried any more; args: count."""

ALARM = "alarm:"
"""The beginning of an alarm's code (core.alarm), its name behind it; args: measure, queue, value, limit."""

CODES = (
    ASTERISK_DOWN,
    DISK_LOW,
    DISK_FULL,
    RECORDINGS_MISSING,
    RECORDINGS_SHORT,
    RECORDINGS_UNKEPT,
    SEALS_BROKEN,
    COPIES_BEHIND,
    BACKUP_LATE,
    BACKUP_FAILED,
    BACKUP_AWAY,
    RECORDING_STOPPED,
    ROOM_SOON,
    RECORDINGS_EARLY,
    RECORDINGS_ORPHANED,
    HISTORY_BEHIND,
    DAEMON_RESTARTING,
    OFFICE_EMPTY,
    PROMPTS_MISSING,
    MESSAGES_UNMAILED,
    CLOCK_UNTRUSTED,
    WATCHDOG_OFF,
)

Args = tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """One warning that holds since ``since_ms``; ``args`` are the figures its sentence shows."""

    code: str
    since_ms: int
    args: Args = ()


Registry = Mapping[str, Warned]


def seen(registry: Registry, code: str, holds: bool, args: Args, now_ms: int) -> Registry:
    """The registry after looking at one condition; the same object when nothing changed."""
    known = registry.get(code)
    if not holds:
        return registry if known is None else {key: value for key, value in registry.items() if key != code}
    warned = Warned(code, known.since_ms if known else now_ms, args)
    return registry if warned == known else {**registry, code: warned}


def transitions(before: Registry, after: Registry) -> tuple[str, ...]:
    """A log line for every warning raised or cleared between two registries; the AMI link tells its own."""
    if before is after:
        return ()
    raised = [
        f"warning {code}: raised" + "".join(f" {key}={value}" for key, value in after[code].args)
        for code in after
        if code not in before and code != ASTERISK_DOWN
    ]
    return (*raised, *(f"warning {code}: cleared" for code in before if code not in after and code != ASTERISK_DOWN))
