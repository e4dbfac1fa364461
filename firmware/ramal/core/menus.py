"""What callers did in each menu: entered it, pressed keys, said nothing, and where they gave up.

Pure. Counted from one call's story; ``store.menus`` sums these up. A menu is entered once for each time the caller came
to it, from wherever; hearing it again (``repeat``, a wrong key, silence) is not entering. Every entering ends in one
way, so for the ended calls of a time, for each menu:

    entered + again = keys + given up + hung up + lost

``hung up`` is the drop-out point: the caller hung up while in this menu, before any key that leads somewhere. ``lost``:
taken away by other means, a transfer or a power cut.
"""

import re
from collections import Counter

from ramal.core.destination import NAME
from ramal.core.history import MenuEvent, MenuTally
from ramal.core.story import Story

PATH_MAX = 24
"""Places of ``Call.menu``; somebody who plays with the keys for an hour is shown by the last of them."""
KINDS_MAX = 200
"""Different things counted of one call."""
_KEYS = re.compile(r"[0-9*#]{1,6}\Z")
_LEAVING = frozenset({"QUEUE", "PHONE", "VOICEMAIL", "CLOSED", "OUT", "CALLBACK", "NUMBER", "REFUSED"})


def tally(story: Story, cut: bool) -> tuple[MenuTally, ...]:
    """All that happened in menus during an ended call; ``cut`` when Asterisk or the power ended it."""
    found: Counter[tuple[str, MenuEvent, str]] = Counter()
    inside = ""

    def leave(event: MenuEvent) -> None:
        nonlocal inside
        if inside:
            found[inside, event, ""] += 1
        inside = ""

    for event, fields in story.said:
        menu = fields[0]
        match event.user:
            case "MENU" | "KEY" | "WRONG_KEY" | "NO_KEY" | "MENU_GIVEN_UP" if not NAME.match(menu):
                continue
            case "MENU" if len(fields) > 1 and fields[1] == "again":
                leave("lost")
                found[menu, "again", ""] += 1
                inside = menu
            case "MENU":
                leave("lost")
                found[menu, "entered", ""] += 1
                inside = menu
            case "KEY" if len(fields) > 1 and _KEYS.match(fields[1]):
                found[menu, "key", fields[1]] += 1
                inside = ""
            case "WRONG_KEY":
                found[menu, "wrong", ""] += 1
            case "NO_KEY":
                found[menu, "silent", ""] += 1
            case "MENU_GIVEN_UP":
                found[menu, "given-up", ""] += 1
                inside = ""
            case name if name in _LEAVING:
                leave("lost")
    leave("lost" if cut else "hung-up")
    return tuple(MenuTally(*slot, n) for slot, n in list(found.items())[:KINDS_MAX])
