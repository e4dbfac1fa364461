"""Numbers, and the doors of queues: where a call goes before anybody waits. Pure."""

from ramal.asterisk.goto import goto, prompt
from ramal.asterisk.prompts import FOLDER, spoken
from ramal.asterisk.render_menus import needing, spoken_in
from ramal.asterisk.tokens import token
from ramal.core.office import Number, Office, Queue


def numbers(office: Office) -> str:
    rows = ["[dest-number]"]
    for number in office.numbers:
        rows += _number(number, office)
    return "\n".join(rows) + "\n"


def _number(number: Number, office: Office) -> list[str]:
    rows = [f"exten => {token(number.number)},1,CELGenUserEvent(NUMBER,{number.number})"]
    rows.append(f" same => n,Set(__RAMAL_NUMBER={number.number})")  # what is shown when the caller is called back
    rows += spoken_in(number.language, "number")
    rows += needing(number.need)
    if number.priority:
        rows.append(f" same => n,Set(RAMAL_LEVEL=$[0${{RAMAL_LEVEL}} + {number.priority}])")
    if number.hours:
        rows += [
            f" same => n,Gosub(hours,{token(number.hours)},1)",
            ' same => n,GotoIf($["${GOSUB_RETVAL}"="open"]?open)',
            f" same => n,Gosub(ramal-closed,s,1({number.hours}))",
            f" same => n,{goto(number.closed)}",
            " same => n(open),NoOp()",
        ]
    greeting = prompt(number.greeting, office, number.greeting_in) if number.greeting else ""
    if number.to.kind in ("menu", "queue"):
        usual = number.to.name if number.to.kind == "queue" else ""
        rows.append(f" same => n,Gosub(ramal-preferred,s,1({usual},{greeting}))")
    if number.greeting and number.to.kind == "menu":  # spoken by the menu itself, so that a key can interrupt it
        rows.append(f" same => n,Set(RAMAL_GREETING={greeting}&)")
    elif number.greeting:
        rows.append(f" same => n,Gosub(ramal-greeting,s,1({greeting}))")
    return [*rows, f" same => n,{goto(number.to)}"]


def languages(office: Office) -> str:
    """``ramal-speaks``: the languages that have prompts; a call never goes on in another."""
    return "\n".join(["[ramal-speaks]", *(f"exten => {FOLDER[one]},1,NoOp()" for one in spoken(office))]) + "\n"


def queue_opening(queue: Queue) -> list[str]:
    """The steps of ``dest-queue`` before anybody waits: outside the queue's own hours the call goes elsewhere."""
    if not queue.hours:
        return [" same => n,Set(RAMAL_CLOSED=)"]
    return [
        f" same => n,Gosub(hours,{token(queue.hours)},1)",
        ' same => n,GotoIf($["${GOSUB_RETVAL}"="open"]?open)',
        f" same => n,Gosub(ramal-closed,s,1({queue.hours},{token(queue.name)}))",
        f" same => n,{goto(queue.closed)}",
        " same => n(open),Set(RAMAL_CLOSED=)",  # somewhere else was closed: what happens from here on is not that
    ]
