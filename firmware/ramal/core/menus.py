"""What callers did in each menu: entered it, pressed keys, said nothing, and where they gave up.

Pure. Counted from one call's story; ``store.menus`` sums these up. A menu is entered once for each time the caller came
to it, from wherever; hearing it again (``repeat``, a wrong key, silence) is not entering. Every entering ends in one
way, so for the ended calls of a time, for each menu:

    entered + again = keys + given up + hung up + lost

``hung up`` is the drop-out point: the caller hung up while in this menu, before any key that leads somewhere. ``lost``:
taken away by other means, a transfer or a power cut.
"""

import re

from ramal.core.destination import NAME
from ramal.core.history import MenuEvent, MenuTally
from ramal.core.story import Story

PATH_MAX = 24
"""Places of ``Call.menu``; somebody who plays with the keys for an hour is shown by the last of them."""
KINDS_MAX = 200
"""Different things counted of one call."""
_KEYS = re.compile(r"[0-9*#]{1,6}\Z")
_LEAVING = frozenset({"QUEUE", "PHONE", "VOICEMAIL", "CLOSED", "OUT", "CALLBACK", "NUMBER", "REFUSED"})
_IN_A_MENU: dict[str, MenuEvent] = {"WRONG_KEY": "wrong", "NO_KEY": "silent", "MENU_GIVEN_UP": "given-up"}
_TOLD = _LEAVING | {"MENU", "KEY", *_IN_A_MENU}


def tally(story: Story, cut: bool) -> tuple[MenuTally, ...]:
    """All that happened in menus during an ended call; ``cut`` when Asterisk or the power ended it."""
    found: dict[tuple[str, MenuEvent, str], int] = {}
    inside = ""
    for event, fields in story.said:
        name = event.user
        if name not in _TOLD:  # most events, on the way of every call into the history
            continue
        if name in _LEAVING:
            slot: tuple[str, MenuEvent, str] = (inside, "lost", "")
            inside = ""
            if not slot[0]:
                continue
        else:
            menu = fields[0]
            if not NAME.match(menu):
                continue
            if name == "MENU":
                if inside:
                    found[inside, "lost", ""] = found.get((inside, "lost", ""), 0) + 1
                slot = (menu, "again" if fields[1:] == ["again"] else "entered", "")
                inside = menu
            elif name == "KEY":
                key = fields[1] if len(fields) > 1 else ""
                if not _KEYS.match(key):
                    continue
                slot = (menu, "key", key)
                inside = ""
            else:
                slot = (menu, _IN_A_MENU[name], "")
                if name == "MENU_GIVEN_UP":
                    inside = ""
        found[slot] = found.get(slot, 0) + 1
    if inside:
        slot = (inside, "lost" if cut else "hung-up", "")
        found[slot] = found.get(slot, 0) + 1
    return tuple(MenuTally(*slot, n) for slot, n in list(found.items())[:KINDS_MAX]) if found else ()
