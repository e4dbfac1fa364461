"""Sentences for the steps of agents, supervisors and callbacks within a call, from codes, in the page's language."""

from collections.abc import Mapping
from typing import Protocol

from ramal.core.history import Step
from ramal_web.calls.why import skill
from ramal_web.formats import label, number
from ramal_web.i18n import gettext

LOOK = {
    "language": ("talk", "info"),
    "need": ("keys", "info"),
    "night": ("moon", "info"),
    "disposition": ("pen", "info"),
    "wrap_up": ("pen", "quiet"),
    "wrap_up_ended": ("pen", "quiet"),
    "notice": ("ring", "warn"),
    "status": ("keys", "quiet"),
    "callback_noted": ("back", "info"),
    "callback_again": ("back", "quiet"),
    "callback_waiting": ("clock", "info"),
    "callback_state": ("back", "quiet"),
    "callback_calling": ("phone", "warn"),
    "callback_over": ("back", "info"),
    "returning": ("phone", "info"),
    "parked": ("pause", "info"),
    "retrieved": ("back", "good"),
    "picked_up": ("check", "good"),
    "came_back": ("back", "warn"),
    "do_not_disturb": ("moon", "quiet"),
    "forward": ("turn", "quiet"),
    "decision": ("why", "quiet"),
    "supervised": ("ear", "info"),
}


class Names(Protocol):
    """Who says names for codes."""

    def agent(self, code: str) -> str: ...
    def queue(self, name: str) -> str: ...
    def phone(self, extension: str) -> str: ...
    def disposition(self, queue: str, code: str) -> str: ...


def said(step: Step, names: Names) -> str:
    """The step as a sentence; "" when it is none of these."""
    return _agent(step, names) or _callback(step, names) or _phone(step, names) or _supervised(step, names)


def _agent(step: Step, names: Names) -> str:
    name = names.agent(step.who or _text(step.detail, "agent"))
    match step.kind:
        case "language":
            return gettext("The call went on in %(language)s.", language=skill(_text(step.detail, "language")))
        case "need":
            return gettext("The call asks for somebody with %(skill)s.", skill=skill(_text(step.detail, "skill")))
        case "night":
            return _night(step)
        case "disposition":
            what = names.disposition(_text(step.detail, "queue"), _text(step.detail, "code"))
            return gettext("%(name)s noted what it was: %(what)s.", name=name, what=what)
        case "wrap_up":
            return gettext("%(name)s had %(s)s s for the notes.", name=name, s=_text(step.detail, "seconds") or "?")
        case "wrap_up_ended":
            return gettext("%(name)s finished the notes.", name=name)
        case "notice":
            if _text(step.detail, "about") == "missed":
                return gettext("The phone of %(name)s said that calls were missed.", name=name)
            return gettext("The phone of %(name)s reminded of the long break.", name=name)
        case "status":
            return gettext("%(name)s heard how things stand.", name=name)
    return ""


def _phone(step: Step, names: Names) -> str:
    who = _caller(step, names)
    match step.kind:
        case "parked":
            return gettext("Parked by phone %(phone)s.", phone=names.phone(_text(step.detail, "by") or step.who))
        case "retrieved":
            return gettext("Taken out of parking by %(name)s.", name=who)
        case "picked_up":
            return gettext("Picked up by %(name)s from another phone.", name=who)
        case "came_back":
            return gettext("Came back to phone %(phone)s: nobody took it.", phone=names.phone(_phone_of(step)))
        case "do_not_disturb":
            if _text(step.detail, "state") in ("off", "0", ""):
                return gettext("Phone %(phone)s rings again.", phone=names.phone(_phone_of(step)))
            return gettext("Phone %(phone)s asked not to be disturbed.", phone=names.phone(_phone_of(step)))
        case "forward":
            to = _text(step.detail, "number")
            if not to:
                return gettext("Phone %(phone)s no longer forwards its calls.", phone=names.phone(_phone_of(step)))
            return gettext(
                "Phone %(phone)s forwards its calls to %(number)s.",
                phone=names.phone(_phone_of(step)),
                number=number(to),
            )
    return ""


def _phone_of(step: Step) -> str:
    return _text(step.detail, "phone") or step.who


def _night(step: Step) -> str:
    hours = _text(step.detail, "hours")
    return {
        "open": gettext("The hours “%(hours)s” were switched to open.", hours=hours),
        "closed": gettext("The hours “%(hours)s” were switched to closed.", hours=hours),
    }.get(_text(step.detail, "state"), gettext("The hours “%(hours)s” go by the clock again.", hours=hours))


def _callback(step: Step, names: Names) -> str:
    queue, called = names.queue(_text(step.detail, "queue")), number(_text(step.detail, "number"))
    match step.kind:
        case "callback_noted":
            return gettext("Asked to be called back at %(number)s; the place in “%(queue)s” is kept.",
                           number=called, queue=queue)  # fmt: skip
        case "callback_again":
            return gettext("Asked to be called back, which was noted already.")
        case "callback_waiting":
            return gettext("The call back to %(number)s waits in “%(queue)s” at the caller's place.",
                           number=called, queue=queue)  # fmt: skip
        case "callback_state":
            if _text(step.detail, "state") == "not_allowed":
                return gettext("Calling back is not allowed at this hour; it waits.")
            return gettext("The call back waits for its turn.")
        case "callback_calling":
            return gettext("Called the customer, try %(n)s.", n=_text(step.detail, "n") or "1")
        case "callback_over":
            return {
                "spoken": gettext("The call back was done: they spoke."),
                "expired": gettext("The call back was given up: too late, or too many tries."),
                "served": gettext("The call back was not needed any more: they had spoken already."),
            }.get(_text(step.detail, "result"), gettext("The call back ended."))
        case "returning":
            return gettext("%(name)s called %(number)s back.", name=_caller(step, names), number=called)
    return ""


def _caller(step: Step, names: Names) -> str:
    code = step.who or _text(step.detail, "agent")
    return names.agent(code) if code else names.phone(_text(step.detail, "phone"))


def _supervised(step: Step, names: Names) -> str:
    if step.kind != "supervised":
        return ""
    by, agent = names.agent(_text(step.detail, "by").removeprefix("page:")), names.agent(_text(step.detail, "agent"))
    return act(_text(step.detail, "act"), by, agent)


def act(what: str, by: str, agent: str) -> str:
    """What a supervisor did, as a sentence."""
    return {
        "listen": gettext("%(by)s listened to the call of %(agent)s.", by=by, agent=agent),
        "whisper": gettext("%(by)s listened and whispered to %(agent)s.", by=by, agent=agent),
        "barge": gettext("%(by)s joined the call of %(agent)s.", by=by, agent=agent),
        "pause": gettext("%(by)s sent %(agent)s on a break.", by=by, agent=agent),
        "resume": gettext("%(by)s took %(agent)s back from the break.", by=by, agent=agent),
    }.get(what, gettext("%(by)s signed %(agent)s out.", by=by, agent=agent))


def _text(detail: Mapping[str, object], name: str) -> str:
    return label(str(detail.get(name, "")))
