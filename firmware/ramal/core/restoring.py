"""What is asked of root about putting a backup back on a box, and what root said. Pure.

Law: a request names one of the box's own backups or one on the stick for backups, never a path.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from ramal.core.backups import made_ms

Where = Literal["box", "stick"]
CODE_MAX, WHO_MAX, SENTENCE_MAX = 200, 40, 600


@dataclass(frozen=True, slots=True)
class Asked:
    """The backup ``name`` in one of the two places. ``code``: the recovery code, "" = this box's own keys open it."""

    where: Where
    name: str
    code: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it, in a sentence."""

    ok: bool
    sentence: str
    at_ms: int


def asked_text(asked: Asked) -> str:
    """A request's file."""
    return json.dumps(asdict(asked)) + "\n"


def parse_asked(text: str) -> Asked | None:
    """A request; None for what is none: it may be torn, or a stranger's."""
    table = _table(text)
    if table is None or set(table) != set(Asked.__slots__) or not all(isinstance(one, str) for one in table.values()):
        return None
    if table["where"] not in get_args(Where) or made_ms(table["name"]) is None or len(table["code"]) > CODE_MAX:
        return None
    return Asked(table["where"], table["name"], table["code"], table["who"][:WHO_MAX])


def said_text(said: Said) -> str:
    """What root says, as a file."""
    return json.dumps(asdict(said)) + "\n"


def parse_said(text: str) -> Said | None:
    """What root said; None when it said nothing that can be read."""
    table = _table(text)
    if table is None:
        return None
    try:
        return Said(bool(table["ok"]), str(table["sentence"])[:SENTENCE_MAX], int(table["at_ms"]))
    except (KeyError, TypeError, ValueError):
        return None


def _table(text: str) -> Mapping[str, Any] | None:
    try:
        table = json.loads(text)
    except ValueError:
        return None
    return table if isinstance(table, Mapping) else None
