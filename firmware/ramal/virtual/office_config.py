"""The virtual office's JSON: which phones it has and where their box is.

Law: pure. Every mistake is a sentence that names the place.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramal.errors import RamalError

_FIRST_VOICE_HZ = 440.0


class OfficeConfigError(RamalError):
    """The file cannot be used; nothing was started."""


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """One phone: it registers as ``extension``, dials ``dial_after_register`` (its agent's login), and answers.

    ``answer_after_s`` None lets it ring. ``voice``: a WAV (8 kHz mono) it says; ``voice_hz``: its pilot tone (also
    under the WAV), by which a recording shows who spoke.
    """

    extension: str
    secret: str
    dial_after_register: tuple[str, ...] = ()
    answer_after_s: float | None = 1.5
    voice_hz: float = _FIRST_VOICE_HZ
    voice: Path | None = None


@dataclass(frozen=True, slots=True)
class OfficeConfig:
    """All phones of one office, their box at ``sip_host``:``sip_port``, and the folder they live in."""

    home: Path
    sip_host: str
    sip_port: int
    phones: tuple[DeskConfig, ...]


def parse(text: str) -> OfficeConfig:
    """The configuration in a JSON text. OfficeConfigError with a sentence for the first mistake."""
    try:
        data = json.loads(text)
    except ValueError as problem:
        raise OfficeConfigError(f"The virtual office's file is no JSON: {problem}.") from problem
    top = _Table("the file", data)
    home, host, port = top.text("home"), top.text("sip_host", "127.0.0.1"), round(top.number("sip_port", 5060))
    desks = top.listed("phones")
    top.nothing_else()
    phones = tuple(_desk(_Table(f"phone {number}", desk)) for number, desk in enumerate(desks, 1))
    extensions = [desk.extension for desk in phones]
    for extension in extensions:
        if extensions.count(extension) > 1:
            raise OfficeConfigError(f"Two phones of the virtual office have the extension {extension}.")
    return OfficeConfig(Path(home), host, port, phones)


def _desk(table: "_Table") -> DeskConfig:
    extension, secret = table.text("extension"), table.text("secret")
    codes = tuple(str(code) for code in table.listed("dial_after_register", ()))
    answer_after_s = table.number("answer_after_s", 1.5) if table.data.get("answer_after_s", 1.5) is not None else None
    table.data.pop("answer_after_s", None)
    hz, voice = table.number("voice_hz", _FIRST_VOICE_HZ), table.text("voice", "")
    table.nothing_else()
    return DeskConfig(extension, secret, codes, answer_after_s, hz, Path(voice) if voice else None)


class _Table:
    def __init__(self, where: str, data: object) -> None:
        if not isinstance(data, dict):
            raise OfficeConfigError(f"In the virtual office's file {where} is no table but {data!r}.")
        self._where, self.data = where, dict(data)

    def text(self, key: str, otherwise: str | None = None) -> str:
        return str(self._take(key, str, "a text", otherwise))

    def number(self, key: str, otherwise: float) -> float:
        return float(self._take(key, (int, float), "a number", otherwise))

    def listed(self, key: str, otherwise: tuple[Any, ...] | None = None) -> list[Any]:
        return list(self._take(key, (list, tuple), "a list", otherwise))

    def nothing_else(self) -> None:
        if self.data:
            raise OfficeConfigError(
                f"In the virtual office's file {self._where} has an unknown {next(iter(self.data))!r}."
            )

    def _take(self, key: str, kind: Any, what: str, otherwise: object) -> Any:
        value = self.data.pop(key, otherwise)
        if value is None:
            raise OfficeConfigError(f"In the virtual office's file {self._where} lacks {key!r}.")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise OfficeConfigError(
                f"In the virtual office's file {self._where} has {key!r} {value!r}, which is no {what[2:]}."
            )
        return value
