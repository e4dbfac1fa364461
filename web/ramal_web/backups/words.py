"""What a backup is, and why there is none, in words."""

from ramal.store.read import Backup
from ramal_web.copies.words import reason as far_reason
from ramal_web.i18n import gettext, ngettext
from ramal_web.keeping.words import figure


def reason(code: str) -> str:
    """One sentence or two: what is amiss, and what to do."""
    return {
        "no-room": gettext("The disk has no room for it. Make room, or have fewer backups kept."),
        "no-write": gettext("The folder cannot be written. Repair its permissions or its disk."),
        "no-stick": gettext("No stick is mounted there. Plug it in; the backup on the box is made all the same."),
        "no-key": gettext(
            "The key of the backups is damaged, so none is made. On the box, “ramal backup key” says more."
        ),
        "database": gettext("The database cannot be read whole. The log says more."),
        "busy": gettext("The box was busy with calls. The backup is made by itself when it is calm."),
        "stopped": gettext("It was cut off. It is made anew by itself."),
        "differs": gettext("What came back is not what was put in. Make another one."),
        "damaged": gettext("Its file is not as it was written. Make another one."),
        "no-office": gettext("No office is set up yet, so there is nothing to back up."),
    }.get(code, gettext("It failed for a reason that only the log tells in full."))


def away(place: str, code: str) -> str:
    """Why the last one is not at its other place."""
    if place == "stick":
        return gettext("It is not on the stick: %(why)s", why=reason(code))
    return gettext("It is not outside the box: %(why)s", why=far_reason(code))


def verdict(one: Backup) -> str:
    """What became of a backup."""
    if not one.name:
        return gettext("None was made.") + " " + reason(one.reason)
    if one.verdict == "equal":
        return gettext("Restored and compared: all equal.")
    if one.verdict:
        return gettext("Restored for a look, and NOT good.") + " " + reason(one.reason)
    return gettext("Not compared yet.")


def compared(one: Backup) -> str:
    """How much was compared."""
    tables = ngettext("%(num)s table", "%(num)s tables", one.tables)
    rows = ngettext("%(figure)s row", "%(figure)s rows", one.rows, figure=figure(one.rows))
    files = ngettext("%(num)s file", "%(num)s files", one.files)
    return f"{tables}, {rows}, {files}"


def look(one: Backup) -> tuple[str, str]:
    """Icon and colour."""
    if one.verdict == "equal":
        return "check", "good"
    return ("dots", "quiet") if one.name and not one.verdict else ("warn", "bad")


def place(code: str) -> str:
    """Where else it lies."""
    return {"stick": gettext("also on the stick"), "far": gettext("also outside the box")}.get(code, code)


def refused(code: str) -> str:
    """Why a backup was not put back. Nothing was changed, whichever it was."""
    return {
        "no-key": gettext("This code does not open this backup. Look at the paper again; the box is as it was."),
        "damaged": gettext("This is no backup of Ramal, or it is damaged. The box is as it was; take another one."),
        "differs": gettext("What came out of it is not what was put in. The box is as it was; take another one."),
        "no-room": gettext("The disk has no room to lay the backup out beside what is there. The box is as it was."),
        "stopped": gettext("It was cut off, by a power cut perhaps. See whether the calls below are those you expect."),
        "busy": gettext("A backup is being put back already. Wait for its end."),
        "no-file": gettext("This file is not here any more. Send it again."),
        "newer": gettext("This backup was made by a newer Ramal. Bring this box up to date first, under Updates."),
    }.get(code, gettext("It was not put back, for a reason that only the log tells in full. The box is as it was."))
