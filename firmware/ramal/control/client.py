"""Asking the daemon: used by the page and by the command line, from any thread, one connection per question.

Law: asking never hangs (every step has a time limit) and never fails with anything but ``DaemonDown`` or ``Refused``.
"""

import base64
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ramal.control import address, protocol
from ramal.errors import RamalError

CONNECT_TIMEOUT_S = 1.0
STILL_WORKS = "Calls go on: callers wait, phones ring, recordings are made."
PART = 150_000
"""Characters of a file in one request, however they are escaped on the way."""
PARTS_TIMEOUT_S = 120.0
SOUND_PIECE = 600_000
"""Bytes of a sound in one request, before base64."""


class DaemonDown(RamalError):
    """Nobody answers at the control socket."""


class Refused(RamalError):
    """The daemon said no. ``problems``: the mistakes of an office file, each with file, line, what and example;
    ``code``: the kind of refusal, empty when it has none."""

    def __init__(self, sentence: str, problems: Sequence[Mapping[str, Any]] = (), code: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.problems = tuple(problems)


class Control:
    """The daemon behind the socket at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, do: str, timeout_s: float = 2.0, /, **given: Any) -> dict[str, Any]:
        """The daemon's answer to ``do`` with ``given``. Raises DaemonDown or Refused."""
        deadline = time.monotonic() + timeout_s
        try:
            line = protocol.request(1, do, given)
        except (ValueError, TypeError) as error:
            raise Refused(f"The request cannot be sent: {error}.") from error
        try:
            connection = address.connect(self._path, min(timeout_s, CONNECT_TIMEOUT_S))
        except OSError as error:
            raise _down(self._path, error) from error
        with connection:
            return _answered(protocol.parse_answer(_ask(connection, line, deadline, timeout_s)))


def send_contacts(control: Control, csv: str, file: str, who: str) -> dict[str, Any]:
    """A CSV file of contacts through the socket, in parts that fit a request; ``{"added", "changed", "same", "told"}``.

    Refused with ``problems`` (file, line, what, example) when a line is wrong; then nothing was changed.
    """
    token, given = "", {"who": who, "file": file}
    parts = [csv[at : at + PART] for at in range(0, len(csv), PART)] or [""]
    for part in parts[:-1]:
        answer = control.ask("contact.import", PARTS_TIMEOUT_S, **given, csv=part, more=True, **{"import": token})
        token = str(answer["import"])
    return control.ask("contact.import", PARTS_TIMEOUT_S, **given, csv=parts[-1], **{"import": token})


def send_sound(control: Control, file: BinaryIO, who: str) -> str:
    """Send a file of sound in pieces; the name by which ``prompts.replace`` and ``music.add`` find it. Refused when it
    is too large."""
    upload, at = "", 0
    while piece := file.read(SOUND_PIECE):
        data = base64.b64encode(piece).decode()
        answer = control.ask("sound.piece", PARTS_TIMEOUT_S, who=who, upload=upload, at=at, data=data)
        upload, at = str(answer["upload"]), int(answer["bytes"])
    if not upload:
        upload = str(control.ask("sound.piece", PARTS_TIMEOUT_S, who=who, data="")["upload"])
    return upload


def _ask(connection: socket.socket, line: bytes, deadline: float, timeout_s: float) -> bytes:
    lines = protocol.Lines(protocol.ANSWER_MAX)
    try:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.sendall(line)
        while True:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            data = connection.recv(1 << 18)
            if not data:
                raise DaemonDown(f"The daemon ended before it answered. {STILL_WORKS} Try again in a moment.")
            for whole in lines.feed(data):
                return whole
    except TimeoutError:
        raise DaemonDown(
            f"The daemon did not answer within {timeout_s:g} seconds. {STILL_WORKS} Try again; if it stays so, "
            "see its log and restart it."
        ) from None
    except protocol.Malformed as error:
        raise DaemonDown(f"The daemon's answer cannot be read ({error}). {STILL_WORKS}") from error
    except OSError as error:
        raise DaemonDown(
            f"The connection to the daemon broke ({error}). {STILL_WORKS} Try again in a moment."
        ) from error


def _answered(table: dict[str, Any]) -> dict[str, Any]:
    if table["ok"]:
        data = table.get("data")
        return data if isinstance(data, dict) else {}
    problems = table.get("problems")
    sentence = str(table.get("error") or "The daemon refused without a reason.")
    raise Refused(sentence, problems or (), str(table.get("code") or ""))


def _down(path: Path, error: OSError) -> DaemonDown:
    if isinstance(error, PermissionError):
        return DaemonDown(
            f"The daemon's control socket {path} may not be used by this user. {STILL_WORKS} "
            "Join the group “ramal”, or ask as the user who runs the daemon."
        )
    if isinstance(error, TimeoutError | BlockingIOError):
        return DaemonDown(f"The daemon is too busy to answer. {STILL_WORKS} Try again in a moment.")
    return DaemonDown(
        f"The daemon is not running. {STILL_WORKS} Start it again with “ramal up” "
        "(on an installed box: “systemctl restart ramal”)."
    )
