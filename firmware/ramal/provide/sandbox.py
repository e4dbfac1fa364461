"""A program of the prefix, run by bwrap with the prefix's /usr over the caller's own files, network and processes.

This is no prison: it only gives a program the C library and the folders it was built for. bwrap needs no root. It
stays in front as a monitor: ``Popen.pid`` is bwrap, and the program is its child. bwrap forwards no signal: a SIGTERM
to it leaves the program running (or has it killed, with --die-with-parent). ``run_behind_bwrap`` learns the program's
own pid.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ramal.errors import RamalError
from ramal.provide.host import program

# Names, users, time and trust are the host's.
_FROM_HOST = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    "/etc/protocols", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone", "/etc/hostname",
    "/etc/machine-id", "/etc/ssl", "/etc/ca-certificates",
)  # fmt: skip
_FROM_PREFIX = ("/etc/alsa", "/etc/mime.types", "/etc/rpc", "/etc/snmp")


class SandboxError(RamalError):
    """A program of the prefix could not be started."""


def argv(
    root: Path,
    name: str,
    words: Sequence[str],
    *,
    binds: Sequence[Path] = (),
    tmpfs: Mapping[Path, int] | None = None,
    die_with_parent: bool = False,
) -> list[str]:
    """The command line that runs ``name`` of the prefix ``root``; see ``Peers.argv``."""
    inside = next((f"/{path}" for path in (f"usr/sbin/{name}", f"usr/bin/{name}") if (root / path).exists()), None)
    if inside is None:
        raise SandboxError(f"{name} is not among the provided programs (below {root}/usr); nothing was started.")
    command = [_bwrap(), "--ro-bind", f"{root}/usr", "/usr"]
    for folder in ("bin", "sbin", "lib", "lib64"):
        command += ["--symlink", f"usr/{folder}", f"/{folder}"]
    command += ["--proc", "/proc", "--dev", "/dev", "--ro-bind-try", "/sys", "/sys"]
    command += ["--dir", "/run", "--symlink", "/run", "/var/run", "--dir", "/var/tmp", "--dir", "/etc"]
    for path in _FROM_PREFIX:
        command += ["--ro-bind-try", f"{root}{path}", path]
    for path in _FROM_HOST:
        command += ["--ro-bind-try", path, path]
    command += ["--bind", "/tmp", "/tmp"]
    command += _mounts(binds, tmpfs)
    return [*command, *_manner(die_with_parent), "--", inside, *words]


def argv_on_host(
    path: Path,
    words: Sequence[str],
    *,
    tmpfs: Mapping[Path, int] | None = None,
    die_with_parent: bool = False,
) -> list[str]:
    """The same for a program of the machine itself: plain, and behind bwrap only where a tmpfs asks for it."""
    if not tmpfs:
        # setpriv becomes the program, so there is no monitor here.
        return [*(("setpriv", "--pdeathsig", "KILL", "--") if die_with_parent else ()), str(path), *words]
    command = [_bwrap(), "--dev-bind", "/", "/", *_mounts((), tmpfs)]
    return [*command, *_manner(die_with_parent), "--", str(path), *words]


def check() -> None:
    """SandboxError when bwrap cannot make its namespaces here (a container without the right to)."""
    done = subprocess.run(
        [_bwrap(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "true"],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SandboxError(
            f"bwrap cannot make its own view of the files here ({done.stderr.strip()}). Nothing was downloaded. "
            "On a real or virtual machine this works as it is; a container must be allowed namespaces "
            "(sysctl kernel.unprivileged_userns_clone=1, or a privileged container)."
        )


def _bwrap() -> str:
    found = program("bwrap")
    if found is None:
        raise SandboxError("bwrap is missing on this machine. Run `apt-get install bubblewrap` as root, or `make run`.")
    return str(found)


def _mounts(binds: Sequence[Path], tmpfs: Mapping[Path, int] | None) -> list[str]:
    words: list[str] = []
    for path in binds:
        if not path.exists():
            raise SandboxError(f"{path} does not exist, so no program can be given it; nothing was started.")
        words += ["--bind", str(path.absolute()), str(path.absolute())]
    for path, size_bytes in (tmpfs or {}).items():
        words += ["--size", str(size_bytes), "--tmpfs", str(path.absolute())]
    return words


def _manner(die_with_parent: bool) -> list[str]:
    return ["--die-with-parent"] if die_with_parent else []


def run_behind_bwrap(command: Callable[[int], list[str]], popen: Mapping[str, Any]) -> "RunningPeer":
    """Start ``command(info_fd)`` with Popen's keywords ``popen``; returns when bwrap has become the program.

    SandboxError when bwrap gives up before that; its reason is on the standard error that the caller chose.
    """
    reads, writes = os.pipe()
    try:
        kept = (*popen.get("pass_fds", ()), writes)
        process = subprocess.Popen(command(writes), **{**popen, "pass_fds": kept})
    except BaseException:
        os.close(reads)
        raise
    finally:
        os.close(writes)
    with os.fdopen(reads, "rb") as info:
        told = info.read()  # bwrap closes its end once it has told, or dies
    if not told:
        raise SandboxError(
            f"bwrap could not start {process.args!r} (exit code {process.wait()}); its words are in the log."
        )
    running = watched(process, int(json.loads(told)["child-pid"]))
    # Until then a death of the caller would not reach the program: bwrap arms that last.
    while _still_bwrap(running.pid) and process.poll() is None:
        time.sleep(0.001)
    return running


def _still_bwrap(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "bwrap\n"
    except (FileNotFoundError, ProcessLookupError):
        return False


def watched(process: "subprocess.Popen[Any]", pid: int) -> "RunningPeer":
    """The running program ``pid``, held so that its number cannot come to mean another process."""
    try:
        return RunningPeer(process, pid, os.pidfd_open(pid))
    except ProcessLookupError:  # it has ended already; there is nothing left to signal
        return RunningPeer(process, pid, -1)


@dataclass(slots=True)
class RunningPeer:
    """A started program: ``pid`` is its own, ``popen`` what to wait on (bwrap, or the program itself).

    As a context manager it stops the program at the end and gives back its file descriptor.
    """

    popen: subprocess.Popen[Any]
    pid: int
    _pidfd: int = field(repr=False)

    def poll(self) -> int | None:
        """The exit code, or None while it runs. Behind bwrap a program killed by signal N gives 128 + N, not -N."""
        return self.popen.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end; subprocess.TimeoutExpired after ``timeout_s`` seconds."""
        return self.popen.wait(timeout_s)

    def send_signal(self, number: signal.Signals) -> None:
        """Signal the program itself, never a process that got its pid later; nothing when it has ended."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def stop(self, timeout_s: float = 10.0) -> int:
        """SIGTERM, and SIGKILL when it has not ended after ``timeout_s`` seconds; the exit code."""
        self.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.send_signal(signal.SIGKILL)
            return self.wait()

    def close(self) -> None:
        """Give back the file descriptor; the program is left as it is. Idempotent."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def __enter__(self) -> "RunningPeer":
        return self

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            self.stop()
        self.close()
