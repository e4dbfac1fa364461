"""One connection to Asterisk, used once and never revived.

Threads: ``open``, ``request``, ``request_list`` and ``end`` may be called by any thread but the reader; ``on_message``
and ``on_end`` run on the reader thread and only enqueue. Law: of asterisk-ami 0.1.7 we use the connection, the banner
and the reader thread; its parser, futures, writer and reconnection lose answers, forge headers or die (ARCHITECTURE 4).
"""

import itertools
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field

from asterisk.ami import AMIClient

from ramal.ami.codec import Framer, Header, Message, decode, encode
from ramal.ami.errors import AmiDown, AmiRefused, AmiUnanswered
from ramal.errors import RamalError

log = logging.getLogger(__name__)

SILENCE_S = 15.0
"""A peer that sends nothing for this long is gone; a Ping every few seconds makes a living one answer."""
_RECEIVE_BYTES = 1 << 16


@dataclass(slots=True)
class _Pending:
    """An action that waits for its answer; a list waits for the event that completes it."""

    wants_list: bool
    answer: Future[tuple[Message, list[Message]]] = field(default_factory=Future)
    response: Message | None = None
    rows: list[Message] = field(default_factory=list)


class Session(AMIClient):  # type: ignore[misc]  # the library carries no types
    """Opened once and ended once; ``on_end(reason)`` comes exactly once, and only if Asterisk's banner had come."""

    def __init__(
        self,
        host: str,
        port: int,
        on_message: Callable[[Message], None],
        on_end: Callable[[str], None],
        silence_s: float = SILENCE_S,
    ) -> None:
        super().__init__(host, port, timeout=silence_s)
        self.version = ""
        """AMI's own version, ``11.0.0``, from the banner."""
        self._silence_s = silence_s
        self._on_message, self._on_end = on_message, on_end
        self._write_lock, self._pending_lock = threading.Lock(), threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self._prefix = f"ramal-{secrets.token_hex(4)}"
        self._counter = itertools.count(1)
        self._banner: Future[str] = Future()
        self._ended: str | None = "the session was never opened"
        self._end_reason = ""
        self._writer: socket.socket | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect and wait for Asterisk's banner; AmiDown when it cannot be had within the silence time."""
        try:
            self.connect()
        except OSError as error:
            self._socket.close()
            raise AmiDown(f"Asterisk cannot be reached at {self._address}:{self._port} ({error}).") from error
        try:
            self.version = self._banner.result(self._silence_s + 1.0)
        except (RamalError, FutureTimeout) as error:
            self.end(str(error) or "no banner came")
            raise AmiDown(f"No Asterisk answers at {self._address}:{self._port}: {error}") from error

    def connect(self) -> None:
        """The library's connect with our reader's state set before its thread starts."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.settimeout(self._silence_s)
        self._socket.connect((self._address, self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._pending_lock:
            if self._end_reason:
                raise ConnectionAbortedError(self._end_reason)
            # A second Python object for the same connection: a writer's time limit must not become the reader's.
            self._writer = self._socket.dup()
            self.finished = threading.Event()
            self._ended = None
            self._thread = threading.Thread(target=self.listen, name="ami reader", daemon=True)
            self._thread.start()

    def end(self, reason: str = "ended by us") -> None:
        """End the session and wait until its reader is gone and its descriptors are closed. Harmless when ended."""
        if not self._cut(reason) or threading.current_thread() is self._thread:
            return
        self._thread.join(self._silence_s + 5.0)

    def _cut(self, reason: str) -> bool:
        """Make the reader leave, whatever it waits for; False when there never was one."""
        with self._pending_lock:
            self._end_reason = self._end_reason or reason
            if self.finished is None:
                return False
        self.finished.set()
        with suppress(OSError):  # raised when the connection has gone already
            self._socket.shutdown(socket.SHUT_RDWR)  # close() would not wake the reader out of recv
        return True

    @property
    def alive(self) -> bool:
        """Whether the session is open as far as anyone knows."""
        return self._ended is None and not self.finished.is_set()

    # -- asking ----------------------------------------------------------------------------------------------------

    def request(
        self,
        action: str,
        headers: Sequence[Header] = (),
        variables: Sequence[Header] = (),
        *,
        action_id: str = "",
        timeout_s: float = 5.0,
    ) -> Message:
        """Send an action and return Asterisk's response, also when that says no (``Message.ok``).

        ``action_id`` replaces the generated one and must not be in use. AmiRefused: the action is malformed.
        AmiDown: nothing was sent. AmiUnanswered: sent, and not answered within ``timeout_s`` or before the end.
        """
        return self._ask(False, action, headers, variables, action_id, timeout_s)[0]

    def request_list(
        self, action: str, headers: Sequence[Header] = (), *, timeout_s: float = 10.0
    ) -> tuple[Message, list[Message]]:
        """Send an action answered by a list: the response and the rows, without the event that completes them.

        No rows when the response is a refusal. The rows are not given to ``on_message``. Errors as ``request``.
        """
        return self._ask(True, action, headers, (), "", timeout_s)

    def _ask(
        self,
        wants_list: bool,
        action: str,
        headers: Sequence[Header],
        variables: Sequence[Header],
        action_id: str,
        timeout_s: float,
    ) -> tuple[Message, list[Message]]:
        if threading.current_thread() is self._thread:
            raise AmiRefused(f"{action} was asked on the reader thread, which would wait for itself.")
        action_id = action_id or f"{self._prefix}-{next(self._counter)}"
        data = encode(action, action_id, headers, variables)
        deadline = time.monotonic() + timeout_s
        pending = _Pending(wants_list)
        with self._pending_lock:
            if self._ended is not None:
                raise AmiDown(f"Asterisk is not connected ({self._ended}); {action} was not sent.")
            if action_id in self._pending:
                raise AmiRefused(f"The action id {action_id} is in use; {action} was not sent.")
            self._pending[action_id] = pending
        try:
            self._send(action, data, deadline)
            return pending.answer.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeout:
            raise AmiUnanswered(
                f"Asterisk did not answer {action} within {timeout_s:g} s; it may have done it."
            ) from None
        finally:
            with self._pending_lock:
                self._pending.pop(action_id, None)

    def _send(self, action: str, data: bytes, deadline: float) -> None:
        if not self._write_lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise AmiDown(f"Asterisk does not read what we send; {action} was not sent.")
        try:
            if self._writer is None or self._ended is not None:
                raise AmiDown(f"Asterisk is not connected ({self._ended}); {action} was not sent.")
            self._writer.settimeout(max(0.01, deadline - time.monotonic()))
            self._writer.sendall(data)
        except OSError as error:
            # Part of the action may be on its way: the stream is no longer at a boundary, so this is the end of it.
            self._cut(f"sending failed ({error})")
            raise AmiUnanswered(f"The connection to Asterisk broke while {action} was sent ({error}).") from error
        finally:
            self._write_lock.release()

    # -- reader thread ---------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """The reader's whole life; the library's, with every way out leading to one end."""
        errors: list[BaseException | None] = []
        self.add_listener(
            on_connect=lambda source: self._banner.set_result(self._ami_version),
            on_disconnect=lambda source, error=None: errors.append(error),
        )
        try:
            super().listen()
        except Exception as error:  # the library raises a bare Exception for a wrong banner
            errors.append(
                error if isinstance(error, RamalError | OSError) else AmiRefused("what answers is no Asterisk")
            )
        self._finish(next((str(error) for error in errors if error is not None), "") or "the connection ended")

    def _finish(self, reason: str) -> None:
        self._cut(reason)  # also wakes a writer stuck in sendall
        with self._pending_lock:
            # The first cause is the true one: after our own shutdown the reader only sees the connection end.
            self._ended = reason = self._end_reason
            waiting, self._pending = list(self._pending.values()), {}
        with self._write_lock:
            self._socket.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        for pending in waiting:
            pending.answer.set_exception(AmiUnanswered(f"The session to Asterisk ended before the answer ({reason})."))
        if not self._banner.done():
            self._banner.set_exception(AmiDown(reason))
            return
        try:
            self._on_end(reason)
        except Exception:
            log.exception("telling the end of the AMI session failed")

    def _next_pack(self) -> Iterator[str]:
        """Replaces the library's framing, which holds a line without an end for ever."""
        framer = Framer()
        while not self.finished.is_set():
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except TimeoutError:
                raise AmiDown(f"Asterisk was silent for {self._silence_s:g} s") from None
            except OSError as error:
                raise AmiDown(f"the connection broke ({error})") from error
            if not data:
                raise AmiDown("Asterisk closed the connection")
            yield from framer.feed(data)
        raise AmiDown("ended by us")

    def fire_recv_pack(self, pack: str) -> None:
        """Replaces the library's parser and dispatch. An answer goes to who asked, anything else to ``on_message``."""
        message = decode(pack)
        if message.kind != "other" and message.action_id and self._answers(message):
            return
        if message.kind == "response":
            return  # too late: who asked has gone
        try:
            self._on_message(message)
        except Exception:
            log.exception("an AMI message was not taken: %s", message.event)

    def _answers(self, message: Message) -> bool:
        with self._pending_lock:
            pending = self._pending.get(message.action_id)
            if pending is None:
                return False
            if message.kind == "response":
                pending.response = message
                complete = not (pending.wants_list and message.ok and message.get("EventList").lower() == "start")
            elif not pending.wants_list or pending.response is None:
                return False  # OriginateResponse carries our id and is an event all the same
            else:
                complete = message.get("EventList").lower() in ("complete", "cancelled")
                if not complete:
                    pending.rows.append(message)
            if not complete:
                return True
            del self._pending[message.action_id]
        assert pending.response is not None
        pending.answer.set_result((pending.response, pending.rows))
        return True
