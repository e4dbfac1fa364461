"""``ramal users``: who may use the page. Runs in the command's own process; passwords are made and shown here only."""

from collections.abc import Mapping, Sequence
from typing import Any

from ramal.box.home import Home
from ramal.box.prepare import one_time_password
from ramal.control.client import Control
from ramal.errors import RamalError

HEADS = ("NAME", "ROLE", "AGENT", "PASSWORD")
ASK_S = 15.0


def run(home: Home, act: str, name: str, role: str, agent: str) -> int:
    """One act; prints what a person has to know. Raises DaemonDown, Refused, RamalError."""
    control = Control(home.control_sock)
    if act == "list":
        print(text(control.ask("users.list", ASK_S)["users"]), end="")
        return 0
    if not name:
        raise RamalError(f"Which user? For example: ramal users {act} ana")
    if act == "remove":
        control.ask("users.remove", ASK_S, name=name)
        print(f"{name} can no longer sign in.")
        return 0
    password, digest = one_time_password()
    if act == "add":
        control.ask("users.add", ASK_S, name=name, role=role, agent=agent, hash=digest)
        print(f"{name} may use the page as {role}{f' and is agent {agent}' if agent else ''}.")
    else:
        control.ask("users.reset", ASK_S, name=name, hash=digest)
    print(f"One-time password, shown this once: {password}")
    return 0


def text(users: Sequence[Mapping[str, Any]]) -> str:
    """A table, a line a user."""
    rows = [HEADS, *((u["name"], u["role"], u["agent"], "one-time" if u["must_change"] else "own") for u in users)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows
    )
