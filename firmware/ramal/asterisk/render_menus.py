"""Menus of any depth: what is said, which keys lead where, and what wrong keys and silence lead to. Pure.

A menu is the context ``menu-<name>``; going there is ``Goto(dest-menu,<name>,1)``. What all menus share (the way back,
the counts, the language) is hand-written in ``dialplan/routes.conf``; here stands only what one menu has of its own.

Ends of a menu: a key that leads somewhere; ``tries`` hearings that ended in a wrong key or in silence, both counted
together; ``wrong_tries`` wrong keys; ``silent_tries`` silences; whichever comes first. What ended it decides where it
leads: a wrong key to ``wrong``, silence to ``silent``, each to ``otherwise`` when it is not given. The counts begin
anew whenever the menu is entered; ``repeat`` leaves them as they are.
"""

from collections.abc import Iterable

from ramal.asterisk.goto import goto, prompt
from ramal.asterisk.tokens import token
from ramal.core.destination import Destination
from ramal.core.office import Language, Menu, Office, Option

DIGIT_WAIT_S = 2
"""Between the digits of a dialed extension. A key that is an option and the beginning of an extension at once is taken
as the option after this wait; any other key at once."""


def menus(menus: tuple[Menu, ...]) -> str:
    return (
        "\n".join(["[dest-menu]", *(f"exten => {token(menu.name)},1,Goto(menu-{menu.name},s,1)" for menu in menus)])
        + "\n"
    )


def menu(menu: Menu, office: Office) -> str:
    name = token(menu.name)
    rows = [
        f"[menu-{name}]",
        f"exten => s,1,Gosub(ramal-menu,s,1({name},{DIGIT_WAIT_S}))",
        f" same => n(again),Set(RAMAL_SAY=${{RAMAL_GREETING}}{prompt(menu.text, office, menu.text_in)})",
        " same => n,Set(RAMAL_GREETING=)",  # before it is spoken: a key may lead on to another menu from within it
        " same => n,Background(${RAMAL_SAY})",
        # A broken file ends it there: then at least what this menu says, at least a sign that it is one's turn.
        f' same => n,ExecIf($["${{BACKGROUNDSTATUS}}"="FAILED"]?Background({prompt(menu.text, office, menu.text_in)}))',
        ' same => n,ExecIf($["${BACKGROUNDSTATUS}"="FAILED"]?Background(beep))',
        f" same => n,WaitExten({menu.wait_s})",
    ]
    for option in menu.options:
        rows += _option(name, option)
    if menu.direct_dial:
        for extension, to in extensions(office).items():
            rows += [f"exten => {token(extension)},1,CELGenUserEvent(KEY,{name}|{extension})", f" same => n,{goto(to)}"]
    rows += [
        f"exten => i,1,CELGenUserEvent(WRONG_KEY,{name}|${{FILTER(0-9*#,${{INVALID_EXTEN}})}})",
        " same => n,Set(RAMAL_WRONG=$[${RAMAL_WRONG} + 1])",
        *_counted("RAMAL_WRONG", menu.wrong_tries, menu.tries),
        " same => n,Set(RAMAL_GREETING=${RAMAL_PROMPTS}/wrong-key&)",
        " same => n,Goto(s,again)",
        " same => n(over),Playback(${RAMAL_PROMPTS}/wrong-key)",
        f" same => n,CELGenUserEvent(MENU_GIVEN_UP,{name}|wrong)",
        f" same => n,{goto(menu.wrong or menu.otherwise)}",
        f"exten => t,1,CELGenUserEvent(NO_KEY,{name})",
        " same => n,Set(RAMAL_SILENT=$[${RAMAL_SILENT} + 1])",
        *_counted("RAMAL_SILENT", menu.silent_tries, menu.tries),
        " same => n,Goto(s,again)",
        f" same => n(over),CELGenUserEvent(MENU_GIVEN_UP,{name}|silent)",
        f" same => n,{goto(menu.silent or menu.otherwise)}",
    ]
    return "\n".join(rows) + "\n"


def _counted(variable: str, own_tries: int, tries: int) -> list[str]:
    """Go to ``over`` when this was the last try, of its own kind or of both together."""
    both = f"${{RAMAL_WRONG}} + ${{RAMAL_SILENT}} >= {tries}"
    own = f"${{{variable}}} >= {own_tries} | " if own_tries else ""
    return [f" same => n,GotoIf($[{own}{both}]?over)"]


def _option(menu: str, option: Option) -> list[str]:
    rows = [f"exten => {token(option.key) if option.key != '#' else '#'},1,CELGenUserEvent(KEY,{menu}|{option.key})"]
    rows += spoken_in(option.language)
    rows += needing(option.need)
    if option.priority:  # on top of what the caller had when the menu was entered: pressing it twice lifts once
        rows.append(f" same => n,Set(RAMAL_LEVEL=$[0${{RAMAL_LEVEL_AT_{menu}}} + {option.priority}])")
    return [*rows, f" same => n,{goto(option.to)}"]


def spoken_in(language: Language | str, why: str = "") -> Iterable[str]:
    """The call goes on in a language; ``why`` "number" gives way to what a contact or a key has chosen."""
    if language:
        yield f" same => n,Gosub(ramal-language,s,1({token(language)}{',' + why if why else ''}))"


def needing(skill: str) -> Iterable[str]:
    """The call asks for a skill."""
    if skill:
        yield f" same => n,Gosub(ramal-need,s,1({token(skill)}))"


def extensions(office: Office) -> dict[str, Destination]:
    """What may be dialed from a menu: the phones' extensions, then those of queues."""
    found = {phone.extension: Destination("phone", phone.extension) for phone in office.phones}
    for queue in office.queues:
        if queue.extension:
            found.setdefault(queue.extension, Destination("queue", queue.name))
    return found
