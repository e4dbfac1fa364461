"""An SMTP server that can be told to misbehave. A real socket on the loopback; one thread per connection.

with MailPeer() as peer:
    ... send something to peer.port; then look at peer.mails ...
    peer.hold.set()      # takes whole mails, but does not say so until hold is cleared
    peer.refuses = b"451 4.3.0 try later"
"""

import base64
import contextlib
import email
import email.policy
import socket
import ssl
import threading
from email.message import EmailMessage
from typing import Self


class MailPeer:
    """Listens from its construction on. ``tls``: offers STARTTLS; ``users``: AUTH PLAIN and LOGIN are asked for."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, users: dict[str, str] | None = None) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, str]] = []
        self.said: list[str] = []
        self.hold = threading.Event()
        self.silent = threading.Event()
        self.refuses = b""
        self._tls, self._users = tls, users
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, name="mail peer")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            thread = threading.Thread(target=self._talk, args=(connection,), name="mail peer talk")
            self._threads.append(thread)
            thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            self._wait_while(self.silent)
            connection.sendall(b"220 peer ESMTP\r\n")
            secured: socket.socket = connection
            while True:
                file = stack.enter_context(secured.makefile("rb"))
                again = self._session(secured, file, secured is not connection)
                if again is None:
                    return
                secured = stack.enter_context(again)

    def _session(self, connection: socket.socket, file, secure: bool) -> socket.socket | None:  # type: ignore[no-untyped-def]
        sender, to, known = "", "", self._users is None
        while line := file.readline():
            word = line.decode().strip()
            self.said.append(word)
            match word.split(" ")[0].upper():
                case "EHLO" | "HELO":
                    more = [b"STARTTLS"] if self._tls and not secure else []
                    more += [b"AUTH PLAIN"] if self._users else []
                    lines = [b"peer", *more]
                    told = [b"250%s%s\r\n" % (b"-" if n < len(lines) - 1 else b" ", one) for n, one in enumerate(lines)]
                    connection.sendall(b"".join(told))
                case "STARTTLS":
                    assert self._tls is not None
                    connection.sendall(b"220 go on\r\n")
                    return self._tls.wrap_socket(connection, server_side=True)
                case "AUTH":
                    _, user, password = base64.b64decode(word.split(" ")[2]).decode().split("\0")
                    known = (self._users or {}).get(user) == password
                    connection.sendall(b"235 yes\r\n" if known else b"535 5.7.8 wrong\r\n")
                case "MAIL":
                    sender = word.partition("<")[2].partition(">")[0]
                    connection.sendall(
                        (self.refuses + b"\r\n") if self.refuses else b"250 yes\r\n" if known else b"530 who?\r\n"
                    )
                case "RCPT":
                    to = word.partition("<")[2].partition(">")[0]
                    connection.sendall(b"250 yes\r\n")
                case "DATA":
                    connection.sendall(b"354 go on\r\n")
                    self._take(file, sender, to)
                    self._wait_while(self.hold)
                    connection.sendall(b"250 taken\r\n")
                case "QUIT":
                    connection.sendall(b"221 bye\r\n")
                    return None
                case _:
                    connection.sendall(b"250 yes\r\n")
        return None

    def _take(self, file, sender: str, to: str) -> None:  # type: ignore[no-untyped-def]
        lines = []
        while (line := file.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.envelopes.append((sender, to))
        self.mails.append(message)

    def _wait_while(self, told: threading.Event) -> None:
        while told.is_set() and not self._ended.wait(0.02):
            pass
