"""``ramal phones``: the desk phones, and letting one fetch its settings. Runs in the command's own process."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.control.client import Control
from ramal.errors import RamalError
from ramal.ops.phones import admin_password_of

HEADS = ("PHONE", "NAME", "MODEL", "MAC", "REGISTERED", "LAST FETCHED")


def run(home: Home, act: str, extension: str, minutes: int) -> int:
    """List the phones; ``provision`` lets one in, ``password`` prints that of their settings pages. Raises DaemonDown,
    Refused."""
    if act == "password":
        print(admin_password_of(home.phones_secret()))
        return 0
    control = Control(home.control_sock)
    if act == "provision":
        if not extension:
            raise RamalError("Which phone? For example: ramal phones provision 201")
        control.ask("phones.open", 15.0, extension=extension, minutes=minutes)
        print(
            f"Phone {extension} may fetch its settings for {minutes} minutes; switch it on now."
            if minutes
            else f"Phone {extension} may no longer fetch its settings without its token."
        )
        return 0
    told = control.ask("phones.list", 15.0)
    print(text(told["phones"], str(told["timezone"])), end="")
    return 0


def text(phones: Sequence[Mapping[str, Any]], zone: str) -> str:
    """A table, a line a phone."""
    rows = [HEADS, *(_row(phone, zone) for phone in phones)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )


def _row(phone: Mapping[str, Any], zone: str) -> tuple[str, ...]:
    fetched = f"{_when(phone['fetched_ms'], zone)} from {phone['address']}" if phone["fetched_ms"] else "never"
    if not phone["mac"]:
        fetched = ""
    elif phone["open_until_ms"]:
        fetched += f", let in until {_when(phone['open_until_ms'], zone)}"
    elif phone["open"]:
        fetched += ", let in once"
    model = "virtual" if phone["virtual"] and not phone["model"] else phone["model"]
    registered = "yes" if phone["registered"] else "no"
    return (phone["extension"], phone["name"], model, phone["mac"], registered, fetched)


def _when(ms: int, zone: str) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
