"""The processes of one box, kept alive: Asterisk, the daemon, the page, the virtual phones.

Runs on the main thread of ``ramal up`` (on the image this is systemd's work). Each child has a session of its own, so
Ctrl-C reaches only the keeper, which then ends them in order: phones, page, daemon, Asterisk last. A child that dies is
started again after a wait that doubles from ``FIRST_WAIT_S`` to ``LAST_WAIT_S`` and falls back after a minute of life.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

FIRST_WAIT_S = 0.5
LAST_WAIT_S = 30.0
GOOD_LIFE_S = 60.0
END_WITHIN_S = 10.0


class Process(Protocol):
    """What the keeper needs of a started program; a RunningPeer and a Program both are one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def stop(self, timeout_s: float = ...) -> int: ...


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
    """Starts the children in order, keeps them, ends them in the reverse order. ``say`` gets sentences for a person."""

    say: Callable[[str], None]
    children: list[Child] = field(default_factory=list)

    def launch(self, child: Child) -> None:
        """Start a child and keep it from now on."""
        self.children.append(child)
        self._start(child, time.monotonic())

    def look(self) -> None:
        """Restart what has died and is due; call it a few times a second."""
        now_s = time.monotonic()
        for child in self.children:
            if child.process is not None:
                code = child.process.poll()
                if code is None:
                    continue
                child.process = None
                child.pid_file.unlink(missing_ok=True)
                if now_s - child.started_s > GOOD_LIFE_S:
                    child.wait_s = FIRST_WAIT_S
                child.due_s = now_s + child.wait_s
                self.say(f"{child.name} ended ({_how(code)}); it is started again in {child.wait_s:.1f} s.")
                child.wait_s = min(child.wait_s * 2, LAST_WAIT_S)
            elif now_s >= child.due_s:
                self._start(child, now_s)

    def end(self) -> None:
        """End all, in the reverse order of their start. Idempotent."""
        while self.children:
            child = self.children.pop()
            if child.process is not None:
                child.process.stop(END_WITHIN_S)
            child.pid_file.unlink(missing_ok=True)

    def _start(self, child: Child, now_s: float) -> None:
        child.process = child.start()
        child.started_s = now_s
        child.pid_file.write_text(f"{child.process.pid}\n")


def _how(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    if code > 128 and code - 128 in signal.valid_signals():
        return f"killed by {signal.Signals(code - 128).name}"
    return f"exit code {code}"


def alive(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
