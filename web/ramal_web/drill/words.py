"""Sentences for a drill's steps, from codes, in the page's language."""

from ramal_web.formats import label
from ramal_web.i18n import gettext


def say(code: str) -> str:
    """What a step does or checks."""
    return {
        "ready": gettext("An agent is signed in and free"),
        "calling": gettext("The virtual caller dials the office"),
        "answered": gettext("The box answers with the greeting"),
        "key": gettext("The caller presses a key in the menu"),
        "agent-answered": gettext("An agent answers"),
        "talked": gettext("They talk"),
        "hung-up": gettext("The caller hangs up"),
        "in-history": gettext("The call stands in the history"),
        "category": gettext("It counts as answered"),
        "timeline": gettext("Every step was written down"),
        "recording": gettext("It was recorded"),
        "recording-length": gettext("The recording is as long as the talk"),
        "sound-caller": gettext("The caller can be heard in it"),
        "sound-agent": gettext("The agent can be heard in it"),
    }.get(code, label(code.replace("_", " ").replace("-", " ")))


def detail(code: str, text: str, ok: bool | None) -> str:
    """What a step's detail adds for a person: the key that was pressed, and whatever helps to find a fault."""
    return label(text) if code == "key" or ok is False else ""
