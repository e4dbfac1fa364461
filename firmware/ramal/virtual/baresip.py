"""One baresip process behind its control socket, and the thread that owns both.

Law: everything here but ``start``, ``post`` and ``stop`` runs on the phone's own thread, which starts the process (that
dies with the thread), reads its words, its socket and what it plays, and keeps the timers. No sleeping, no locks.
"""

import heapq
import itertools
import os
import queue
import re
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ramal.errors import RamalError
from ramal.provide.peer import Peers, RunningPeer
from ramal.virtual.netstring import Decoder, FrameError, encode

_KEPT_LINES = 60
_METER = "rw_ratio="  # the audio loop's, ten a second
_READY = "baresip is ready."
_TAKEN = ("Address already in use", "failed to listen")
_COLOURS = re.compile("\x1b\\[[0-9;]*m")
_QUIT_S = 1.5
_TERM_S = 0.7

Reply = Callable[[bool, str], object]


class PhoneError(RamalError):
    """A virtual phone cannot do what it should."""


class PortTaken(PhoneError):
    """One of the ports was taken between the choice and the start; try others."""


class Listener(Protocol):
    """Who is told on the phone's thread: an event as baresip wrote it, and the end of the process."""

    def ready(self, pid: int) -> None:
        """The process takes commands."""

    def said(self, words: str) -> None:
        """A line of the process's log."""

    def told(self, message: dict[str, Any]) -> None:
        """One event."""

    def ended(self, wanted: bool, exit_code: int, last_words: str) -> None:
        """The process is gone and everything of it is closed."""


class Sink(Protocol):
    """Where the sound comes out (``Ear``)."""

    def fileno(self) -> int:
        """For select."""

    def drain(self) -> None:
        """Take what is there."""

    def close(self) -> None:
        """The process has ended."""


class Baresip:
    """A process of ``home`` (holding ``config`` and ``accounts``), told through 127.0.0.1:``control_port``."""

    def __init__(
        self,
        peers: Peers,
        name: str,
        home: Path,
        control_port: int,
        ear: Sink,
        listener: Listener,
        options: tuple[str, ...] = (),
    ) -> None:
        self._options = options
        self._peers, self._name, self._home, self._ear, self._listener = peers, name, home, ear, listener
        self._control_port = control_port
        self._thread = threading.Thread(target=self._run, name=f"phone-{name}", daemon=True)
        self._ready: queue.SimpleQueue[PhoneError | None] = queue.SimpleQueue()
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count(1)
        self._replies: dict[str, tuple[str, Reply | None]] = {}
        self._decoder = Decoder()
        self._control: socket.socket | None = None
        self._process: RunningPeer | None = None
        self._words: deque[str] = deque(maxlen=_KEPT_LINES)
        self._line = b""
        self._wanted = False
        self._taken = False
        self._closed = threading.Event()

    # Any thread.

    def start(self, timeout_s: float = 15.0) -> None:
        """Start the process and wait until it takes commands. PhoneError (PortTaken) when it does not."""
        self._thread.start()
        try:
            failure = self._ready.get(timeout=timeout_s)
        except queue.Empty:
            failure = PhoneError(
                f"Phone {self._name} was not ready within {timeout_s} s. Its last words: {self._tail()}"
            )
        if failure is not None:
            self.stop()
            raise failure

    def post(self, action: Callable[[], None]) -> bool:
        """Have the phone's thread do it soon; False when the phone has ended and nobody will."""
        self._posted.put(action)
        if self._closed.is_set():
            return False
        try:
            os.eventfd_write(self._wake, 1)
        except OSError:  # closed between the two lines
            return False
        return True

    def stop(self) -> None:
        """End it: ``quit`` (it unregisters), then SIGTERM, then SIGKILL; back when all is gone. Idempotent."""
        self.post(self._quit)
        if not self.on_its_thread():
            self._thread.join()

    def on_its_thread(self) -> bool:
        """Whether the caller is this phone's own thread (and so must not wait for it)."""
        return self._thread is threading.current_thread()

    # The phone's thread.

    def say(self, command: str, params: str = "", reply: Reply | None = None) -> None:
        """Give baresip one command of its menu; ``reply(ok, text)`` is called later on this thread."""
        token = str(next(self._numbers))
        self._replies[token] = (command, reply)
        if self._control is None:
            self._answered({"token": token, "ok": False, "data": "the phone is not running"})
            return
        try:
            self._control.sendall(encode({"command": command, "params": params, "token": token}))
        except OSError as problem:
            self._answered({"token": token, "ok": False, "data": f"the phone does not listen: {problem}"})

    def after(self, delay_s: float, action: Callable[[], object]) -> None:
        """Do it in ``delay_s`` seconds, unless the process has ended by then."""
        heapq.heappush(self._timers, (time.monotonic() + delay_s, next(self._numbers), action))

    def _run(self) -> None:
        exit_code = -1
        try:
            command = ("baresip", *self._options, "-f", str(self._home))
            self._process = self._peers.start(
                *command,
                binds=[self._home],
                die_with_parent=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._home,
            )
            self._turn(self._process)
            exit_code = self._reap(self._process)
        except (RamalError, OSError) as problem:
            self._words.append(str(problem))
        finally:
            self._close()
            self._ready.put(self._failure())
            self._listener.ended(self._wanted, exit_code, self._tail())

    def _turn(self, process: RunningPeer) -> None:
        assert process.popen.stdout is not None
        words = process.popen.stdout
        os.set_blocking(words.fileno(), False)
        for source, action in (
            (words, self._read_words),
            (self._wake, self._read_posted),
            (self._ear, self._ear.drain),
        ):
            self._selector.register(source, selectors.EVENT_READ, action)
        running = True
        while running:
            due_in_s = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(due_in_s):
                if key.data() is False:
                    running = False
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _read_words(self) -> bool:
        assert self._process is not None
        assert self._process.popen.stdout is not None
        data = os.read(self._process.popen.stdout.fileno(), 1 << 16)
        *lines, self._line = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            text = _COLOURS.sub("", line.decode("utf-8", "replace")).strip()
            if not text or _METER in text:
                continue
            self._words.append(text[:300])
            self._listener.said(text)
            if self._control is None and any(taken in text for taken in _TAKEN):
                self._taken = True
                self._quit()
            elif text == _READY and not self._wanted:
                self._connect()
        return bool(data)  # no more words: the process has ended

    def _connect(self) -> None:
        try:
            control = socket.create_connection(("127.0.0.1", self._control_port), timeout=2.0)
        except OSError as problem:
            self._words.append(f"control socket: {problem}")
            self._quit()
            return
        self._control = control
        self._selector.register(control, selectors.EVENT_READ, self._read_control)
        self._listener.ready(self._process.pid if self._process else 0)
        self._ready.put(None)

    def _read_control(self) -> None:
        assert self._control is not None
        try:
            data = self._control.recv(1 << 16)
            messages = self._decoder.feed(data)
        except (OSError, FrameError) as problem:
            self._words.append(f"control socket: {problem}")
            data, messages = b"", []
        if not data:  # it ends, or it is broken: then it must end
            self._selector.unregister(self._control)
            self._control.close()
            self._control = None
            self._escalate()
            return
        for message in messages:
            if message.get("response"):
                self._answered(message)
            else:
                self._listener.told(message)

    def _answered(self, message: dict[str, Any]) -> None:
        command, reply = self._replies.pop(str(message.get("token")), ("", None))
        ok, text = bool(message.get("ok")), str(message.get("data", "")).strip()
        if reply is not None:
            reply(ok, text)
        elif not ok:
            self._listener.told({"type": "REFUSED", "command": command, "param": text})

    def _read_posted(self) -> None:
        os.eventfd_read(self._wake)
        while not self._posted.empty():
            self._posted.get_nowait()()

    def _quit(self) -> None:
        self._wanted = True
        if self._control is not None:
            self.say("quit", reply=lambda ok, text: None)
            self.after(_QUIT_S, self._escalate)
        else:
            self._escalate()

    def _escalate(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self.after(_TERM_S, self._kill)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)

    def _reap(self, process: RunningPeer) -> int:
        """The exit code. The words have ended, so the process has, or it closed its output and must be ended."""
        try:
            return process.wait(_TERM_S)
        except subprocess.TimeoutExpired:
            return process.stop(_TERM_S)

    def _close(self) -> None:
        self._closed.set()
        self._ear.close()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.stop(_TERM_S)
            self._process.close()
            if self._process.popen.stdout is not None:
                self._process.popen.stdout.close()
        self._selector.close()
        os.close(self._wake)
        for token in list(self._replies):
            self._answered({"token": token, "ok": False, "data": "the phone has ended"})
        while not self._posted.empty():
            self._posted.get_nowait()()

    def _failure(self) -> PhoneError:
        kind = PortTaken if self._taken else PhoneError
        return kind(f"Phone {self._name} did not start. Its last words: {self._tail()}")

    def _tail(self) -> str:
        return " / ".join(list(self._words)[-6:]) or "none"
