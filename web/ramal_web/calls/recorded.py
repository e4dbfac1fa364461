"""What was done about a call's recording, as sentences: the notice, on demand, card-safe. Any thread of the page."""

from typing import Protocol

from ramal.core.history import Step
from ramal_web.i18n import gettext

LOOK = {
    "recording": ("ear", "quiet"),
    "card_on": ("pause", "warn"),
    "card_off": ("check", "quiet"),
}


class Names(Protocol):
    """Who says names for codes."""

    def agent(self, code: str) -> str: ...


def said(step: Step, names: Names) -> str:
    """The step as a sentence; "" when it is none of these."""
    why, seconds = str(step.detail.get("why", "")), str(step.detail.get("seconds", ""))
    match step.kind:
        case "recording":
            return {
                "told": gettext("Heard that the call may be recorded."),
                "objected": gettext("Objected to being recorded; nothing is recorded."),
                "on": gettext("The agent began to record the call."),
            }.get(str(step.detail.get("act", "")), _stopped(why))
        case "card_on":
            return gettext("Card-safe: %(name)s stopped the recording.", name=names.agent(step.who))
        case "card_off":
            if step.detail.get("long"):
                return gettext("Recorded again after %(seconds)s s without a word: unusually long.", seconds=seconds)
            if why == "limit":
                return gettext("Recorded again by itself: the limit of %(seconds)s s had passed.", seconds=seconds)
            if why == "end":
                return gettext("The call ended while nothing was recorded, for %(seconds)s s.", seconds=seconds)
            return gettext("Recorded again after %(seconds)s s without a word.", seconds=seconds)
    return ""


def _stopped(why: str) -> str:
    if why == "never":
        return gettext("The recording ended: who spoke next is never recorded.")
    return gettext("The agent ended the recording.")
