"""The processes of one box, kept alive: Asterisk, the daemon, the page, the virtual phones.

Runs on the main thread of ``ramal up`` (on the image this is systemd's work). Each child has a session of its own, so
Ctrl-C reaches only the keeper, which then ends them in order: phones, page, daemon, Asterisk last. A child that dies is
started again after a wait that doubles from ``FIRST_WAIT_S`` to ``LAST_WAIT_S`` and falls back after a minute of life.
Law: whatever fails here (a full disk, a program that is gone) is a sentence and another try; it never ends a call.
"""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ramal.box.leftovers import CODE_UNKNOWN
from ramal.errors import RamalError

FIRST_WAIT_S = 0.5
LAST_WAIT_S = 30.0
GOOD_LIFE_S = 60.0
END_WITHIN_S = 10.0


class Process(Protocol):
    """What the keeper needs of a started program; RunningPeer, Program and Adopted are such."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def stop(self, timeout_s: float = ...) -> int: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Program:
    """A Python program of ours, started plainly."""

    popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.popen.pid

    def poll(self) -> int | None:
        return self.popen.poll()

    def stop(self, timeout_s: float = END_WITHIN_S) -> int:
        """SIGTERM, and SIGKILL when it has not ended after ``timeout_s`` seconds; the exit code."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def close(self) -> None:
        """Nothing is held."""


def start_program(argv: Sequence[str], log: Path) -> Program:
    """Start ``argv`` in its own session, both outputs appended to ``log``."""
    with log.open("ab") as output:
        return Program(
            subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        )


@dataclass(slots=True)
class Child:
    """One process to keep: ``start`` makes it anew each time."""

    name: str
    start: Callable[[], Process]
    pid_file: Path
    process: Process | None = None
    started_s: float = 0.0
    wait_s: float = FIRST_WAIT_S
    due_s: float = 0.0


@dataclass(slots=True)
class Keeper:
    """Starts the children in order, keeps them, ends them in the reverse order. ``say`` gets sentences for a person.

    ``undisturbed`` holds back whatever might interrupt between a process's start and its being known here.
    """

    say: Callable[[str], None]
    undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext
    children: list[Child] = field(default_factory=list)

    def launch(self, child: Child, running: Process | None = None) -> None:
        """Start a child (or take the one that is ``running`` already) and keep it from now on. OSError, RamalError."""
        self.children.append(child)
        if running is None:
            self._start(child, time.monotonic())
        else:
            self._started(child, running, time.monotonic())

    def look(self) -> None:
        """Restart what has died and is due; call it a few times a second."""
        now_s = time.monotonic()
        for child in self.children:
            if child.process is not None:
                code = child.process.poll()
                if code is None:
                    continue
                child.process.close()
                child.process = None
                _forget(child.pid_file)
                if now_s - child.started_s > GOOD_LIFE_S:
                    child.wait_s = FIRST_WAIT_S
                self._later(child, now_s, f"ended ({_how(code)})")
            elif now_s >= child.due_s:
                try:
                    self._start(child, now_s)
                except (OSError, RamalError) as error:
                    self._later(child, now_s, f"could not be started ({error})")

    def end(self) -> None:
        """End all, in the reverse order of their start. Idempotent."""
        while self.children:
            child = self.children.pop()
            if child.process is not None:
                child.process.stop(END_WITHIN_S)
                child.process.close()
            _forget(child.pid_file)

    def _start(self, child: Child, now_s: float) -> None:
        with self.undisturbed():
            self._started(child, child.start(), now_s)

    def _started(self, child: Child, process: Process, now_s: float) -> None:
        child.process, child.started_s = process, now_s
        with contextlib.suppress(OSError):  # for people only: nothing is ever signalled by this number
            child.pid_file.write_text(f"{process.pid}\n")

    def _later(self, child: Child, now_s: float, what: str) -> None:
        child.due_s = now_s + child.wait_s
        self.say(f"{child.name} {what}; it is started again in {child.wait_s:.1f} s.")
        child.wait_s = min(child.wait_s * 2, LAST_WAIT_S)


def _forget(pid_file: Path) -> None:
    with contextlib.suppress(OSError):
        pid_file.unlink(missing_ok=True)


def _how(code: int) -> str:
    if code == CODE_UNKNOWN:
        return "nobody told how"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    if code > 128 and code - 128 in signal.valid_signals():
        return f"killed by {signal.Signals(code - 128).name}"
    return f"exit code {code}"
