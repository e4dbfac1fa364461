"""extensions.conf: generated contexts that say what goes where. Pure.

Every destination is ``dest-<kind>,<name>,1``; menus are ``menu-<name>``; hours answer by ``Gosub(hours,<name>,1)`` with
``open`` or ``closed``. No string of a person reaches this file: names are whitelisted, texts became prompt files.
"""

import hashlib

import phonenumbers

from ramal.asterisk.machine import Box
from ramal.asterisk.prompts import office_prompt
from ramal.asterisk.tokens import token
from ramal.core.destination import Destination
from ramal.core.hours import asterisk_conditions
from ramal.core.office import Agent, Hours, Line, Menu, Number, Office, Queue


def extensions_conf(office: Office, box: Box) -> str:
    """The whole file. ``clearglobalvars`` lets a changed path take effect with a reload."""
    parts = [
        f"""[general]
static = yes
writeprotect = yes
autofallthrough = yes
clearglobalvars = yes

[globals]
RAMAL_RECORDINGS = {box.recordings}
RAMAL_PROMPTS = {box.prompts}

#include "dialplan/inbound.conf"
#include "dialplan/phone.conf"
""",
        *(_line(line, office) for line in office.lines if line.kind in ("sip-peer", "sip-register")),
        _numbers(office),
        _queues(office.queues),
        *(_menu(menu, office) for menu in office.menus),
        _menus(office.menus),
        _phones(office),
        _voicemail(office.queues),
        _hours(office.hours, office.timezone),
        _agents(office.agents),
        f"#tryinclude {box.custom}/extensions.conf\n",
    ]
    return "\n".join(parts)


def goto(destination: Destination) -> str:
    """``Goto(…)`` that takes a call to a destination."""
    return f"Goto(dest-{destination.kind},{token(destination.name) or 's'},1)"


def spellings(number: str, country: str) -> tuple[str, ...]:
    """How providers send one of our numbers: E.164, without ``+``, national, with a trunk 0, local part."""
    national = number
    try:
        parsed = phonenumbers.parse(number)
        national = phonenumbers.national_significant_number(parsed)
    except phonenumbers.NumberParseException:
        national = number[1:]
    return tuple(dict.fromkeys((number, number[1:], national, f"0{national}")))


def pin_digest(code: str, pin: str) -> str:
    """What the dialplan compares: lower-case hex SHA-1 of ``code:pin``, so that a PIN is not readable in a file."""
    return hashlib.sha1(f"{code}:{pin}".encode(), usedforsecurity=False).hexdigest()


def _line(line: Line, office: Office) -> str:
    rows = [f"[line-{token(line.name)}]"]
    known: set[str] = set()
    for number in office.numbers:
        for spelling in spellings(number.number, office.country):
            if spelling not in known:
                known.add(spelling)
                rows += _arrival(spelling, line, f"Goto(dest-number,{token(number.number)},1)")
    fallback = "Goto(ramal-unknown-number,s,1)"
    if line.kind == "sip-register" and len(office.numbers) == 1:
        fallback = f"Goto(dest-number,{token(office.numbers[0].number)},1)"  # many providers send only our user name
    rows += _arrival("_[+0-9a-zA-Z].", line, fallback) + _arrival("s", line, fallback)
    return "\n".join(rows) + "\n"


def _arrival(exten: str, line: Line, then: str) -> list[str]:
    return [
        f"exten => {exten},1,Set(EXTEN_SENT=${{EXTEN}})",
        f" same => n,Gosub(ramal-arrive,s,1({token(line.name)},{line.channels}))",
        f" same => n,{then}",
    ]


def _numbers(office: Office) -> str:
    rows = ["[dest-number]"]
    for number in office.numbers:
        rows += _number(number, office)
    return "\n".join(rows) + "\n"


def _number(number: Number, office: Office) -> list[str]:
    rows = [f"exten => {token(number.number)},1,CELGenUserEvent(NUMBER,{number.number})"]
    if number.hours:
        rows += [
            f" same => n,Gosub(hours,{token(number.hours)},1)",
            ' same => n,GotoIf($["${GOSUB_RETVAL}"="open"]?open)',
            f" same => n,Gosub(ramal-closed,s,1({number.hours}))",
            f" same => n,{goto(number.closed)}",
            " same => n(open),NoOp()",
        ]
    if number.greeting and number.to.kind == "menu":  # spoken by the menu itself, so that a key can interrupt it
        rows.append(f" same => n,Set(RAMAL_GREETING={_prompt(number.greeting, office)}&)")
    elif number.greeting:
        rows.append(f" same => n,Gosub(ramal-greeting,s,1({_prompt(number.greeting, office)}))")
    return [*rows, f" same => n,{goto(number.to)}"]


def _queues(queues: tuple[Queue, ...]) -> str:
    rows = ["[dest-queue]"]
    for queue in queues:
        record = "yes" if queue.record else "no"
        rows.append(f"exten => {token(queue.name)},1,Gosub(ramal-queue,s,1({queue.name},{queue.max_wait_s},{record}))")
        if queue.no_agent is not None:
            rows.append(f' same => n,ExecIf($["${{QUEUESTATUS:0:5}}"="JOINE"]?{goto(queue.no_agent)})')
            rows.append(f' same => n,ExecIf($["${{QUEUESTATUS:0:6}}"="LEAVEE"]?{goto(queue.no_agent)})')
        rows.append(f" same => n,{goto(queue.overflow)}")
    return "\n".join(rows) + "\n"


def _menus(menus: tuple[Menu, ...]) -> str:
    return (
        "\n".join(["[dest-menu]", *(f"exten => {token(menu.name)},1,Goto(menu-{menu.name},s,1)" for menu in menus)])
        + "\n"
    )


def _menu(menu: Menu, office: Office) -> str:
    name = token(menu.name)
    rows = [
        f"[menu-{name}]",
        "exten => s,1,Answer()",
        ' same => n,ExecIf($["${RAMAL_GREETING}"!=""]?CELGenUserEvent(GREETING))',
        f" same => n,CELGenUserEvent(MENU,{name})",
        " same => n,Set(RAMAL_TRY=0)",
        " same => n(again),Set(RAMAL_TRY=$[${RAMAL_TRY} + 1])",
        f" same => n,GotoIf($[${{RAMAL_TRY}} > {menu.tries}]?given-up)",
        f" same => n,Background(${{RAMAL_GREETING}}{_prompt(menu.text, office)})",
        " same => n,Set(RAMAL_GREETING=)",
        f" same => n,WaitExten({menu.wait_s})",
        f" same => n(given-up),CELGenUserEvent(MENU_GIVEN_UP,{name})",
        f" same => n,{goto(menu.otherwise)}",
    ]
    for option in menu.options:
        rows += [
            f"exten => {token(option.key) if option.key != '#' else '#'},1,CELGenUserEvent(KEY,{name}|{option.key})"
        ]
        rows += [f" same => n,{goto(option.to)}"]
    rows += [
        f"exten => i,1,CELGenUserEvent(WRONG_KEY,{name}|${{FILTER(0-9*#,${{INVALID_EXTEN}})}})",
        " same => n,Playback(${RAMAL_PROMPTS}/${CHANNEL(language)}/wrong-key)",
        " same => n,Goto(s,again)",
        f"exten => t,1,CELGenUserEvent(NO_KEY,{name})",
        " same => n,Goto(s,again)",
    ]
    return "\n".join(rows) + "\n"


def _phones(office: Office) -> str:
    destination = ["[dest-phone]"]
    internal = ["[phone]"]
    hints = ["[hints]"]
    for phone in office.phones:
        extension = token(phone.extension)
        destination += [
            f"exten => {extension},1,Gosub(ramal-phone,s,1({extension}))",
            " same => n,Hangup(${HANGUPCAUSE})",
        ]
        internal += [
            f"exten => {extension},1,Gosub(ramal-internal,s,1({extension}))",
            " same => n,Hangup(${HANGUPCAUSE})",
        ]
        hints.append(f"exten => {extension},hint,PJSIP/{extension}")
    return "\n".join([*destination, "", *internal, "include => hints", "", *hints]) + "\n"


def _voicemail(queues: tuple[Queue, ...]) -> str:
    rows = ["[dest-voicemail]"]
    for queue in queues:
        rows += [
            f"exten => {token(queue.name)},1,Gosub(ramal-voicemail,s,1({queue.name}))",
            " same => n,Hangup(16)",
        ]
    return "\n".join(rows) + "\n"


def _hours(hours: tuple[Hours, ...], timezone: str) -> str:
    rows = ["[hours]"]
    for week in hours:
        name = token(week.name)
        rows.append(f"exten => {name},1,NoOp()")
        rows += [f" same => n,GotoIfTime({condition}?is-open)" for condition in asterisk_conditions(week, timezone)]
        rows += [" same => n,Return(closed)", " same => n(is-open),Return(open)"]
    return "\n".join(rows) + "\n"


def _agents(agents: tuple[Agent, ...]) -> str:
    at = ["[ramal-agent-at]"]
    pins = ["[ramal-agent-pin]"]
    enter = ["[ramal-agent-in]"]
    leave = ["[ramal-agent-out]"]
    seated: set[str] = set()
    for agent in agents:
        code = token(agent.code)
        if agent.phone and agent.phone not in seated:
            seated.add(agent.phone)
            at.append(f"exten => {token(agent.phone)},1,Return({code})")
        pins.append(f"exten => {code},1,Return({pin_digest(agent.code, agent.pin)})")
        enter.append(f"exten => {code},1,NoOp()")
        enter += [
            f" same => n,AddQueueMember({token(place.queue)},PJSIP/${{ARG1}},{place.penalty},,{agent.member})"
            for place in agent.queues
        ]
        enter.append(" same => n,Return()")
        leave.append(f"exten => {code},1,NoOp()")
        leave += [f" same => n,RemoveQueueMember({token(place.queue)},PJSIP/${{ARG1}})" for place in agent.queues]
        leave.append(" same => n,Return()")
    at.append("exten => _X.,1,Return()")
    leave += ["exten => _X!,1,Return()"]
    return "\n".join([*at, "", *pins, "", *enter, "", *leave]) + "\n"


def _prompt(text: str, office: Office) -> str:
    return f"${{RAMAL_PROMPTS}}/{office_prompt(text, office.language)}"
