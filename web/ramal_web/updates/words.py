"""What happened to a release, and why one was not installed or was left, in words."""

from collections.abc import Mapping
from typing import Any

from ramal_web.i18n import gettext, ngettext


def refused(code: str, sentence: str) -> str:
    """Why an update was not done, by its code; the box's own sentence for a reason that is not known here."""
    return {
        "no-image": gettext("This box is updated as it was installed: by its package, or with git."),
        "on-trial": gettext("A release runs on trial just now. Wait until the box has decided, or go back."),
        "busy": gettext("An update is under way already. Wait for its end."),
        "restarting": gettext("The box is about to restart for an update. Call that off first."),
        "no-file": gettext("This file is not here any more. Send it again, or look at the stick again."),
        "no-room": gettext("There is no room for this file on the box. Nothing was installed."),
        "no-source": gettext("An address begins with http:// or https://. Nothing was installed."),
        "signature": gettext(
            "The update is damaged, or not signed by whom this box trusts. Nothing was installed; get it again from "
            "where it comes from."
        ),
        "other-machine": gettext("This update is for another kind of machine. Nothing was installed."),
        "older": gettext("This update is older than the release that runs. Nothing was installed."),
        "no-version": gettext("This update does not say which version it is. Nothing was installed."),
        "no-bundle": gettext("This file is no update of Ramal. Nothing was installed."),
        "unreachable": gettext("The address of the update does not answer. Nothing was installed."),
        "not-armed": gettext("No other release waits to be started. Install one first."),
        "tried-enough": gettext(
            "This release did not come up well before and is not started again. Install it again, or a newer one."
        ),
        "no-way-back": gettext("There is no other release on this box that was well once."),
        "no-story": gettext("This record is not kept any more."),
        "wait": gettext("Calls can be waited for up to two hours."),
        "failed": gettext("The update could not be installed. The release that runs goes on."),
    }.get(code, sentence)


def state(note: Mapping[str, Any]) -> str:
    """What is known of the release in the other slot."""
    match note.get("state"):
        case "good":
            return gettext("It was well on this box. You can go back to it.")
        case "new" if note.get("tries"):
            return ngettext(
                "It was started %(num)s time and did not say that it was well: it did not come up, or the power went.",
                "It was started %(num)s times and did not say that it was well: it did not come up, or the power went.",
                int(note["tries"]),
            )
        case "new":
            return gettext("It is installed and was not started yet.")
        case "bad":
            return gettext("It was left: %(why)s", why=why(str(note.get("why", ""))))
        case "writing":
            return gettext("An installation into it did not come to its end.")
    return gettext("Nothing is known of it.")


def why(code: str) -> str:
    """Why a release was left: the parts that were not well, or who sent it back."""
    if code == "owner":
        return gettext("you went back to the one before.")
    if code == "no-verdict":
        return gettext("it did not come up, or the power went.")
    parts = {
        "data": gettext("the disk for recordings and settings"),
        "selector": gettext("the boot selector"),
        "asterisk": gettext("the telephone system"),
        "queues": gettext("the queues"),
        "daemon": gettext("the control program"),
        "page": gettext("this page"),
        "database": gettext("the history"),
        "call": gettext("a call to itself"),
    }
    known = [parts[word] for word in code.split() if word in parts]
    if not known:
        return code or gettext("for a reason that was not kept.")
    return gettext("these did not work: %(parts)s.", parts=", ".join(known))


def what(entry: Mapping[str, Any]) -> str:
    """A line of the history."""
    version = str(entry.get("version") or "?")
    match entry.get("what"):
        case "installed":
            return gettext("%(version)s was installed.", version=version)
        case "failed":
            return gettext(
                "%(version)s could not be installed: %(why)s",
                version=version,
                why=refused(str(entry.get("why", "")), str(entry.get("why", ""))),
            )
        case "started":
            return gettext("%(version)s was started on trial.", version=version)
        case "kept":
            return gettext("%(version)s was well and is kept.", version=version)
        case "refused":
            return gettext("%(version)s was left: %(why)s", version=version, why=why(str(entry.get("why", ""))))
        case "returned":
            return gettext(
                "The box came back from %(version)s: it did not come up, or the power went.", version=version
            )
        case "back":
            return gettext("You asked to go back (%(version)s).", version=version)
    return str(entry.get("what", ""))


def phase(standing: Mapping[str, Any]) -> str:
    """What is under way."""
    version = str(standing.get("version") or "")
    match standing.get("phase"):
        case "verifying":
            return gettext("The update is being verified.")
        case "installing":
            return gettext("%(version)s is being installed beside the release that runs. Calls go on.", version=version)
        case "restarting":
            return gettext("The box restarts now. This page comes back by itself in two or three minutes.")
    return ""
