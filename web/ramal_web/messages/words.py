"""Words for messages and their boxes."""

from collections.abc import Iterable, Mapping
from typing import Any

from ramal.store.read import MessageRow
from ramal_web.calls.words import Speaker
from ramal_web.formats import label
from ramal_web.history import BoxWords
from ramal_web.i18n import gettext


def box(name: str, boxes: Mapping[str, BoxWords]) -> str:
    """What people call a box."""
    known = boxes.get(name)
    if known is None:
        return label(name)
    return gettext("The office") if known.kind == "office" else label(known.title)


def code(known: BoxWords) -> str:
    """What is dialed to hear a box."""
    return f"*97{known.of}" if known.kind == "agent" else f"*98{known.number}"


def returned(row: MessageRow, say: Speaker) -> str:
    """How a message was dealt with, and by whom; "" while it was not."""
    name = say.agent(row.closed_by.removeprefix("page:"))
    match row.closed:
        case "person":
            return gettext("Marked as returned by %(name)s", name=name) if name else gettext("Marked as returned")
        case "out":
            return gettext("Called back by %(name)s", name=name) if name else gettext("Called back")
        case "in":
            return gettext("Spoke with %(name)s", name=name) if name else gettext("Spoken with")
        case "dismissed":
            return gettext("Dismissed by %(name)s", name=name)
    return ""


def heard(row: MessageRow, say: Speaker) -> str:
    """Who heard it first."""
    if row.state == "new" or not row.heard_by:
        return ""
    return gettext("Heard by %(name)s", name=say.agent(row.heard_by.removeprefix("page:")))


def mailed(letters: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """How it stands with its mails: a look and a sentence; ("", "") when none is sent."""
    states = [str(each["state"]) for each in letters]
    if "given_up" in states:
        return "bad", gettext("E-mail not delivered")
    if "waiting" in states:
        return "info", gettext("E-mail waits")
    return ("quiet", gettext("Sent by e-mail")) if states else ("", "")
