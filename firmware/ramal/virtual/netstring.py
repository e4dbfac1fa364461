"""The frames of baresip's control socket: netstrings of JSON objects (``<length>:<json>,``).

Law: sans-IO, bytes in and objects out. Any thread, one ``Decoder`` a connection.
"""

import json
from typing import Any

from ramal.errors import RamalError

LONGEST_BYTES = 1_000_000


class FrameError(RamalError):
    """The other side does not speak netstrings; the connection cannot be used any more."""


def encode(message: dict[str, str]) -> bytes:
    """One frame."""
    body = json.dumps(message).encode()
    return b"%d:%s," % (len(body), body)


class Decoder:
    """Collects bytes into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are complete now. FrameError for what is no netstring of a JSON object.

        baresip passes a caller's display name on as it came: bytes that are no UTF-8 become U+FFFD here, and control
        characters inside a string are taken as they are.
        """
        self._rest += data
        messages: list[dict[str, Any]] = []
        while True:
            digits, colon, after = self._rest.partition(b":")
            if not colon and len(digits) < 8:
                return messages
            if not digits.isdigit() or int(digits) > LONGEST_BYTES:
                raise FrameError(f"The phone's control socket sent no netstring but {self._rest[:40]!r}.")
            length = int(digits)
            if len(after) <= length:
                return messages
            if after[length : length + 1] != b",":
                raise FrameError(f"The phone's control socket sent a netstring without an end: {self._rest[:40]!r}.")
            messages.append(_object(after[:length]))
            self._rest = after[length + 1 :]


def _object(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body.decode("utf-8", "replace"), strict=False)
    except ValueError as problem:
        raise FrameError(f"The phone's control socket sent no JSON: {body[:80]!r}.") from problem
    if not isinstance(message, dict):
        raise FrameError(f"The phone's control socket sent no JSON object: {body[:80]!r}.")
    return message
