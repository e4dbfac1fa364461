"""An AMI server that can be told to misbehave. A real socket on the loopback; one thread per connection.

    with AmiPeer() as peer:
        peer.lists["QueueStatus"] = [(("Event", "QueueMember"), ("Name", "agent-7"))]
        peer.answers["QueueAdd"] = lambda action: peer.refuse(action, "Unable to add interface: Already there")
        ... connect something to peer.port ...
        peer.event("QueueCallerJoin", ("Queue", "sales"))
        peer.stall(); peer.resume(); peer.drop(); peer.reset(); peer.go_away(); peer.come_back()

Every action it read is in ``peer.actions``. Login, Ping and the snapshot's lists are answered as Asterisk does; any
other action with Success. An answer is bytes, or None for no answer at all.
"""

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from ramal.ami.codec import Message, decode

Pairs = Sequence[tuple[str, str]]
Answer = Callable[[Message], bytes | None]

BANNER = b"Asterisk Call Manager/11.0.0\r\n"


def block(*pairs: tuple[str, str]) -> bytes:
    """The bytes of one message."""
    return b"".join(f"{name}: {value}\r\n".encode("utf-8", "surrogateescape") for name, value in pairs) + b"\r\n"


class AmiPeer:
    """Listens from its construction on; ``stop`` (or leaving the ``with``) ends every thread and descriptor."""

    def __init__(
        self,
        *,
        banner: bytes = BANNER,
        username: str = "ramal",
        secret: str = "secret",
        booted: bool = True,
        reads: bool = True,
        version: str = "22.10.1",
    ) -> None:
        self.banner, self.username, self.secret = banner, username, secret
        self.booted, self.reads = booted, reads
        self.actions: list[Message] = []
        self.accepted = 0
        self.answers: dict[str, Answer] = {
            "CoreSettings": lambda action: self.accept(action, ("AsteriskVersion", version)),
        }
        self.lists: dict[str, Sequence[Pairs]] = {
            "QueueStatus": (),
            "Status": (),
            "CoreShowChannels": (),
            "PJSIPShowEndpoints": (),
        }
        self._lock = threading.Lock()  # the connections
        self._writing = threading.Lock()  # whole messages, one after another
        self._connections: dict[socket.socket, bool] = {}  # True after the login
        self._threads: list[threading.Thread] = []
        self._running = threading.Event()
        self._running.set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.come_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- answers ---------------------------------------------------------------------------------------------------

    @staticmethod
    def accept(action: Message, *pairs: tuple[str, str]) -> bytes:
        """A yes to ``action``."""
        return block(("Response", "Success"), ("ActionID", action.action_id), *pairs)

    @staticmethod
    def refuse(action: Message, why: str) -> bytes:
        """A no to ``action``."""
        return block(("Response", "Error"), ("ActionID", action.action_id), ("Message", why))

    def listing(self, action: Message, rows: Sequence[Pairs]) -> bytes:
        """The whole answer to a list action."""
        own = ("ActionID", action.action_id)
        start = self.accept(action, ("EventList", "start"), ("Message", "A listing follows"))
        body = b"".join(block(row[0], own, *row[1:]) for row in rows)
        name = action.get("Action")
        count = ("ListItems", str(len(rows)))
        return start + body + block(("Event", f"{name}Complete"), own, ("EventList", "Complete"), count)

    # -- talking ---------------------------------------------------------------------------------------------------

    def event(self, name: str, *pairs: tuple[str, str]) -> None:
        """Tell an event to everybody who is logged in."""
        self.send(block(("Event", name), ("Privilege", "agent,all"), *pairs))

    def send(self, data: bytes) -> None:
        """These bytes, whatever they are, to everybody who is logged in."""
        with self._writing:
            with self._lock:
                logged_in = [connection for connection, known in self._connections.items() if known]
            for connection in logged_in:
                with suppress(OSError):
                    connection.sendall(data)

    def named(self, name: str) -> list[Message]:
        """The actions of this name that were read, oldest first."""
        return [action for action in list(self.actions) if action.get("Action") == name]

    @property
    def logged_in(self) -> int:
        """How many connections are logged in now."""
        with self._lock:
            return sum(self._connections.values())

    # -- misbehaving -----------------------------------------------------------------------------------------------

    def stall(self) -> None:
        """Answer nothing and greet nobody until ``resume``; connections stand and are accepted."""
        self._running.clear()

    def resume(self) -> None:
        """Answer again, first what was asked meanwhile."""
        self._running.set()

    def drop(self) -> None:
        """End every connection in order (FIN)."""
        for connection in self._taken():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Break every connection off (RST)."""
        for connection in self._taken():
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # The reading thread holds its own reference inside recv: only connect to AF_UNSPEC resets at once.
                _disconnect(connection)

    def go_away(self) -> None:
        """Stop listening and drop everybody: connecting is refused, as with no Asterisk at all."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.drop()

    def come_back(self) -> None:
        """Listen (again, on the same port)."""
        self._listener = listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = listener.getsockname()[1]
        self._start(self._accept, listener)

    def stop(self) -> None:
        """End everything and wait for it."""
        self.go_away()
        self._running.set()
        for thread in list(self._threads):
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} does not end"

    # -- threads ---------------------------------------------------------------------------------------------------

    def _start(self, target: Callable[[socket.socket], None], about: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(about,), name=f"ami peer {target.__name__}", daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _taken(self) -> list[socket.socket]:
        with self._lock:
            taken = list(self._connections)
            self._connections.clear()
        return taken

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.accepted += 1
                self._connections[connection] = False
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self._running.wait()
            connection.sendall(self.banner)
            held = b""
            while self._known(connection):
                if not self.reads:
                    # Wait for the end without reading: peek leaves the bytes in the kernel's buffer.
                    if not connection.recv(1, socket.MSG_PEEK):
                        return
                    threading.Event().wait(0.02)
                    continue
                data = connection.recv(65536)
                if not data:
                    return
                *blocks, held = (held + data).split(b"\r\n\r\n")
                for text in blocks:
                    self._act(connection, decode(text.decode()))
        with self._lock:
            self._connections.pop(connection, None)

    def _known(self, connection: socket.socket) -> bool:
        with self._lock:
            return connection in self._connections

    def _act(self, connection: socket.socket, action: Message) -> None:
        self.actions.append(action)
        self._running.wait()
        name = action.get("Action")
        answer = self._answer(name, action)
        if answer is None:
            return
        with self._writing:  # held until the login counts: who has read the answer also gets the next event
            connection.sendall(answer)
            if name == "Login" and answer.startswith(b"Response: Success"):
                with self._lock:
                    if connection in self._connections:
                        self._connections[connection] = True
                if self.booted:
                    connection.sendall(block(("Event", "FullyBooted"), ("Status", "Fully Booted")))

    def _answer(self, name: str, action: Message) -> bytes | None:
        if name in self.answers:
            return self.answers[name](action)
        if name in self.lists:
            return self.listing(action, self.lists[name])
        if name == "Login" and (action.get("Username"), action.get("Secret")) != (self.username, self.secret):
            return self.refuse(action, "Authentication failed")
        if name == "Ping":
            return self.accept(action, ("Ping", "Pong"))
        return self.accept(action, ("Message", "ok"))


def _disconnect(connection: socket.socket) -> None:
    """connect(AF_UNSPEC): with SO_LINGER 0 this sends RST, also while another thread sits in recv."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.connect(connection.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)
    connection.shutdown(socket.SHUT_RDWR)
