"""Words for codes: states, categories and warnings, in the page's language; each with the icon that goes with it.

A colour never stands alone: every state and every category has a word and a shape of its own.
"""

from collections.abc import Mapping
from typing import Any

from ramal.core.warnings import ALARM
from ramal_web.i18n import gettext, ngettext
from ramal_web.live.picture import Today, Warning

STATE_LOOK = {
    "free": ("check", "good"),
    "ringing": ("ring", "warn"),
    "talking": ("talk", "info"),
    "wrap-up": ("pen", "info"),
    "busy": ("phone", "info"),
    "paused": ("pause", "quiet"),
    "unreachable": ("unplug", "bad"),
    "out": ("off", "quiet"),
}
CATEGORY_LOOK = {
    "answered": ("check", "good"),
    "abandoned": ("cross", "bad"),
    "timed_out": ("clock", "bad"),
    "overflowed": ("turn", "bad"),
    "blocked": ("stop", "bad"),
    "unanswered": ("cross", "bad"),
    "system": ("bolt", "bad"),
    "message": ("disc", "warn"),
    "closed": ("moon", "quiet"),
    "gave_up": ("keys", "quiet"),
    "refused": ("stop", "quiet"),
    "withdrawn": ("back", "warn"),
    "connected": ("check", "good"),
    "not_connected": ("cross", "quiet"),
    "service": ("keys", "quiet"),
    "": ("dots", "info"),
}


def state(code: str) -> str:
    """What an agent does."""
    match code:
        case "free":
            return gettext("Free")
        case "ringing":
            return gettext("Phone is ringing")
        case "talking":
            return gettext("Talking")
        case "wrap-up":
            return gettext("Finishing notes")
        case "busy":
            return gettext("On another call")
        case "paused":
            return gettext("On a break")
        case "unreachable":
            return gettext("Phone not reachable")
        case "out":
            return gettext("Not signed in")
    return code


def pause_reason(code: str) -> str:
    """Why an agent is on a break; "" when not said."""
    match code:
        case "lunch":
            return gettext("lunch")
        case "break":
            return gettext("short break")
        case "meeting":
            return gettext("meeting")
        case "training":
            return gettext("training")
        case "missed":
            return gettext("did not answer")
        case "supervisor":
            return gettext("by a supervisor")
    return "" if code in ("pause", "code", "phone") else code


def category(code: str | None) -> str:
    """How a call ended; running calls have none."""
    return {
        "answered": gettext("Answered"),
        "abandoned": gettext("Gave up waiting"),
        "timed_out": gettext("Waited too long"),
        "overflowed": gettext("Sent elsewhere"),
        "blocked": gettext("Nobody to take it"),
        "unanswered": gettext("Not answered"),
        "closed": gettext("Outside opening hours"),
        "refused": gettext("Not accepted"),
        "message": gettext("Left a message"),
        "gave_up": gettext("Hung up in the menu"),
        "withdrawn": gettext("To be called back"),
        "system": gettext("Cut by a failure"),
        "connected": gettext("Connected"),
        "not_connected": gettext("Not connected"),
        "service": gettext("Phone code"),
    }.get(code or "", gettext("In progress"))


def today_parts(day: Today) -> str:
    """What the lost and the other calls were, as one sentence for screen readers and for the bar's title."""
    return ngettext(
        "%(num)s call came in today: %(answered)s answered, %(lost)s lost, %(other)s other.",
        "%(num)s calls came in today: %(answered)s answered, %(lost)s lost, %(other)s other.",
        day.received,
        answered=day.answered,
        lost=day.lost,
        other=day.other,
    )


def warning(warned: Warning) -> str:
    """One sentence: what is amiss, what still works, what to do."""
    args = dict(warned.args)
    match warned.code:
        case "disk-full":
            return gettext("The disk is full: calls go on, but they are no longer recorded. Make room on the disk.")
        case "disk-low":
            return gettext(
                "Only %(free)s MB are free on the recordings' disk. Calls are still recorded. Make room soon.",
                free=args.get("free_mb", "?"),
            )
        case "recordings-missing":
            return ngettext(
                "%(num)s call of the last day has no recording.",
                "%(num)s calls of the last day have no recording.",
                int(args.get("count", 0)),
            )
        case "recordings-short":
            return ngettext(
                "%(num)s recording of the last day is shorter than its call.",
                "%(num)s recordings of the last day are shorter than their calls.",
                int(args.get("count", 0)),
            )
        case "recordings-unkept":
            return unkept(str(args.get("reason", "")), int(args.get("count", 0)))
        case "seals-broken":
            return ngettext(
                "The last check of the recordings found %(num)s thing that is not as it was sealed. See “Seal of the "
                "recordings”.",
                "The last check of the recordings found %(num)s things that are not as they were sealed. See “Seal of "
                "the recordings”.",
                int(args.get("count", 0)),
            )
        case "recording-stopped" if args.get("reason") == "room":
            return gettext(
                "New calls are NOT recorded: only %(free)s MB are free on the disk. Calls go on. Make room; recording "
                "begins again by itself.",
                free=args.get("free_mb", "?"),
            )
        case "recording-stopped":
            return gettext(
                "New calls are NOT recorded: what must be kept takes more than recordings may take. Calls go on. Give "
                "recordings more room, or end a legal hold. See “Keeping recordings”."
            )
        case "room-soon":
            return ngettext(
                "At this pace the room for recordings is full in %(num)s day. Then the oldest go before their time.",
                "At this pace the room for recordings is full in %(num)s days. Then the oldest go before their time.",
                int(args.get("days", 0)),
            )
        case "recordings-early":
            return ngettext(
                "For want of room %(num)s recording was removed before its time. See “Keeping recordings”.",
                "For want of room %(num)s recordings were removed before their time. See “Keeping recordings”.",
                int(args.get("count", 0)),
            )
        case "recordings-orphaned":
            return ngettext(
                "%(num)s file among the recordings belongs to none (%(path)s). It is left alone.",
                "%(num)s files among the recordings belong to none (such as %(path)s). They are left alone.",
                int(args.get("count", 0)),
                path=args.get("path", ""),
            )
        case "copies-behind":
            return ngettext(
                "%(num)s recording has had no copy outside the box for days. It is safe here. See “Copies outside the "
                "box”.",
                "%(num)s recordings have had no copy outside the box for days. They are safe here. See “Copies outside "
                "the box”.",
                int(args.get("count", 0)),
            )
        case "backup-late":
            return ngettext(
                "For %(num)s day there has been no good backup of settings and history. See “Backups”.",
                "For %(num)s days there has been no good backup of settings and history. See “Backups”.",
                int(args.get("days", 0)),
            )
        case "backup-failed":
            return gettext("The last backup failed, or was not equal when it was restored. See “Backups”.")
        case "backup-away" if args.get("place") == "stick":
            return gettext("The last backup could not be written onto the stick; it lies on the box. See “Backups”.")
        case "backup-away":
            return gettext("The last backup could not be sent off the box; it lies on the box. See “Backups”.")
        case "history-behind":
            return gettext("The history is catching up: the newest calls appear a little later. Nothing is lost.")
        case "daemon-restarting":
            return gettext(
                "Ramal's control program was restarted several times. Calls are not affected. The log says why."
            )
        case "clock-untrusted":
            return gettext(
                "The box does not know what time it is. Calls go on and count as within opening hours; nobody is "
                "called back and nothing is removed for its age. Connect it to the Internet, or see “Clock”."
            )
        case "watchdog-off":
            return gettext(
                "The machine's watchdog is off: if the box hangs, it does not start anew by itself. Calls are not "
                "affected. Restart the box."
            )
        case "office-empty":
            return gettext("No office is set up yet, so calls have nowhere to go. Apply an office file.")
        case "messages-unmailed":
            return ngettext(
                "%(num)s e-mail with a message could not be delivered for days and is given up. "
                "The message is in its box.",
                "%(num)s e-mails with messages could not be delivered for days and are given up. "
                "The messages are in their boxes.",
                int(args.get("count", 1)),
            )
        case "prompts-missing":
            return ngettext(
                "%(num)s spoken sentence cannot be played (%(first)s). Calls go on; callers hear it in the office's "
                "own language, or nothing. “ramal prompts check” says more.",
                "%(num)s spoken sentences cannot be played (such as %(first)s). Calls go on; callers hear them in the "
                "office's own language, or nothing. “ramal prompts check” says more.",
                int(args.get("count", 0)),
                first=args.get("first", "?"),
            )
        case "asterisk-down":
            return gettext("The telephone system does not answer.")
        case code if code.startswith(ALARM):
            return _alarm(code.removeprefix(ALARM), args)
    return gettext("Something is amiss: %(code)s. The log says more.", code=warned.code)


def unkept(reason: str, count: int) -> str:
    """Why recordings stay plain wav files."""
    match reason:
        case "key":
            return gettext(
                "The key of the recordings is missing or damaged: new ones stay unencrypted, old ones cannot be "
                "played. Put the exported key back: ramal recordings key import FILE"
            )
        case "encoder":
            return gettext(
                "Recordings stay large wav files: the program that makes them small does not work. The log says why."
            )
        case "room":
            return gettext("Recordings stay large wav files: the disk has no room left to make them small.")
        case "gone":
            return ngettext(
                "The file of %(num)s recording is gone, and Ramal did not remove it.",
                "The files of %(num)s recordings are gone, and Ramal did not remove them.",
                count,
            )
        case "disk":
            return gettext("Recordings stay large wav files: the disk or the database refuses. The log says why.")
    return ngettext(
        "%(num)s recording stays a wav file: it could not be made small without loss. It can be played.",
        "%(num)s recordings stay wav files: they could not be made small without loss. They can be played.",
        count,
    )


def _alarm(name: str, args: Mapping[str, Any]) -> str:
    """An alarm that is raised, with what it watches as it is now."""
    value, limit = int(args.get("value", 0)), int(args.get("limit", 0))
    match args.get("measure"):
        case "longest-wait":
            return gettext("Alarm “%(name)s”: somebody waits for more than %(limit)s s.", name=name, limit=limit)
        case "callers-waiting":
            return gettext(
                "Alarm “%(name)s”: %(value)s callers wait, more than %(limit)s.", name=name, value=value, limit=limit
            )
        case "service-level":
            return gettext("Alarm “%(name)s”: the service level is below %(limit)s percent.", name=name, limit=limit)
        case "no-agent":
            return gettext("Alarm “%(name)s”: no agent is signed in.", name=name)
        case "backup":
            return gettext("Alarm “%(name)s”: there is no recent backup that was found good.", name=name)
    return gettext("Alarm “%(name)s”.", name=name)
