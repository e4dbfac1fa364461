"""What is asked of root about the box's address, and what root said. Pure.

The daemon asks, root does (``box.network_serve``). Law: a request holds settings that ``core.network`` has checked, as
text that root checks again, so whoever had taken the daemon over could give the box another address of an office and
nothing else; and what nobody confirms returns by itself.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ramal.core import network
from ramal.core.network import NetworkRefused, Plan

Act = Literal["change", "confirm", "back"]
TEXT_MAX, WHO_MAX, SENTENCE_MAX = 8000, 40, 600


@dataclass(frozen=True, slots=True)
class Asked:
    """``plan``: network.toml's text, of a change."""

    act: Act
    plan: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it, in a sentence; ``until_ms``: when what is on trial returns, by the wall's clock."""

    ok: bool
    sentence: str
    until_ms: int = 0


def asked_text(asked: Asked) -> str:
    """A request's file."""
    return json.dumps(asdict(asked)) + "\n"


def parse_asked(text: str) -> Asked | None:
    """A request; None for what is none: it may be torn, or a stranger's."""
    table = _table(text)
    if table is None or set(table) != {"act", "plan", "who"} or not all(isinstance(one, str) for one in table.values()):
        return None
    if table["act"] not in get_args(Act) or len(table["plan"]) > TEXT_MAX:
        return None
    return Asked(table["act"], table["plan"], table["who"][:WHO_MAX])


def said_text(said: Said) -> str:
    """What root says, as a file."""
    return json.dumps(asdict(said)) + "\n"


def parse_said(text: str) -> Said | None:
    """What root said; None when it said nothing that can be read."""
    table = _table(text)
    if table is None:
        return None
    try:
        return Said(bool(table["ok"]), str(table["sentence"])[:SENTENCE_MAX], int(table["until_ms"]))
    except (KeyError, TypeError, ValueError):
        return None


def plan_of(form: Mapping[str, str], before: Plan) -> Plan:
    """What somebody filled in: a plan's fields as texts, ``dns`` and ``trust`` as words. NetworkRefused."""
    text = {key: str(form.get(key, ""))[:400].strip() for key in Plan.__slots__}
    if text["mode"] not in ("dhcp", "static"):
        raise NetworkRefused("Choose whether the address is given by the router or fixed. Nothing was changed.")
    names = _words(text["dns"])
    main = (
        network.static(text["address"], text["gateway"], names, before)
        if text["mode"] == "static"
        else network.dhcp(before)
    )
    number = text["vlan"] or "0"
    vlan = network.vlan(int(number) if number.isascii() and number.isdigit() else -1, text["vlan_address"], main)
    return network.trust(_words(text["trust"]), vlan)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _table(text: str) -> Mapping[str, Any] | None:
    try:
        table = json.loads(text)
    except ValueError:
        return None
    return table if isinstance(table, Mapping) else None
