"""Where a call can be sent: one small language for numbers, menus, queues and hours.

Pure. A destination is written ``kind:name`` (``queue:sales``, ``menu:main``, ``phone:201``, ``voicemail:sales``,
``number:+551133330000``, ``agent:7``, ``outside:+5511987654321``, ``callback:sales``) or a bare word: ``hangup``, and
in a menu's keys ``back`` and ``repeat``. In Asterisk every destination is ``Goto(dest-<kind>,<name>,1)``.
"""

import re
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "queue", "menu", "phone", "agent", "voicemail", "number", "outside", "callback", "hangup", "back", "repeat"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
AGENT = re.compile(r"[1-9][0-9]{0,5}\Z")
EXTENSION = re.compile(r"[1-9][0-9]{1,5}\Z")
NUMBER = re.compile(r"\+[1-9][0-9]{7,14}\Z")


@dataclass(frozen=True, slots=True)
class Destination:
    """A place a call can be sent; ``name`` is empty for the words of ``ALONE`` only."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


HANGUP = Destination("hangup")
BACK = Destination("back")
REPEAT = Destination("repeat")
ALONE = {"hangup": HANGUP, "back": BACK, "repeat": REPEAT}
"""Words that stand without a name."""


def parse(text: str) -> Destination:
    """``text`` as a Destination; ValueError with a short reason when it is not one."""
    kind, colon, name = text.strip().partition(":")
    if kind in ALONE:
        if colon:
            raise ValueError(f"“{kind}” stands alone, without a name")
        return ALONE[kind]
    for known in KINDS:
        if kind == known:
            break
    else:
        raise ValueError(f"“{kind[:40]}” is not a kind of destination")
    shape = {"phone": EXTENSION, "agent": AGENT, "number": NUMBER, "outside": NUMBER}.get(known, NAME)
    if not shape.match(name):
        raise ValueError(f"“{name[:40]}” is not a possible name after “{known}:”")
    return Destination(known, name)
