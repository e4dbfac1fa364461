"""Numbers, menus and opening hours: where a call goes before anybody waits. Pure."""

from ramal.asterisk.goto import goto, prompt
from ramal.asterisk.tokens import token
from ramal.core.hours import asterisk_conditions
from ramal.core.office import Hours, Menu, Number, Office


def numbers(office: Office) -> str:
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
        rows.append(f" same => n,Set(RAMAL_GREETING={prompt(number.greeting, office)}&)")
    elif number.greeting:
        rows.append(f" same => n,Gosub(ramal-greeting,s,1({prompt(number.greeting, office)}))")
    return [*rows, f" same => n,{goto(number.to)}"]


def menus(menus: tuple[Menu, ...]) -> str:
    return (
        "\n".join(["[dest-menu]", *(f"exten => {token(menu.name)},1,Goto(menu-{menu.name},s,1)" for menu in menus)])
        + "\n"
    )


def menu(menu: Menu, office: Office) -> str:
    name = token(menu.name)
    rows = [
        f"[menu-{name}]",
        "exten => s,1,Answer()",
        ' same => n,ExecIf($["${RAMAL_GREETING}"!=""]?CELGenUserEvent(GREETING))',
        f" same => n,CELGenUserEvent(MENU,{name})",
        " same => n,Set(RAMAL_TRY=0)",
        " same => n(again),Set(RAMAL_TRY=$[${RAMAL_TRY} + 1])",
        f" same => n,GotoIf($[${{RAMAL_TRY}} > {menu.tries}]?given-up)",
        f" same => n,Background(${{RAMAL_GREETING}}{prompt(menu.text, office)})",
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


def hours(hours: tuple[Hours, ...], timezone: str) -> str:
    rows = ["[hours]"]
    for week in hours:
        name = token(week.name)
        rows.append(f"exten => {name},1,NoOp()")
        rows += [f" same => n,GotoIfTime({condition}?is-open)" for condition in asterisk_conditions(week, timezone)]
        rows += [" same => n,Return(closed)", " same => n(is-open),Return(open)"]
    return "\n".join(rows) + "\n"
