"""A root shell on the box's second serial port, which only the harness's own kernel command line opens.

The image is unchanged: ``systemd.debug_shell=ttyS1`` is systemd's own switch, and who can write a kernel command line
holds the card anyway. One caller at a time; blocking, bounded.
"""

import re
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from ramal_image import ImageError

PORT = {"amd64": "ttyS1", "arm64": "hvc1"}
"""On hvc0 systemd would start a login by itself, and the two would read each the half of every line."""


def switch(arch: str) -> str:
    """What goes onto the kernel's command line."""
    return f"systemd.debug_shell={PORT[arch]}"


def device(arch: str, path: Path) -> list[str]:
    """QEMU's words for the port, as the unix socket ``path``."""
    where = f"socket,id=shell,path={path},server=on,wait=off"
    if arch == "amd64":
        return ["-chardev", where, "-serial", "chardev:shell"]
    words = ["-chardev", where, "-chardev", "null,id=nobody", "-device", "virtio-serial-pci,id=shellbus"]
    words += ["-device", "virtconsole,chardev=nobody,bus=shellbus.0"]
    return [*words, "-device", "virtconsole,chardev=shell,bus=shellbus.0"]


@dataclass(slots=True)
class Shell:
    """The shell behind the socket ``path`` of a running machine."""

    path: Path
    _line: socket.socket | None = None
    _number: int = field(default=0)

    def run(self, command: str, timeout_s: float = 90.0) -> tuple[int, str]:
        """Its exit code and what it said (both streams). ImageError when it does not come back."""
        try:
            return self._run(command, timeout_s)
        except OSError as error:
            raise ImageError(f"The machine ended before `{command[:200]}` did ({error}).") from error

    def _run(self, command: str, timeout_s: float) -> tuple[int, str]:
        line = self._connected(timeout_s)
        self._number += 1
        mark = f"END{self._number}"
        # The mark is cut in two, so that an echo of the command is not taken for its end.
        line.sendall(f"( {command}\n) 2>&1; ended=$?; echo; echo {mark[:2]}''{mark[2:]}=$ended\n".encode())
        said = self._until(re.compile(mark + r"=(\d+)"), timeout_s, command)
        found = re.search(mark + r"=(\d+)", said)
        assert found is not None
        return int(found[1]), said[: found.start()].strip("\n")

    def must(self, command: str, timeout_s: float = 90.0) -> str:
        """What it said; ImageError when it failed."""
        code, said = self.run(command, timeout_s)
        if code != 0:
            raise ImageError(f"On the box `{command[:200]}` failed ({code}): {said[-1500:]}")
        return said

    def close(self) -> None:
        """Let go of the line. Idempotent."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _connected(self, timeout_s: float) -> socket.socket:
        if self._line is not None:
            return self._line
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(self.path))
        line.settimeout(1.0)
        self._line = line
        deadline = time.monotonic() + timeout_s
        while True:  # until the shell is there: before that, what is typed is lost
            line.sendall(
                b"\nexport PS1= PS2= TERM=dumb PAGER=cat SYSTEMD_PAGER=cat SYSTEMD_COLORS=0; stty -echo cols 400\n"
                b"unset PROMPT_COMMAND PS0; echo sh''ell-is-there\n"
            )
            try:
                self._until(re.compile("shell-is-there"), 5.0, "")
                self._drain()
                return line
            except ImageError:
                if time.monotonic() > deadline:
                    raise

    def _drain(self) -> None:
        assert self._line is not None
        try:
            while self._line.recv(65536):
                pass
        except TimeoutError:
            return

    def _until(self, pattern: "re.Pattern[str]", timeout_s: float, command: str) -> str:
        assert self._line is not None
        said, deadline = b"", time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            try:
                block = self._line.recv(65536)
            except TimeoutError:
                continue
            if not block:
                raise ConnectionResetError("nobody is at the other end")
            said += block
            text = said.decode("utf-8", "replace").replace("\r", "")
            if pattern.search(text):
                return text
        raise ImageError(f"On the box `{command[:200]}` did not come back in {timeout_s:.0f} s: {said[-800:]!r}")
