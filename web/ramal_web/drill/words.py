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


def refused(code: str, sentence: str) -> str:
    """Why no test call was placed; the daemon's own sentence for a reason that is not known here."""
    return {
        "under-way": gettext("A test call is already under way. Wait for its end, then place another."),
        "no-way": gettext("No open number leads to a queue that somebody serves. Nothing was called."),
        "no-loop": gettext("The office file has no line for the virtual caller. Nothing was called."),
        "asterisk-down": gettext(
            "The telephone system does not answer now. Nothing was called; try again in a moment."
        ),
        "nobody-free": gettext("Nobody is free to answer. Nothing was called; try again when somebody is free."),
    }.get(code, sentence)


def detail(code: str, text: str, ok: bool | None) -> str:
    """What a step's detail adds for a person: the key that was pressed, and whatever helps to find a fault."""
    return label(text) if code == "key" or ok is False else ""
