"""What a caller answered after the talk, in words. A colour never stands alone."""

from collections.abc import Iterator

from ramal.store.read import Answer
from ramal_web.i18n import gettext

ICON = {"good": "check", "warn": "dots", "bad": "cross", "info": "talk"}


def answer(question: str, value: str) -> str:
    """One answer, from the journal's codes."""
    match question:
        case "csat":
            return gettext("satisfied %(value)s of 5", value=value)
        case "nps":
            return gettext("recommends us %(value)s of 10", value=value)
        case "resolved":
            return gettext("resolved") if value == "yes" else gettext("not resolved")
    return value


def said(one: Answer) -> Iterator[tuple[str, str]]:
    """Every answer of a call: its tone and its words."""
    if one.csat is not None:
        yield ("good" if one.csat >= 4 else "bad" if one.csat <= 2 else "warn"), answer("csat", str(one.csat))
    if one.nps is not None:
        yield ("good" if one.nps >= 9 else "bad" if one.nps <= 6 else "warn"), answer("nps", str(one.nps))
    if one.resolved is not None:
        yield ("good" if one.resolved else "bad"), answer("resolved", "yes" if one.resolved else "no")
    if one.sentence is not None:
        yield "info", gettext("left a sentence")
