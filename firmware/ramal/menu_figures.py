"""``ramal menus``: the menus' figures of the last days as text and JSON. Needs no daemon; reads the database only."""

import datetime
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.core.office import Office
from ramal.store.db import open_reader
from ramal.store.menus import MenuFigures, menus
from ramal.store.settings import load


def figures(home: Home, days: int, now_s: float) -> dict[str, Any]:
    """The office's menus over ``days`` whole days of its own time zone up to now, today included, in the file's order;
    menus that are no longer in it follow. DatabaseUnusable when there is no database."""
    with closing(open_reader(home.db)) as connection:
        office = load(connection)
        since_ms = _midnight_ms(office.timezone if office else "UTC", days - 1, now_s)
        until_ms = round(now_s * 1000)
        found = {one.menu: one for one in menus(connection, since_ms, until_ms)}
    order = [menu.name for menu in office.menus] if office else []
    names = [*order, *(name for name in found if name not in order)]
    shown = [_shown(found.get(name, MenuFigures(name)), office) for name in names]
    return {"since_ms": since_ms, "until_ms": until_ms, "menus": shown}


def text(told: Mapping[str, Any]) -> str:
    """``figures`` in lines: a menu, then each of its keys."""
    if not told["menus"]:
        return "This office has no menu.\n"
    head = ("MENU", "ENTERED", "WRONG", "SILENT", "GIVEN UP", "HUNG UP")
    rows: list[Sequence[str]] = [head]
    for menu in told["menus"]:
        rows.append(
            (menu["menu"], *(str(menu[name]) for name in ("entered", "wrong", "silent", "given_up", "hung_up")))
        )
        rows += [(f"  {key['key']}  {key['to']}".rstrip(), str(key["pressed"]), "", "", "", "") for key in menu["keys"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def _shown(one: MenuFigures, office: Office | None) -> dict[str, Any]:
    """A menu with its keys: those of the file in its order, also when nobody pressed them, then what else was."""
    menu = next((menu for menu in office.menus if menu.name == one.menu), None) if office else None
    leads = {option.key: str(option.to) for option in menu.options} if menu else {}
    keys = [*leads, *(key for key in one.keys if key not in leads)]
    counts = {
        name: getattr(one, name) for name in ("entered", "again", "wrong", "silent", "given_up", "hung_up", "lost")
    }
    pressed = [{"key": key, "to": leads.get(key, ""), "pressed": one.keys.get(key, 0)} for key in keys]
    return {"menu": one.menu, **counts, "keys": pressed}


def _midnight_ms(timezone: str, days_ago: int, now_s: float) -> int:
    zone = ZoneInfo(timezone)
    day = datetime.datetime.fromtimestamp(now_s, zone).date() - datetime.timedelta(days=days_ago)
    return int(datetime.datetime.combine(day, datetime.time(), zone).timestamp() * 1000)
