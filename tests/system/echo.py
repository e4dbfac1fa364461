"""A caller whose voice is what is heard, at once: to see how far both sides of a recording are apart.

sipp's own echo is silent while nothing comes, and says all at once what comes late: with it a recording looks aligned,
or not, by what the echo did. A real caller's sound comes every 20 ms whatever is heard.
"""

import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

PACE_S = 0.02
_HEAD = struct.Struct("!BBHII")
_SILENCE = b"\xd5" * 160
"""A-law."""


@dataclass(slots=True)
class Echo:
    """Says what comes to ``port``, and silence while nothing comes. Of what comes in one go only the last is said.
    ``close`` ends it."""

    port: int = 0
    _socket: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say nothing any more."""
        self._done.set()
        if self._thread is not None:
            self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        stream, number = random.getrandbits(32), 0
        goal: tuple[str, int] | None = None
        last = time.monotonic()
        while not self._done.is_set():
            heard = self._heard(last + 1.5 * PACE_S)
            if heard is not None and (early := last + PACE_S / 2 - time.monotonic()) > 0:
                self._done.wait(early)
                heard = self._heard(0.0) or heard
            last = time.monotonic()
            if heard is not None:
                goal = heard[1]
            if goal is None:
                continue
            head = _HEAD.pack(0x80, 8, number & 0xFFFF, number * 160 & 0xFFFFFFFF, stream)
            with contextlib.suppress(OSError):
                self._socket.sendto(head + (_SILENCE if heard is None else heard[0]), goal)
            number += 1

    def _heard(self, until: float) -> tuple[bytes, tuple[str, int]] | None:
        """The last sound that is there, or the first that comes; where from."""
        found: tuple[bytes, tuple[str, int]] | None = None
        while True:
            self._socket.settimeout(0.0 if found else max(0.0, until - time.monotonic()))
            try:
                packet, goal = self._socket.recvfrom(2048)
            except (BlockingIOError, TimeoutError):
                return found
            if len(packet) == _HEAD.size + 160 and packet[1] & 0x7F == 8:
                found = packet[_HEAD.size :], goal
