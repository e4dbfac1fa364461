"""Telling a running virtual office what to do: one JSON line each way over ``<home>/office.sock``.

Law: the server's threads only hand requests to the office's inbox and wait for its reply. Any process of the same user
may ask: ``{"phone": "201", "do": "hangup"}`` -> ``{"ok": true, "text": ""}``.
"""

import contextlib
import json
import os
import queue
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ramal.errors import RamalError

SOCKET = "office.sock"
_LONGEST_BYTES = 4096
_REPLY_S = 10.0

Order = dict[str, str]
Answer = tuple[bool, str]
Hand = Callable[[Order, Callable[[Answer], None]], None]


class OfficeSilent(RamalError):
    """No virtual office runs there, or it does not answer."""


@contextlib.contextmanager
def _short(home: Path) -> Iterator[str]:
    """A path of the socket that fits into 107 bytes, however deep the home lies."""
    folder = os.open(home, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def tell(home: Path, phone: str, do: str, value: str = "", timeout_s: float = _REPLY_S) -> str:
    """Have a phone of the office in ``home`` do something; its text. OfficeSilent, or RamalError when it refuses.

    ``do``: answer, reject, hangup, hold, resume; dial, dtmf and transfer with a ``value``; ``answer_after`` with
    seconds ("" lets it ring) for the calls to come.
    """
    try:
        with _short(home) as path, socket.socket(socket.AF_UNIX) as line:
            line.settimeout(timeout_s)
            line.connect(path)
            line.sendall(json.dumps({"phone": phone, "do": do, "value": value}).encode() + b"\n")
            reply = json.loads(line.makefile("rb").readline(_LONGEST_BYTES))
    except (OSError, ValueError) as problem:
        raise OfficeSilent(f"The virtual office in {home} does not answer ({problem}). Is it running?") from problem
    if not reply["ok"]:
        raise RamalError(f"Virtual phone {phone} did not {do}: {reply['text']}")
    return str(reply["text"])


class Listening(socketserver.ThreadingUnixStreamServer):
    """The office's ear for orders; close() ends it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, home: Path, hand: Hand) -> None:
        (home / SOCKET).unlink(missing_ok=True)
        with _short(home) as path:
            super().__init__(path, _Handler)
        os.chmod(home / SOCKET, 0o660)
        self.hand, self._path = hand, home / SOCKET
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="virtual-orders", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more orders."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._path.unlink(missing_ok=True)


class _Handler(socketserver.StreamRequestHandler):
    timeout = _REPLY_S

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(json.dumps(self._reply()).encode() + b"\n")

    def _reply(self) -> dict[str, Any]:
        assert isinstance(self.server, Listening)
        try:
            order = json.loads(self.rfile.readline(_LONGEST_BYTES))
            words = {key: str(order.get(key, "")) for key in ("phone", "do", "value")}
        except (ValueError, AttributeError):
            return {"ok": False, "text": "an order is one JSON object in one line"}
        done: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.server.hand(words, done.put)
        try:
            ok, text = done.get(timeout=_REPLY_S)
        except queue.Empty:
            return {"ok": False, "text": "the office is too busy"}
        return {"ok": ok, "text": text}
