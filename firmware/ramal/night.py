"""``ramal night``: are the hours open, and closing or opening them by hand. Runs in the command's own process."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ramal.box.home import Home
from ramal.control.client import Control


def run(home: Home, state: str, hours: str) -> int:
    """Switch when ``state`` is given, then print a line for every set of hours. Raises DaemonDown, Refused."""
    control = Control(home.control_sock)
    answer = control.ask("night.set", 15.0, state=state, hours=hours) if state else control.ask("night.list", 15.0)
    for row in answer["hours"]:
        print(line(row, str(answer["timezone"])))
    return 0


def line(row: dict[str, Any], zone: str) -> str:
    """``shop: closed by hand until Mon 2026-11-23 08:00``."""
    said = f"{row['name']}: {'open' if row['open'] else 'closed'}"
    if row["state"] != "auto":
        return f"{said} by hand until {_when(row['until_ms'], zone) if row['until_ms'] else 'it is switched back'}"
    holiday = f" ({row['holiday']})" if row["holiday"] else ""
    return f"{said}{holiday}, until {_when(row['next_ms'], zone)}" if row["next_ms"] else f"{said}{holiday}, always"


def _when(ms: int, zone: str) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M")
