"""Why a call waited or went somewhere: the reasoned lines, from codes, in the page's language.

A code's parts come by the names ``a``, ``b``, ``c`` from the dialplan (WHY), or by the daemon's own names.
"""

from collections.abc import Callable
from typing import Protocol

from ramal.core.history import Step
from ramal_web.formats import label, number
from ramal_web.i18n import gettext, ngettext

CODES = (
    *("agent-first", "agent-first-busy", "needs-skill", "nobody-with-skill", "widened", "longest-idle", "aged", "full"),
    *("predicted-too-long", "no-agent", "too-long", "closed", "vip", "repeat-caller", "blocked", "callback-offered"),
    *(
        "callback-declined",
        "callback-refused",
        "line-failed",
        "outside-refused",
        "preferred-queue",
        "moved",
        "missed-too-often",
        "rejected",
        "clock-open",
        "callback-clock",
    ),
    *("survey-offered", "survey-skipped", "survey-refused"),
)


class Names(Protocol):
    """Who says names for codes."""

    def agent(self, code: str) -> str: ...
    def queue(self, name: str) -> str: ...


def said(step: Step, names: Names) -> str:
    """A decision as a sentence."""
    code, a, b, c = (_text(step, name) for name in ("code", "a", "b", "c"))
    for sayer in (_waiting, _leaving, _caller, _other):
        sentence = sayer(code, names, step, (a, b, c))
        if sentence:
            return sentence
    return gettext("Decided: %(code)s.", code=code or "–")


Sayer = Callable[[str, Names, Step, tuple[str, str, str]], str]


def skill(name: str) -> str:
    """A needed skill in words; languages by their name."""
    known = {"en": gettext("English"), "es": gettext("Spanish"), "pt-br": gettext("Portuguese")}
    return known.get(name.lower().replace("_", "-"), name)


def _waiting(code: str, names: Names, step: Step, given: tuple[str, str, str]) -> str:
    a, b, _ = given
    match code:
        case "agent-first":
            return gettext("%(name)s knows this caller, so that phone rang alone at first.", name=names.agent(a))
        case "agent-first-busy":
            return gettext("%(name)s knows this caller but was not free, so everybody was asked.", name=names.agent(a))
        case "needs-skill":
            return gettext(
                "Needs %(skill)s: for %(seconds)s s only agents who can were asked.", skill=skill(a), seconds=b or "?"
            )
        case "nobody-with-skill":
            return gettext("Nobody with %(skill)s was signed in, so everybody was asked.", skill=skill(a))
        case "widened":
            return gettext(
                "Nobody free with %(skill)s; widened to everybody after %(seconds)s s.", skill=skill(a), seconds=b
            )
        case "longest-idle":
            name = names.agent(a or _text(step, "agent"))
            return gettext("%(name)s rang first: free for the longest time.", name=name)
        case "aged":
            queue = names.queue(a or _text(step, "queue"))
            return gettext("Waited so long in “%(queue)s” that the call moved up a level.", queue=queue)
        case "rejected":
            return gettext("%(name)s had rejected this call and was left alone for a while.", name=names.agent(a))
        case "missed-too-often":
            return gettext("%(name)s missed too many calls and was paused.", name=names.agent(a))
    return ""


def _leaving(code: str, names: Names, step: Step, given: tuple[str, str, str]) -> str:
    a, b, c = given
    queue = names.queue(a)
    match code:
        case "full":
            count = int(b) if b.isdigit() else 0
            return ngettext(
                "“%(queue)s” was full: %(num)s caller was waiting.",
                "“%(queue)s” was full: %(num)s callers were waiting.",
                count,
                queue=queue,
            )
        case "predicted-too-long":
            return gettext(
                "A wait of about %(wait)s s was expected in “%(queue)s”; more than %(most)s s is not asked of callers.",
                queue=queue,
                wait=b or "?",
                most=c or "?",
            )
        case "no-agent":
            return gettext("Nobody was signed in to take calls of “%(queue)s”.", queue=queue)
        case "too-long":
            return gettext("Nobody answered in “%(queue)s” within %(seconds)s s.", queue=queue, seconds=b or "?")
        case "closed":
            return gettext("It was closed by the hours “%(hours)s”.", hours=b or a)
        case "clock-open":
            return gettext("The box did not know what time it was, so “%(hours)s” counted as open.", hours=a)
        case "callback-clock":
            return gettext("The box did not know what time it was, so nobody was called back until it knew.")
        case "moved":
            return gettext("A supervisor moved the call from “%(queue)s” to “%(to)s”.", queue=queue, to=names.queue(b))
        case "callback-offered":
            return gettext("A call back was offered, because a long wait was expected in “%(queue)s”.", queue=queue)
        case "callback-declined":
            return gettext("The caller did not want to be called back and waited.")
        case "callback-refused" if b == "phone":
            return gettext("A phone of the house cannot ask to be called back.")
        case "callback-refused":
            return gettext("“%(queue)s” could note no more calls back, so the caller waited.", queue=queue)
    return ""


def _caller(code: str, names: Names, step: Step, given: tuple[str, str, str]) -> str:
    a = given[0]
    match code:
        case "vip":
            return gettext("An important contact: comes before others.")
        case "repeat-caller":
            count = int(a) if a.isdigit() else 2
            return ngettext(
                "Called %(num)s time today already: comes earlier.",
                "Called %(num)s times today already: comes earlier.",
                count,
            )
        case "blocked":
            return gettext("This number is blocked.")
        case "preferred-queue":
            return gettext("This contact is always led to “%(queue)s”.", queue=names.queue(a))
    return ""


def _other(code: str, names: Names, step: Step, given: tuple[str, str, str]) -> str:
    a, b, c = given
    match code:
        case "survey-offered":
            return gettext("The caller was asked for an opinion.")
        case "survey-skipped" if b == "asked-lately":
            return gettext("Not asked for an opinion: this number was asked within the last %(days)s days.", days=c)
        case "survey-skipped":
            return gettext("Not asked for an opinion: only %(percent)s %% of callers are.", percent=c or "?")
        case "survey-refused":
            return gettext("The caller answered no question.")
        case "line-failed" if a:
            return gettext(
                "Line “%(line)s” could not be used for %(number)s: %(why)s.", line=a, number=number(c), why=b
            )
        case "line-failed":
            return gettext("No line to the outside was usable for %(number)s.", number=number(c))
        case "outside-refused":
            return gettext("Calling %(number)s is not allowed here.", number=number(a))
    return ""


def _text(step: Step, name: str) -> str:
    return label(str(step.detail.get(name, "")))
