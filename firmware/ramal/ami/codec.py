"""AMI's wire format, both directions. Pure: bytes and text in, values out. Any thread.

Law: text is split at CR LF and nowhere else. ``str.splitlines`` also splits at U+2028, U+0085 and 0x1c to 0x1e, and a
caller who writes one of these into a display name would forge headers. In the other direction a value never carries
a control character, because a CR LF in it would be a second action.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ramal.ami.errors import AmiRefused

MAX_LINE_BYTES = 1_000
"""Asterisk reads an action into lines of 1,024 bytes; one longer line and it refuses the whole action."""
MAX_ACTION_LINES = 120
"""Asterisk keeps 128 headers of one action and drops the rest without a word."""
MAX_BLOCK_BYTES = 1 << 20
"""The longest message taken from a peer; Asterisk's longest (Status with every variable) stay under 64 KiB."""

_BLOCK_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}\Z")

_EATEN, _ESCAPED = re.compile(r'(["\\])'), r"\\\1"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """One block from Asterisk: its (name, value) pairs in order, repeats kept. A line without a colon has no name."""

    pairs: tuple[Header, ...]
    _first: dict[str, str] = field(init=False, repr=False, compare=False)
    """By lower-case name the first value: an event is asked for a dozen of its headers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", {name.lower(): value for name, value in reversed(self.pairs)})

    def get(self, name: str, default: str = "") -> str:
        """The first value of the header ``name`` (upper or lower case are the same), or ``default``."""
        return self._first.get(name.lower(), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header ``name``, in order."""
        wanted = name.lower()
        return tuple(value for known, value in self.pairs if known.lower() == wanted)

    @property
    def kind(self) -> Literal["response", "event", "other"]:
        """What the block is, by its first header alone: no later header can change it."""
        match self.pairs[0][0].lower() if self.pairs else "":
            case "response":
                return "response"
            case "event":
                return "event"
            case _:
                return "other"

    @property
    def event(self) -> str:
        """The event's name, ``""`` when this is no event."""
        return self.pairs[0][1] if self.kind == "event" else ""

    @property
    def action_id(self) -> str:
        """The id of the action this answers, ``""`` when it answers none."""
        return self.get("ActionID")

    @property
    def ok(self) -> bool:
        """Whether this is a response that says yes."""
        return self.kind == "response" and self.pairs[0][1].lower() in ("success", "goodbye", "follows")


def decode(block: str) -> Message:
    """One block without its closing empty line, as a Message. Takes any text; nothing is an error."""
    pairs: list[Header] = []
    for line in block.split("\r\n"):
        name, colon, value = line.partition(":")
        pairs.append((name, value[1:] if value.startswith(" ") else value) if colon else ("", line))
    return Message(tuple(pairs))


def encode(action: str, action_id: str, headers: Sequence[Header] = (), variables: Sequence[Header] = ()) -> bytes:
    """The bytes of one action. AmiRefused when any of it could be read by Asterisk as something else.

    ``variables`` become ``Variable: name=value`` lines. Asterisk splits these at commas, so a value may not hold one;
    it takes quotes and backslashes away, so these are escaped here and arrive as they were.
    """
    lines = [("Action", action), ("ActionID", action_id), *headers]
    for name, value in variables:
        if not _VARIABLE.match(name):
            raise AmiRefused(f"“{name[:40]}” is no name of a channel variable; the action was not sent.")
        if "," in value:
            raise AmiRefused(f"The channel variable {name} holds a comma, which Asterisk takes for the next variable.")
        lines.append(("Variable", f"{name}={_EATEN.sub(_ESCAPED, value)}"))
    if len(lines) > MAX_ACTION_LINES:
        raise AmiRefused(f"The action {action[:40]} has {len(lines)} lines; Asterisk takes {MAX_ACTION_LINES}.")
    return b"".join(_line(name, value) + _LINE_END for name, value in lines) + _LINE_END


def _line(name: str, value: str) -> bytes:
    if not _HEADER.match(name):
        raise AmiRefused(f"{name[:40]!r} is no name of an AMI header; the action was not sent.")
    if _CONTROL.search(value):
        raise AmiRefused(f"The value of {name} holds a control character; the action was not sent.")
    try:
        line = f"{name}: {value}".encode()
    except UnicodeEncodeError:  # a lone surrogate, out of a file name or bad JSON
        raise AmiRefused(f"The value of {name} is not text that can be sent; the action was not sent.") from None
    if len(line) > MAX_LINE_BYTES:
        raise AmiRefused(f"The value of {name} is {len(line)} bytes long; Asterisk takes {MAX_LINE_BYTES} in a line.")
    return line


class Framer:
    """Cuts a byte stream into the banner line and blocks, however the bytes arrive. Holds at most ``limit_bytes``."""

    def __init__(self, limit_bytes: int = MAX_BLOCK_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._looked_at = 0
        self._banner_seen = False

    def feed(self, data: bytes) -> list[str]:
        """The texts that ``data`` completes, in order: first the banner line, then blocks without their end.

        Bytes that are not UTF-8 become U+FFFD. AmiRefused when a block does not end within the limit.
        """
        self._held += data
        texts: list[str] = []
        start = 0
        while True:
            end_mark = _BLOCK_END if self._banner_seen else _LINE_END
            end = self._held.find(end_mark, max(start, self._looked_at))
            if end < 0:
                break
            texts.append(self._held[start:end].decode("utf-8", "replace"))
            start = end + len(end_mark)
            self._banner_seen = True
        del self._held[:start]
        # The end mark may be cut anywhere: look again at its last three bytes, and at nothing twice besides.
        self._looked_at = max(0, len(self._held) - len(_BLOCK_END) + 1)
        if len(self._held) > self._limit_bytes:
            raise AmiRefused(
                f"Asterisk sent a message of more than {self._limit_bytes} bytes; the session is given up."
            )
        return texts
