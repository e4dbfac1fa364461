"""The message lamp of a desk phone (RFC 3842): a SIP client that registers, or subscribes, and keeps what it is told.

It is no phone: it speaks just enough SIP to sign in with digest and to answer NOTIFY. One thread.
"""

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator

from tests.system.box import TestBox, agents_phone
from tests.system.digest import authorization
from tests.until import until


class Waiting:
    """``told``: what message-summary said, in order: (waiting, new, old)."""

    def __init__(self, box: TestBox, extension: str) -> None:
        self._user, self._secret = agents_phone(box, extension)
        self._to = ("127.0.0.1", box.settings.sip_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._sequence = itertools.count(1)
        self._ended = False
        self.answers: list[str] = []
        self.told: list[tuple[str, int, int]] = []
        self.account = ""
        self._thread = threading.Thread(target=self._run, name="waiting")
        self._thread.start()

    def register(self, seconds: int = 600) -> None:
        """Sign in, so that the box tells by itself."""
        self._answered("REGISTER", f"sip:{self._to[0]}:{self._to[1]}", f"Expires: {seconds}\r\n")

    def subscribe(self) -> None:
        """Ask to be told."""
        uri = f"sip:{self._user}@{self._to[0]}:{self._to[1]}"
        self._answered(
            "SUBSCRIBE",
            uri,
            "Event: message-summary\r\nAccept: application/simple-message-summary\r\nExpires: 600\r\n",
        )

    def is_now(self, waiting: str, new: int, old: int) -> None:
        """Until the last word is this."""
        until(lambda: self.told[-1:] == [(waiting, new, old)], 8, f"{waiting} {new}/{old}; told: {self.told}")

    def end(self) -> None:
        """Stop listening."""
        self._ended = True
        self._thread.join(5)
        self._socket.close()

    def _answered(self, method: str, uri: str, more: str) -> None:
        before = len(self.answers)
        self._ask = (method, uri, more)
        self._send("")
        until(lambda: "200" in self.answers[before:], 5, f"{method} accepted: {self.answers[before:]}")

    def _send(self, proof: str) -> None:
        method, uri, more = self._ask
        host, port = self._socket.getsockname()
        number = next(self._sequence)
        name = f"sip:{self._user}@{self._to[0]}:{self._to[1]}"
        text = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{number}w{id(self)};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <{name}>;tag=t{method}\r\nTo: <{name}>\r\n"
            f"Call-ID: {method}-{id(self)}\r\nCSeq: {number} {method}\r\nContact: <sip:{self._user}@{host}:{port}>\r\n"
            f"{more}{proof}Content-Length: 0\r\n\r\n"
        )
        self._socket.sendto(text.encode(), self._to)

    def _run(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(65_535).decode("utf-8", "replace"))

    def _take(self, text: str) -> None:
        head, _, body = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if lines[0].startswith("SIP/2.0 401"):
            method, uri, _ = self._ask
            self._send(authorization(self._user, self._secret, method, uri, fields["www-authenticate"]))
        elif lines[0].startswith("SIP/2.0 "):
            self.answers.append(lines[0].split(" ")[1])
        else:
            names = ("via", "from", "to", "call-id", "cseq")
            kept = [line for line in lines[1:] if line.partition(":")[0].lower() in names]
            answer = "\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""])
            self._socket.sendto(answer.encode(), self._to)
            if fields.get("event", "").startswith("message-summary"):
                said = {
                    name.strip(): value.strip() for name, _, value in (row.partition(":") for row in body.split("\r\n"))
                }
                new, _, old = said.get("Voice-Message", "0/0").partition(" ")[0].partition("/")
                self.account = said.get("Message-Account", "")
                self.told.append((said.get("Messages-Waiting", ""), int(new), int(old)))


@contextlib.contextmanager
def waiting(box: TestBox, extension: str) -> Iterator[Waiting]:
    """The lamp of one phone."""
    made = Waiting(box, extension)
    try:
        yield made
    finally:
        made.end()
