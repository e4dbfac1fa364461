"""The control socket's server: one thread, one selector, bounded in every direction.

Runs on its own thread. Law: it never blocks the engine and is never blocked by a client. A handler answers at once or
gives a Future; slow clients wait for themselves, too many are turned away, a line that is too long ends the connection.
Whoever may open the socket (0660, group ramal) may ask for anything.
"""

import contextlib
import errno
import logging
import os
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ramal.control import address, protocol
from ramal.errors import RamalError

log = logging.getLogger(__name__)

Answer = Mapping[str, Any]
Handler = Callable[[protocol.Request], "Answer | Future[Answer]"]
"""Called on the server's thread: must return at once. RamalErrors become refusals with their sentence."""

CONNECTIONS_MAX = 64
IN_FLIGHT_MAX = 16
"""Unanswered requests of one connection; further ones wait in the kernel's buffer, that is: at the client."""
STALLED_S = 30.0
"""A client that stops in the middle of a line, or does not read its answers, is left after that."""
IDLE_EVICT_S = 5.0
"""When all places are taken, a newcomer gets the one that was silent the longest, if that long."""
_RECEIVE_BYTES = 1 << 16


@dataclass(slots=True, eq=False)
class _Peer:
    """One client's connection."""

    socket: socket.socket
    lines: protocol.Lines
    heard: float
    out: bytearray = field(default_factory=bytearray)
    in_flight: int = 0
    unread: deque[bytes] = field(default_factory=deque)
    closing: bool = False

    @property
    def idle(self) -> bool:
        return not (self.in_flight or self.out or self.unread)

    @property
    def stoppable(self) -> bool:
        """Whether it is this client's turn to go on: to end its line or to read its answers."""
        return (self.lines.partial or bool(self.out)) and not self.in_flight


class Server:
    """Listens at ``path`` from construction; ``start`` begins to answer, ``stop`` ends it and removes the socket.

    OSError from the constructor when the socket cannot be made.
    """

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        *,
        connections_max: int = CONNECTIONS_MAX,
        stalled_s: float = STALLED_S,
        idle_evict_s: float = IDLE_EVICT_S,
    ) -> None:
        self._path, self._handlers = path, handlers
        self._connections_max, self._stalled_s, self._idle_evict_s = connections_max, stalled_s, idle_evict_s
        self._listener = address.listen(path, 128)
        self._listener.setblocking(False)
        self._inode = path.stat().st_ino
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_r, selectors.EVENT_READ)
        self._peers: dict[int, _Peer] = {}
        self._done: queue.SimpleQueue[tuple[_Peer, bytes]] = queue.SimpleQueue()
        self._stopping = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and remove the socket. Answers still being worked on are dropped."""
        self._stopping = True
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        for peer in list(self._peers.values()):
            self._drop(peer)
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        self._selector.close()
        self._listener.close()
        with self._lock:
            os.close(self._wake_r)
            os.close(self._wake_w)
            self._wake_w = -1

    @property
    def names(self) -> tuple[str, ...]:
        """What can be asked."""
        return tuple(sorted(self._handlers))

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._peers)

    # -- server thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                log.exception("the control socket stumbled; it goes on")

    def _turn(self) -> None:
        for key, mask in self._selector.select(self._wait_s()):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._wake_r:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_r, 4096)
                self._collect()
            elif peer := self._peers.get(key.fd):
                self._guarded(peer, mask)
        self._leave_stalled()

    def _guarded(self, peer: _Peer, mask: int) -> None:
        try:
            if mask & selectors.EVENT_WRITE:
                self._send(peer)
            if mask & selectors.EVENT_READ and peer.socket.fileno() >= 0:
                self._receive(peer)
        except OSError:
            self._drop(peer)

    def _wait_s(self) -> float | None:
        """Until the next client could have stalled; for ever when none is in the middle of something."""
        waits = [peer.heard for peer in self._peers.values() if peer.stoppable]
        return max(0.05, min(waits) + self._stalled_s - time.monotonic()) if waits else None

    def _leave_stalled(self) -> None:
        limit = time.monotonic() - self._stalled_s
        for peer in list(self._peers.values()):
            if peer.stoppable and peer.heard < limit:
                self._drop(peer)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):  # the newcomer stays at the door: do not spin meanwhile
                time.sleep(0.1)
            return
        connection.setblocking(False)
        if len(self._peers) >= self._connections_max and not self._evict():
            with connection, contextlib.suppress(OSError):
                connection.send(protocol.refusal(None, "Too many connections to the daemon; try again in a moment."))
            return
        peer = _Peer(connection, protocol.Lines(protocol.REQUEST_MAX), time.monotonic())
        self._peers[connection.fileno()] = peer
        self._selector.register(connection, selectors.EVENT_READ)

    def _evict(self) -> bool:
        quiet = min((peer for peer in self._peers.values() if peer.idle), key=lambda peer: peer.heard, default=None)
        if quiet is None or time.monotonic() - quiet.heard < self._idle_evict_s:
            return False
        self._drop(quiet)
        return True

    def _receive(self, peer: _Peer) -> None:
        try:
            data = peer.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._drop(peer)
            return
        peer.heard = time.monotonic()
        try:
            peer.unread.extend(peer.lines.feed(data))
        except protocol.Malformed as error:
            peer.closing = True
            peer.out += protocol.refusal(error.id, str(error))
        self._work(peer)

    def _work(self, peer: _Peer) -> None:
        """Answer what was read, as far as the client leaves room; then look at what to wait for."""
        while peer.unread and peer.in_flight < IN_FLIGHT_MAX and len(peer.out) < protocol.ANSWER_MAX:
            self._handle(peer, peer.unread.popleft())
        self._send(peer)

    def _handle(self, peer: _Peer, line: bytes) -> None:
        id: protocol.RequestId = None
        try:
            request = protocol.parse_request(line)
            id = request.id
            handler = self._handlers.get(request.do)
            if handler is None:
                raise protocol.Malformed(f"The daemon does not know “{request.do}”.", id)
            answered = handler(request)
        except protocol.Malformed as error:
            peer.out += protocol.refusal(error.id if error.id is not None else id, str(error))
        except Exception as error:
            peer.out += _refusal(id, error)
        else:
            if isinstance(answered, Future):
                peer.in_flight += 1
                answered.add_done_callback(lambda future: self._finished(peer, id, future))
            else:
                peer.out += protocol.answer(id, answered)

    def _finished(self, peer: _Peer, id: protocol.RequestId, future: "Future[Answer]") -> None:
        """On whatever thread the answer was made."""
        if future.cancelled():
            line = protocol.refusal(id, "The daemon is ending; nothing was changed. Try again when it is back.")
        else:
            error = future.exception()
            line = _refusal(id, error) if error else protocol.answer(id, future.result())
        self._done.put((peer, line))
        self._wake()

    def _collect(self) -> None:
        while True:
            try:
                peer, line = self._done.get_nowait()
            except queue.Empty:
                return
            peer.in_flight -= 1
            if self._peers.get(peer.socket.fileno()) is peer:
                peer.out += line
                peer.heard = time.monotonic()
                try:
                    self._work(peer)
                except OSError:
                    self._drop(peer)

    def _send(self, peer: _Peer) -> None:
        if peer.out:
            try:
                sent = peer.socket.send(peer.out)
            except BlockingIOError:
                sent = 0
            if sent:
                del peer.out[:sent]
                peer.heard = time.monotonic()
        if peer.closing and not peer.out:
            self._drop(peer)
            return
        wanted = selectors.EVENT_WRITE if peer.out else 0
        if not peer.out and peer.unread and peer.in_flight < IN_FLIGHT_MAX:
            self._work(peer)
            return
        if not (peer.closing or peer.unread or len(peer.out) >= protocol.ANSWER_MAX):
            wanted |= selectors.EVENT_READ
        self._watch(peer, wanted)

    def _watch(self, peer: _Peer, wanted: int) -> None:
        if self._peers.get(peer.socket.fileno()) is not peer:
            return
        watched = peer.socket in self._selector.get_map()
        if wanted and watched:
            self._selector.modify(peer.socket, wanted)
        elif wanted:
            self._selector.register(peer.socket, wanted)
        elif watched:
            self._selector.unregister(peer.socket)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.get(peer.socket.fileno()) is not peer:
            return
        del self._peers[peer.socket.fileno()]
        with contextlib.suppress(KeyError):
            self._selector.unregister(peer.socket)
        peer.socket.close()

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            if self._wake_w >= 0:
                os.write(self._wake_w, b"\0")


def _refusal(id: protocol.RequestId, error: BaseException) -> bytes:
    if isinstance(error, RamalError):
        problems = getattr(error, "problems", None)
        shown = [_problem(problem) for problem in problems] if problems else None
        return protocol.refusal(id, str(error), shown, error.code)
    log.error("a control request failed", exc_info=error)
    return protocol.refusal(id, "The daemon could not do that because of a fault of its own; its log says more.")


def _problem(problem: Any) -> Mapping[str, Any]:
    if isinstance(problem, Mapping):
        return problem
    return {name: getattr(problem, name, "") for name in ("file", "line", "what", "example")}
