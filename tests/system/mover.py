"""A phone that is away and says so itself: it registers, and answers every call with 302 to a number it was told.

It is no phone: it speaks just enough SIP to register as an extension, with digest, and to refuse. One thread.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.system.box import TestBox, agents_phone
from tests.system.digest import authorization, head
from tests.until import until

_KEPT = ("via", "from", "to", "call-id", "cseq")


class Mover:
    """``asked``: how many calls it was offered."""

    def __init__(self, box: TestBox, extension: str, to: str) -> None:
        self._user, self._secret = agents_phone(box, extension)
        self._box = ("127.0.0.1", box.settings.sip_port)
        self._moved = to
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._turn = 0
        self._calls: set[str] = set()
        self._ended = False
        self.registered = False
        self._thread = threading.Thread(target=self._run, name="mover")
        self._thread.start()
        self._register(600)

    @property
    def asked(self) -> int:
        return len(self._calls)

    def end(self) -> None:
        """Unregister and stop."""
        self.registered = False
        self._register(0)
        until(lambda: self.registered, 5, "unregistered")
        self._ended = True
        self._thread.join(5)
        self._socket.close()

    def _register(self, expires_s: int, authorization: str = "") -> None:
        self._expires_s = expires_s
        self._turn += 1
        host, port = self._socket.getsockname()
        me = f"sip:{self._user}@{self._box[0]}:{self._box[1]}"
        self._send(
            f"REGISTER sip:{self._box[0]}:{self._box[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKm{id(self)}{self._turn};rport\r\n"
            f"From: <{me}>;tag=mover\r\nTo: <{me}>\r\nCall-ID: mover-{id(self)}\r\nCSeq: {self._turn} REGISTER\r\n"
            f"Contact: <sip:{self._user}@{host}:{port}>\r\nExpires: {expires_s}\r\nMax-Forwards: 70\r\n{authorization}"
            "Content-Length: 0\r\n\r\n"
        )

    def _send(self, text: str) -> None:
        self._socket.sendto(text.encode(), self._box)

    def _run(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(65_535).decode("utf-8", "replace"))

    def _take(self, text: str) -> None:
        lines, fields = head(text)
        kept = [line for line in lines[1:] if line.partition(":")[0].strip().lower() in _KEPT]
        if lines[0].startswith("SIP/2.0 401"):
            self._register(self._expires_s, self._digest(fields["www-authenticate"]))
        elif lines[0].startswith("SIP/2.0 200") and "REGISTER" in fields["cseq"]:
            self.registered = True
        elif lines[0].startswith("INVITE"):
            self._calls.add(fields["call-id"])
            where = f"Contact: <sip:{self._moved}@{self._box[0]}:{self._box[1]}>"
            tagged = [line + ";tag=moved" if line.lower().startswith("to:") else line for line in kept]
            self._send("\r\n".join(["SIP/2.0 302 Moved Temporarily", *tagged, where, "Content-Length: 0", "", ""]))
        elif lines[0].startswith(("OPTIONS", "NOTIFY")):
            self._send("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]))

    def _digest(self, challenge: str) -> str:
        uri = f"sip:{self._box[0]}:{self._box[1]}"
        return authorization(self._user, self._secret, "REGISTER", uri, challenge)


@contextlib.contextmanager
def moved(box: TestBox, extension: str, to: str) -> Iterator[Mover]:
    """That extension registered as a phone which sends all its calls to ``to``."""
    mover = Mover(box, extension, to)
    try:
        until(lambda: mover.registered, 5, f"{extension} registered")
        until(lambda: "Avail" in box.command(f"pjsip show aor {extension}"), 10, f"{extension} reachable")
        yield mover
    finally:
        mover.end()
