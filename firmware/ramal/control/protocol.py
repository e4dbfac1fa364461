"""What is said over the control socket: one JSON object per line, a request or its answer.

Pure (no socket, no thread). Law: the other side may be anything. Lines are bounded before they are parsed, and what is
not a request is refused with a sentence; nothing here raises anything but ``Malformed``. JSON is written in ASCII, so
that no half of a surrogate pair can break an answer.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ramal.errors import RamalError

REQUEST_MAX = 1 << 20
"""Bytes of one request line, the newline not counted: an office file fits many times over."""
ANSWER_MAX = 4 << 20
"""Bytes of one answer line."""
_DO_MAX, _ID_MAX = 64, 64

RequestId = int | str | None


class Malformed(RamalError):
    """A line that is not a request. ``id`` is the request's where it could be read."""

    def __init__(self, sentence: str, id: RequestId = None) -> None:
        super().__init__(sentence)
        self.id = id


@dataclass(frozen=True, slots=True)
class Request:
    """One thing asked for: ``do`` names it, ``given`` is its ``with``."""

    id: RequestId
    do: str
    given: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str, default: str | None = None) -> str:
        """The string given as ``name``; Malformed when it is missing (and has no default) or not a string."""
        value = self.given.get(name, default)
        if not isinstance(value, str):
            raise Malformed(f"“{self.do}” needs “{name}” as text.", self.id)
        return value


class Lines:
    """Bytes in, whole lines out. Malformed when a line exceeds ``limit`` bytes; the stream is then useless."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that ``data`` completes, without their newline."""
        searched = len(self._rest)
        self._rest += data
        while (end := self._rest.find(b"\n", searched)) >= 0:
            if end > self._limit:
                break
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            searched = 0
            yield line
        if len(self._rest) > self._limit:
            self._rest.clear()
            raise Malformed(f"A line may have at most {self._limit} bytes; the connection is closed.")


def parse_request(line: bytes) -> Request:
    """The request a line holds; Malformed when it holds none."""
    table = _object(line)
    id, do, given = table.get("id"), table.get("do"), table.get("with", {})
    if isinstance(id, bool) or not (id is None or isinstance(id, int | str)) or len(str(id)) > _ID_MAX:
        raise Malformed("“id” must be a short number or text.")
    if not isinstance(do, str) or not 0 < len(do) <= _DO_MAX:
        raise Malformed("“do” must name what is asked for.", id)
    if not isinstance(given, dict):
        raise Malformed("“with” must be an object.", id)
    return Request(id, do, given)


def request(id: RequestId, do: str, given: Mapping[str, Any]) -> bytes:
    """The line of a request. ValueError when ``given`` is not JSON or the line is too long."""
    line = _line({"id": id, "do": do, "with": given})
    if len(line) > REQUEST_MAX:
        raise ValueError(f"a request may have at most {REQUEST_MAX} bytes, this one has {len(line)}")
    return line


def answer(id: RequestId, data: Mapping[str, Any]) -> bytes:
    """The line of a good answer; a refusal when it would be too long."""
    line = _line({"id": id, "ok": True, "data": data})
    if len(line) > ANSWER_MAX:
        return refusal(id, "The answer is too long to be sent; ask for less.")
    return line


def refusal(id: RequestId, sentence: str, problems: list[Mapping[str, Any]] | None = None, code: str = "") -> bytes:
    """The line that says no, and why; ``problems`` are the mistakes of an office file, ``code`` the kind of refusal."""
    table: dict[str, Any] = {"id": id, "ok": False, "error": sentence}
    if problems is not None:
        table["problems"] = problems
    if code:
        table["code"] = code
    line = _line(table)
    return line if len(line) <= ANSWER_MAX else _line({"id": id, "ok": False, "error": sentence[:1000]})


def parse_answer(line: bytes) -> dict[str, Any]:
    """An answer as its object; Malformed when the line holds none."""
    table = _object(line)
    if not isinstance(table.get("ok"), bool):
        raise Malformed("The answer says neither yes nor no.")
    return table


def _line(table: Mapping[str, Any]) -> bytes:
    return json.dumps(table, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        # parse_constant: NaN and Infinity are not JSON. The text is encoded again to refuse lone surrogates.
        table = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
        if b"\\u" in line:
            json.dumps(table, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Malformed("A line must hold one JSON object in UTF-8.") from None
    if not isinstance(table, dict):
        raise Malformed("A line must hold one JSON object in UTF-8.")
    return table


def _no_constant(name: str) -> None:
    raise ValueError(name)
