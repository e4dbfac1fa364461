"""Where a call can be sent: one small language for numbers, menus, queues and hours.

Pure. A destination is written ``kind:name`` (``queue:sales``, ``menu:main``, ``phone:201``, ``voicemail:sales``,
``number:+551133330000``) or the bare word ``hangup``. In Asterisk every destination is ``Goto(dest-<kind>,<name>,1)``.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["queue", "menu", "phone", "voicemail", "number", "hangup"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
EXTENSION = re.compile(r"[1-9][0-9]{1,5}\Z")
NUMBER = re.compile(r"\+[1-9][0-9]{7,14}\Z")


@dataclass(frozen=True, slots=True)
class Destination:
    """A place a call can be sent; ``name`` is empty for ``hangup`` only."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


HANGUP = Destination("hangup")


def parse(text: str) -> Destination:
    """``text`` as a Destination; ValueError with a short reason when it is not one."""
    kind, colon, name = text.strip().partition(":")
    if kind == "hangup":
        if colon:
            raise ValueError("“hangup” stands alone, without a name")
        return HANGUP
    for known in KINDS:
        if kind == known:
            break
    else:
        raise ValueError(f"“{kind[:40]}” is not a kind of destination")
    shape = {"phone": EXTENSION, "number": NUMBER}.get(known, NAME)
    if not shape.match(name):
        raise ValueError(f"“{name[:40]}” is not a possible name after “{known}:”")
    return Destination(known, name)
