"""A desk phone's lamps: a SIP client that subscribes to them (RFC 4235, dialog-info) and keeps what it is told.

It is no phone: it speaks just enough SIP to subscribe as an extension, with digest, and to answer NOTIFY. One thread.
"""

import contextlib
import itertools
import re
import socket
import threading
from collections.abc import Iterator

from tests.system.box import TestBox, agents_phone
from tests.system.digest import authorization, head
from tests.until import until

_STATE = re.compile(r"<state>([a-z]+)</state>")


class Lamps:
    """Lamps by name (``in-7``) as the box last told: ``terminated`` (dark), ``confirmed`` (lit), ``early`` (blinking);
    ``told`` keeps every word in order."""

    def __init__(self, box: TestBox, extension: str) -> None:
        self._user, self._secret = agents_phone(box, extension)
        self._to = ("127.0.0.1", box.settings.sip_port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._sequence = itertools.count(1)
        self._calls: dict[str, str] = {}
        self._ended = False
        self.states: dict[str, str] = {}
        self.told: list[tuple[str, str]] = []
        self.refused: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="lamps")
        self._thread.start()

    def watch(self, name: str) -> None:
        """Subscribe to a lamp, until its first state is there."""
        self._calls[f"{name}-{id(self)}"] = name
        self._subscribe(name, "")
        until(lambda: name in self.states or name in self.refused, 5, f"the lamp {name} told its state")
        assert name not in self.refused, self.refused[name]

    def is_now(self, name: str, state: str, timeout_s: float = 5.0) -> None:
        """Until a lamp is in that state."""
        until(lambda: self.states.get(name) == state, timeout_s, f"{name} {state}, told: {self.told}")

    def end(self) -> None:
        """Stop listening."""
        self._ended = True
        self._thread.join(5)
        self._socket.close()

    def _subscribe(self, name: str, authorization: str) -> None:
        host, port = self._socket.getsockname()
        uri = f"sip:{name}@{self._to[0]}:{self._to[1]}"
        number = next(self._sequence)
        text = (
            f"SUBSCRIBE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{number}x{id(self)};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self._user}@{host}:{port}>;tag=t{name}\r\nTo: <{uri}>\r\n"
            f"Call-ID: {name}-{id(self)}\r\nCSeq: {number} SUBSCRIBE\r\nContact: <sip:{self._user}@{host}:{port}>\r\n"
            f"Event: dialog\r\nAccept: application/dialog-info+xml\r\nExpires: 600\r\n{authorization}"
            "Content-Length: 0\r\n\r\n"
        )
        self._socket.sendto(text.encode(), self._to)

    def _run(self) -> None:
        while not self._ended:
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(65_535).decode("utf-8", "replace"))

    def _take(self, text: str) -> None:
        lines, fields = head(text)
        name = self._calls.get(fields.get("call-id", ""), "")
        if lines[0].startswith("SIP/2.0 401") and name:
            self._subscribe(name, self._digest(name, fields["www-authenticate"]))
        elif lines[0].startswith("SIP/2.0 4") and name:
            self.refused[name] = lines[0]
        elif lines[0].startswith("NOTIFY") and name:
            kept = [
                line for line in lines[1:] if line.partition(":")[0].lower() in ("via", "from", "to", "call-id", "cseq")
            ]
            self._socket.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), self._to)
            state = _STATE.search(text.partition("\r\n\r\n")[2])
            if state is not None:
                self.states[name] = state[1]
                self.told.append((name, state[1]))

    def _digest(self, name: str, challenge: str) -> str:
        uri = f"sip:{name}@{self._to[0]}:{self._to[1]}"
        return authorization(self._user, self._secret, "SUBSCRIBE", uri, challenge)


@contextlib.contextmanager
def lamps(box: TestBox, extension: str, *names: str) -> Iterator[Lamps]:
    """Lamps that a phone watches, all of them known."""
    watching = Lamps(box, extension)
    try:
        for name in names:
            watching.watch(name)
        yield watching
    finally:
        watching.end()
