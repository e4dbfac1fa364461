"""What keeps a copy from being made, and what a run was, in words."""

from ramal.store.read import CopyRun
from ramal_web.i18n import gettext, ngettext
from ramal_web.keeping.words import size


def reason(code: str, shown: str = "") -> str:
    """One sentence or two: what is amiss, and what to do. ``shown``: the fingerprint that was seen."""
    said = _reason(code)
    return gettext("%(sentence)s It shows: %(fingerprint)s", sentence=said, fingerprint=shown) if shown else said


def _reason(code: str) -> str:
    return {
        "no-rclone": gettext("The program rclone is not on this machine, so no copy is made. Have it installed."),
        "no-host": gettext("No machine of that name is known. Check the name, and that the box reaches the network."),
        "unreachable": gettext("The other machine does not answer. Check that it is on, its address and its port."),
        "unpinned": gettext(
            "Compare this host key with the other machine's own; when it is the same, put it into the office file. "
            "Until then nothing is sent."
        ),
        "key-changed": gettext(
            "The other machine shows another host key than the one in the office file. It was set up anew, or somebody "
            "stands in between. Nothing is sent until that is clear."
        ),
        "certificate": gettext(
            "The other machine's certificate is not one this box may trust. When it is its own, put it into the office "
            "file. Until then nothing is sent."
        ),
        "password": gettext("The other machine refuses this user or password. Check both in the office file."),
        "no-folder": gettext(
            "The folder is not there and cannot be made. Check the folder, and what this user may do there."
        ),
        "no-write": gettext("This user may not write into the folder. Give it the right to, on the other machine."),
        "no-room": gettext(
            "The other machine takes no more: its disk seems to be full. Make room there; recordings stay safe here."
        ),
        "busy": gettext("The box is busy with calls. Copying goes on by itself when it is calm."),
        "copying": gettext("Copies are being made just now. Try again afterwards."),
        "damaged": gettext("The recording here is not as it was sealed, so it is not copied. See the seal."),
        "missing": gettext("The recording's file is not here any more. See the seal."),
        "different": gettext("What lies there is not what was sent. It is sent again."),
        "no-copy": gettext("This office has no place for copies yet."),
    }.get(code, gettext("It failed for a reason that only the log tells in full."))


def run(one: CopyRun) -> str:
    """What was done."""
    if one.kind == "check":
        looked = ngettext("%(num)s copy was looked at.", "%(num)s copies were looked at.", one.copied + one.failed)
        wrong = ngettext(
            "%(num)s was not there as it should be, and is sent again.",
            "%(num)s were not there as they should be, and are sent again.",
            one.failed,
        )
        return f"{looked} {wrong}" if one.failed else looked
    done = ngettext(
        "%(num)s recording was copied (%(size)s).",
        "%(num)s recordings were copied (%(size)s).",
        one.copied,
        size=size(one.bytes),
    )
    failed = ngettext("%(num)s could not be.", "%(num)s could not be.", one.failed)
    return f"{done} {failed}" if one.failed else done


def kind(code: str) -> str:
    """Why it was done."""
    return {
        "night": gettext("In the night"),
        "now": gettext("Asked for"),
        "check": gettext("Check"),
    }.get(code, code)
