"""Asterisk's journals, line by line: the CEL file and queue_log, and what a call's journal is.

Pure. A line is bytes without its LF. A line that is not what Asterisk writes is None, no exception: it was torn by
a power cut, forged, or grew in a later version. Texts that a stranger can influence come percent-encoded in CEL, so a
record is always one line; they may be cut in the middle of a ``%XX`` or of a character and are decoded tolerantly.

NamedTuples, not dataclasses: some thousand are made per millisecond-budgeted batch, and a frozen dataclass costs five
times as much.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

LINE_MAX = 16384
"""Bytes; a longer line is refused (Asterisk's own limit per CEL field is far below)."""

_ID = rb"((?:[A-Za-z0-9_-]{1,32}-)?[0-9]{1,11}\.[0-9]{1,12})"
_CEL = rb"[0-9]{1,11}\.[0-9]{6},[A-Z_]+," + _ID + rb"," + _ID + rb",[^,\n\r\0]*" * 8
CEL_LINE = re.compile(_CEL + rb"\Z")
"""Group 1 is the linked id, group 2 the unique id."""
CEL_LINES = re.compile(rb"^" + _CEL + rb"$", re.MULTILINE)
"""The same, over many lines; lines that do not fit are skipped."""
QUEUE_LINE = re.compile(rb"([0-9]{1,11})\|([^|\n\r\0]*)\|([^|\n\r\0]*)\|([^|\n\r\0]*)\|([A-Z]+)(?:\|([^\n\r\0]*))?\Z")
"""Groups: second, call id, queue, member, event, the rest."""


MEMBERSHIP = {"ADDMEMBER": "login", "REMOVEMEMBER": "logout", "PAUSE": "pause", "UNPAUSE": "resume"}
"""queue_log events about an agent in a queue, and what history calls them."""


class Cel(NamedTuple):
    """One event of the CEL file; texts are decoded, ``extra`` is Asterisk's JSON text."""

    at_ms: int
    type: str
    linked_id: str
    unique_id: str
    channel: str
    number: str
    name: str
    exten: str
    context: str
    user: str
    """The name of an event of our own dialplan (QUEUE, KEY, …); Asterisk writes it as the type, too."""
    extra: str
    peer: str


class Queued(NamedTuple):
    """One line of queue_log; whole seconds. ``agent`` is a code (``7``), or "" for NONE."""

    at_s: int
    call_id: str
    queue: str
    agent: str
    event: str
    data: tuple[str, ...]


_CEL_BEGIN = re.compile(rb"[12][0-9]{9}\.[0-9]{6},[A-Z_]+,")
_QUEUE_BEGIN = re.compile(rb"[12][0-9]{9}\|")


def salvage(line: bytes) -> bytes | None:
    """The whole record at the end of a damaged line: after a power cut the next record, or zeros and the next record,
    follow on the torn half of the last one. None when there is none."""
    for begin, whole in ((_CEL_BEGIN, CEL_LINE), (_QUEUE_BEGIN, QUEUE_LINE)):
        for match in begin.finditer(line):
            if whole.match(line, match.start()):
                return line[match.start() :]
    return None


@dataclass(frozen=True, slots=True)
class Journal:
    """All that Asterisk wrote about one call, each file's lines in the file's order.

    ``restarted_ms``: Asterisk began anew at this time, after the last of these events; None when it did not.
    """

    call_id: str
    cel: tuple[Cel, ...]
    queue: tuple[Queued, ...]
    restarted_ms: int | None = None


@lru_cache(maxsize=8192)
def decode(text: str) -> str:
    """A percent-encoded text; whatever is not UTF-8 or was cut becomes U+FFFD or stays as it is."""
    if "%" not in text:
        return text
    plain = text.replace("%2F", "/")
    return unquote(plain, errors="replace") if "%" in plain else plain


def parse_cel(line: bytes) -> Cel | None:
    """One event, or None."""
    if CEL_LINE.match(line) is None or len(line) > LINE_MAX:
        return None
    return cel_of(line)


def cel_of(line: bytes) -> Cel:
    """One event of a line that matched CEL_LINE."""
    at, kind, linked, unique, channel, number, name, exten, context, user, extra, peer = line.decode(
        "utf-8", "replace"
    ).split(",")
    return Cel(
        int(at[:-7]) * 1000 + int(at[-6:-3]),
        kind,
        linked,
        unique,
        decode(channel),
        decode(number),
        decode(name),
        decode(exten),
        context,
        user,
        decode(extra) if extra else "",
        decode(peer) if peer else "",
    )


def parse_queue(line: bytes) -> Queued | None:
    """One line of queue_log, or None."""
    match = QUEUE_LINE.match(line)
    if match is None or len(line) > LINE_MAX:
        return None
    at, call_id, queue, member, event, rest = (part.decode("utf-8", "replace") for part in match.groups(b""))
    agent = "" if member == "NONE" else member.removeprefix("agent-")
    return Queued(int(at), call_id, queue, agent, event, tuple(rest.split("|")) if rest else ())


def user_fields(extra: str) -> list[str]:
    """The ``|`` fields of one of our own events (``{"extra":"main|1"}``)."""
    if extra.startswith('{"extra":"') and extra.endswith('"}') and "\\" not in extra:
        return extra[10:-2].split("|")
    try:
        text = json.loads(extra).get("extra", "")
        return str(text).split("|")
    except (ValueError, AttributeError):
        return extra.removeprefix('{"extra":"').removesuffix('"}').split("|")


_SOURCE = re.compile(r'"hangupsource":\s*"([^"]*)')
_CAUSE = re.compile(r'"hangupcause":\s*([0-9]{1,4})')


def hangup_source(extra: str) -> str:
    """The channel that hung up first, or ""."""
    match = _SOURCE.search(extra)
    return match[1].replace("\\/", "/") if match else ""


def hangup_cause(extra: str) -> int:
    """The Q.850 cause, or 0."""
    match = _CAUSE.search(extra)
    return int(match[1]) if match else 0


_ENDPOINT = re.compile(r"[A-Za-z]+/(.+)-[0-9a-f]{8,}(?:;[12])?\Z")


def endpoint(channel: str) -> str:
    """``PJSIP/201-0000001b`` -> ``201``; "" when it is no channel's name."""
    match = _ENDPOINT.match(channel)
    return match[1] if match else ""


# What must not reach a page or a terminal from a stranger: controls, line and paragraph separators, bidi overrides.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_QUOTED_PAIR = re.compile(r'\\(["\\])')
TEXT_MAX = 120


def clean(text: str) -> str:
    """A stranger's text for eyes: no control characters, no direction overrides, at most TEXT_MAX characters.

    SIP's quoted pairs (``\\"``), which Asterisk leaves in a display name, are undone.
    """
    if "\\" in text:
        text = _QUOTED_PAIR.sub(r"\1", text)
    if text.isascii() and text.isprintable() and len(text) <= TEXT_MAX:
        return text
    return _UNSAFE.sub(" ", text)[:TEXT_MAX].strip()
