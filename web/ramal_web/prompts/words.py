"""What a sentence is, and who speaks it, in words."""

from collections.abc import Mapping
from typing import Any

from ramal_web.calls.words import Speaker
from ramal_web.formats import label, number
from ramal_web.i18n import gettext


def place(row: Mapping[str, Any], say: Speaker) -> str:
    """Where a sentence is heard, as a short phrase."""
    of = str(row["of"])
    match row["kind"]:
        case "number":
            return gettext("Greeting of %(number)s", number=number(of))
        case "menu":
            return gettext("Menu “%(menu)s”", menu=label(of))
        case "pause":
            return gettext("Name of a break, heard by agents")
        case "queue":
            return gettext("Name of %(queue)s, heard by agents", queue=say.queue(of))
        case "answers":
            return gettext("Answers after a call of %(queue)s, heard by agents", queue=say.queue(of))
        case "sentence":
            return gettext("Sentence of the box")
        case "word":
            return gettext("Word or figure, part of a sentence")
    return gettext("Text of the office")


def speaker(row: Mapping[str, Any]) -> str:
    """Who is heard."""
    if row["by"] == "own":
        return gettext("Recorded at a phone") if row["source"] == "phone" else gettext("Uploaded file")
    return gettext("Machine")


def source(version: Mapping[str, Any]) -> str:
    """Where a sound came from."""
    return gettext("Recorded at a phone") if version["source"] == "phone" else gettext("Uploaded file")
