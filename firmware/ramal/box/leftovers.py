"""What a killed ``ramal up`` left running: found, kept where calls depend on it, ended cleanly where they do not.

Runs on the main thread of ``ramal up``, inside the home's lock. Law: a process is ours only when its whole command line
is one we would start for this very home (a number from a file may have come to mean another process), and it is
signalled only through a pidfd.
"""

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ramal.box.home import Home, Settings

Name = Literal["asterisk", "daemon", "page", "phones"]

END_WITHIN_S = 10.0
CODE_UNKNOWN = 256
"""The exit code of a process that is not our child: nobody tells it to us."""
_OF_ASTERISK = ("sip_bind", "sip_port", "rtp_first", "rtp_last", "ami_port")
_CALLED: Mapping[Name, str] = {
    "asterisk": "Asterisk", "daemon": "the daemon", "page": "the page", "phones": "the virtual phones",
}  # fmt: skip


@dataclass(slots=True)
class Adopted:
    """A running process that an earlier keeper started."""

    pid: int
    _pidfd: int = field(repr=False)

    def poll(self) -> int | None:
        """None while it runs, else CODE_UNKNOWN."""
        if self._pidfd < 0:
            return CODE_UNKNOWN
        watch = select.poll()
        watch.register(self._pidfd, select.POLLIN)
        return CODE_UNKNOWN if watch.poll(0) else None

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing when it has ended."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def stop(self, timeout_s: float = END_WITHIN_S) -> int:
        """SIGTERM, and SIGKILL when it has not ended after ``timeout_s`` seconds."""
        if self._pidfd >= 0:
            self.send_signal(signal.SIGTERM)
            watch = select.poll()
            watch.register(self._pidfd, select.POLLIN)
            if not watch.poll(timeout_s * 1000):
                self.send_signal(signal.SIGKILL)
                watch.poll(timeout_s * 1000)
        self.close()
        return CODE_UNKNOWN

    def close(self) -> None:
        """Give back the file descriptor; the process is left as it is. Idempotent."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def argv(home: Home, name: Name) -> list[str]:
    """The words after the program by which one of this home's processes is started, and known again."""
    match name:
        case "asterisk":
            return ["-f", "-C", str(home.asterisk_etc / "asterisk.conf")]
        case "daemon":
            return ["-m", "ramal", "run", "--home", str(home.root)]
        case "page":
            return ["-m", "ramal_web", "--home", str(home.root)]
        case "phones":
            return ["-m", "ramal.virtual", "--config", str(home.virtual_phones_file)]


def find(home: Home) -> dict[Name, Adopted]:
    """This home's processes that run now."""
    wanted = {tuple(os.fsencode(word) for word in argv(home, name)): name for name in _CALLED}
    found: dict[Name, Adopted] = {}
    for pid, words in _processes():
        name = wanted.get(words)
        if name is None:
            continue
        with contextlib.suppress(ProcessLookupError):
            adopted = Adopted(pid, os.pidfd_open(pid))
            if _words(pid) == words and name not in found:  # between the look and the pidfd it may have become another
                found[name] = adopted
            else:
                adopted.close()
    return found


def settle(home: Home, settings: Settings, say: Callable[[str], None]) -> dict[Name, Adopted]:
    """End what an earlier start left but Asterisk and the phones, which keep their calls; those two.

    Asterisk is ended too when it runs with other ports or addresses than ``settings`` has.
    """
    found = find(home)
    if not found:
        return {}
    say("The last start on this home was cut off; some of its processes still run.")
    kept: dict[Name, Adopted] = {}
    same = all(getattr(home.in_force(), key) == getattr(settings, key) for key in _OF_ASTERISK)
    for name in ("phones", "page", "daemon", "asterisk"):
        process = found.get(name)
        if process is None:
            continue
        if name in ("phones", "asterisk") and same:
            say(f"Kept with its calls: {_CALLED[name]} (process {process.pid}).")
            kept[name] = process
        else:
            why = " with its calls, because it has other ports or addresses" if name == "asterisk" else ""
            say(f"Ended{why}: {_CALLED[name]} (process {process.pid}).")
            process.stop()
    return kept


def _processes() -> Iterator[tuple[int, tuple[bytes, ...]]]:
    own = os.getpid()
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != own:
            words = _words(int(entry.name))
            if words:
                yield int(entry.name), words


def _words(pid: int) -> tuple[bytes, ...]:
    """The words after the program of a process of ours; none of another user's or one that has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        if folder.stat().st_uid != os.getuid():
            return ()
        return tuple((folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")[1:])
    except OSError:
        return ()
