"""Sentences for a drill's steps, from codes, in the page's language."""

from flask_babel import gettext

from ramal_web.formats import label


def say(code: str) -> str:
    """What a step checks or waits for."""
    return {
        "calling": gettext("A caller dials the office"),
    }.get(code, label(code.replace("_", " ").replace("-", " ")))
