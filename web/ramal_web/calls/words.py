"""Sentences for the steps of a call and the states of a recording, from codes, in the page's language."""

from ramal.core.history import Step
from ramal_web.calls import inbound, opinions, recorded, why
from ramal_web.formats import label, number
from ramal_web.history import OfficeWords
from ramal_web.i18n import gettext

STEP_LOOK = {
    "arrived": ("phone", "info"),
    "refused": ("stop", "bad"),
    "closed": ("moon", "quiet"),
    "greeting": ("talk", "quiet"),
    "menu": ("keys", "quiet"),
    "key": ("keys", "info"),
    "wrong_key": ("keys", "warn"),
    "no_key": ("keys", "warn"),
    "menu_given_up": ("keys", "bad"),
    "queue_joined": ("clock", "info"),
    "queue_refused": ("stop", "bad"),
    "queue_left": ("turn", "bad"),
    "ringing": ("ring", "warn"),
    "missed": ("cross", "bad"),
    "ring_cancelled": ("ring", "quiet"),
    "answered": ("check", "good"),
    "phone": ("ring", "warn"),
    "phone_not_answered": ("cross", "bad"),
    "transferred": ("turn", "info"),
    "voicemail": ("disc", "warn"),
    "message": ("disc", "warn"),
    "messages_opened": ("disc", "quiet"),
    "message_act": ("disc", "quiet"),
    "survey_answer": ("keys", "info"),
    "campaign": ("pen", "info"),
    "abandoned": ("cross", "bad"),
    "hung_up": ("off", "quiet"),
    "restarted": ("bolt", "bad"),
    **inbound.LOOK,
    **recorded.LOOK,
}


def look(step: Step) -> tuple[str, str]:
    """The icon and the tone of a step."""
    return STEP_LOOK.get(step.kind, ("dots", "quiet"))


class Speaker:
    """Says steps, knowing the office's names."""

    def __init__(self, office: OfficeWords) -> None:
        self._office = office

    def agent(self, code: str) -> str:
        """An agent's name."""
        return label(self._office.agents.get(code, code))

    def queue(self, name: str) -> str:
        """A queue's title."""
        return label(self._office.queues.get(name, name))

    def campaign(self, name: str) -> str:
        """A campaign's title."""
        return label(self._office.campaigns.get(name, name))

    def phone(self, extension: str) -> str:
        """A phone's extension, with its name where it has one."""
        name = self._office.phones.get(extension, "")
        return label(f"{extension} ({name})" if name else extension)

    def box(self, name: str) -> str:
        """What people call a box for messages."""
        known = self._office.boxes.get(name)
        if known is None:
            return label(name)
        return label(known.title) or gettext("The office")

    def disposition(self, queue: str, code: str) -> str:
        """What an agent said that a call was, by its text in the queue."""
        return label(self._office.dispositions.get(queue, {}).get(code, code))

    def did(self, text: str) -> str:
        """A number of the office, by its label where it has one."""
        return label(self._office.numbers.get(text, "")) or number(text)

    def say(self, step: Step) -> str:
        """One step as a sentence."""
        if step.kind == "decision":
            return why.said(step, self)
        for sayer in (
            *(self._menu, self._queue, self._ring, self._end),
            *(lambda step: inbound.said(step, self), lambda step: recorded.said(step, self)),
        ):
            said = sayer(step)
            if said:
                return said
        return gettext("Something happened: %(code)s.", code=label(step.kind))

    def _menu(self, step: Step) -> str:
        menu, key = _text(step, "menu"), _text(step, "key")
        match step.kind:
            case "arrived":
                return self._arrived(step)
            case "dialled":
                return gettext("Dialled %(number)s.", number=number(_text(step, "number")))
            case "campaign":
                return gettext(
                    "Called for the campaign “%(campaign)s”.", campaign=self.campaign(_text(step, "campaign"))
                )
            case "closed":
                return gettext("The office was closed.")
            case "greeting":
                return gettext("Heard the greeting.")
            case "menu":
                return gettext("Heard the menu “%(menu)s”.", menu=menu)
            case "key":
                return gettext("Pressed %(key)s in the menu “%(menu)s”.", key=key, menu=menu)
            case "wrong_key":
                return gettext("Pressed %(key)s, which leads nowhere in the menu “%(menu)s”.", key=key, menu=menu)
            case "no_key":
                return gettext("Pressed no key in the menu “%(menu)s”.", menu=menu)
            case "menu_given_up":
                return gettext("The menu “%(menu)s” ended without a choice.", menu=menu)
        return ""

    def _arrived(self, step: Step) -> str:
        line, did = _text(step, "line"), _text(step, "number")
        if line and did:
            return gettext("The call came in on line “%(line)s” for %(number)s.", line=line, number=self.did(did))
        return gettext("The call came in.")

    def _queue(self, step: Step) -> str:
        queue = self.queue(_text(step, "queue"))
        match step.kind:
            case "queue_joined":
                place = step.detail.get("position")
                if isinstance(place, int) and place > 0:
                    return gettext("Began to wait in “%(queue)s”, at place %(place)s.", queue=queue, place=place)
                return gettext("Began to wait in “%(queue)s”.", queue=queue)
            case "queue_refused":
                return gettext("“%(queue)s” took no more callers: full, or nobody there.", queue=queue)
            case "queue_left":
                return {
                    "timed_out": gettext("The longest wait of “%(queue)s” passed.", queue=queue),
                    "blocked": gettext("Left “%(queue)s” because nobody was there any more.", queue=queue),
                }.get(_text(step, "reason"), gettext("Left “%(queue)s” without an answer.", queue=queue))
            case "abandoned":
                return gettext("Hung up while waiting in “%(queue)s”.", queue=queue)
        return ""

    def _ring(self, step: Step) -> str:
        who = self.agent(step.who) if step.who else self.phone(_text(step, "phone"))
        match step.kind:
            case "ringing":
                return gettext("The phone of %(name)s began to ring.", name=who)
            case "missed":
                return gettext("%(name)s did not answer.", name=who)
            case "ring_cancelled":
                return gettext("The phone of %(name)s stopped ringing.", name=who)
            case "answered":
                return gettext("%(name)s answered.", name=who)
            case "phone":
                return gettext("Phone %(phone)s began to ring.", phone=self.phone(_text(step, "phone") or step.who))
            case "phone_not_answered":
                return self._not_answered(step)
        return ""

    def _not_answered(self, step: Step) -> str:
        phone = self.phone(_text(step, "phone") or step.who)
        match _text(step, "reason"):
            case "BUSY":
                return gettext("Phone %(phone)s was busy.", phone=phone)
            case "CHANUNAVAIL" | "CONGESTION":
                return gettext("Phone %(phone)s could not be reached.", phone=phone)
        return gettext("Phone %(phone)s was not answered.", phone=phone)

    def _end(self, step: Step) -> str:
        match step.kind:
            case "refused":
                return gettext("The box did not accept the call.")
            case "transferred":
                return gettext("Transferred to %(target)s.", target=label(_text(step, "to")))
            case "voicemail":
                return gettext("Was asked to leave a message for “%(box)s”.", box=self.box(_text(step, "box")))
            case "survey_answer":
                question, value = _text(step, "question"), _text(step, "value")
                if question == "sentence":
                    return gettext("Left a sentence after the call.")
                return gettext("Answered: %(answer)s.", answer=opinions.answer(question, value))
            case "message":
                return {
                    "SHORT": gettext("No message was left: there was no sound."),
                    "FULL": gettext("No message could be left: the box is full."),
                    "ERROR": gettext("No message could be recorded: there was no room."),
                }.get(_text(step, "result"), gettext("The message was recorded."))
            case "messages_opened":
                return gettext("The messages of “%(box)s” were opened by phone.", box=self.box(_text(step, "box")))
            case "message_act":
                return self._message_act(step)
            case "login":
                return gettext("%(name)s signed in at the phone.", name=self.agent(step.who))
            case "logout":
                return gettext("%(name)s signed out at the phone.", name=self.agent(step.who))
            case "pause":
                return gettext("%(name)s went on a break.", name=self.agent(step.who))
            case "resume":
                return gettext("%(name)s came back from the break.", name=self.agent(step.who))
            case "code_refused":
                return gettext("The code was not accepted.")
            case "restarted":
                return gettext("The telephone system restarted; the call was cut.")
            case "hung_up":
                return {
                    "caller": gettext("The caller hung up."),
                    "agent": gettext(
                        "%(name)s hung up.", name=self.agent(step.who) if step.who else gettext("The agent")
                    ),
                }.get(_text(step, "by"), gettext("The call ended."))
        return ""

    def _message_act(self, step: Step) -> str:
        name = self.agent(_text(step, "agent").removeprefix("page:"))
        match _text(step, "act"):
            case "heard":
                return gettext("%(name)s heard a message.", name=name)
            case "returned":
                return gettext("%(name)s marked a message as returned.", name=name)
            case "deleted":
                return gettext("%(name)s deleted a message.", name=name)
            case "restored":
                return gettext("%(name)s brought a message back.", name=name)
        return gettext("A message was put in order.")


def act(what: str, by: str, agent: str) -> str:
    """What a supervisor did with this call."""
    return inbound.act(what, by, agent)


def callback_state(code: str) -> str:
    """What became of a callback."""
    return {
        "waiting": gettext("waits for its turn"),
        "calling": gettext("being called now"),
        "not_allowed": gettext("not at this hour"),
        "done": gettext("done: they spoke"),
        "expired": gettext("given up"),
        "cancelled": gettext("cancelled"),
    }.get(code, label(code))


def leg_end(code: str) -> str:
    """How somebody's part of a call ended; "" when the call ended there."""
    return {"transferred": gettext("handed on"), "parked": gettext("parked")}.get(code, "")


def hangup(by: str) -> str:
    """Who ended a call."""
    return {
        "caller": gettext("The caller"),
        "agent": gettext("The agent"),
        "system": gettext("The box"),
    }.get(by, "–")


def recording_state(code: str) -> str:
    """What can be said of a recording's file; "" when all is well."""
    return {
        "writing": gettext("The recording is still being written. Reload this page after the call."),
        "short": gettext("This recording is shorter than the talk: its end may be missing."),
        "missing": gettext(
            "There is no file for this recording. The disk may have been full, or the file was deleted."
        ),
        "damaged": gettext("This recording is damaged. What can be played is played."),
    }.get(code, "")


def _text(step: Step, name: str) -> str:
    return label(str(step.detail.get(name, "")))
