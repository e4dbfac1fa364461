"""Asterisk's console, asked over its own socket: what ``asterisk -rx`` does, without starting a program for each look.

A test that polls asks some fifty times a second; a process for each of them would leave two cores to nothing else.
"""

import socket
from pathlib import Path

LONGEST = 480
"""Bytes: Asterisk takes this kind of command in one read of 512."""


def ask(run: Path, line: str, timeout_s: float = 20.0) -> str:
    """The answer to a line; ``run`` is the folder of asterisk.ctl. Says as ``-rx`` does when nobody is there."""
    told = line.encode()
    assert len(told) <= LONGEST, line
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(timeout_s)
        try:
            wire.connect(str(run / "asterisk.ctl"))
            _received(wire, until=b"\n")  # host, process id, version
            wire.sendall(b"cli quit after " + told + b"\0")
            answer = _received(wire)
        except (FileNotFoundError, ConnectionError):
            return f"Unable to connect to remote asterisk (does {run / 'asterisk.ctl'} exist?)\n"
    return "".join(part for part in answer.decode(errors="replace").splitlines(keepends=True) if not _verbose(part))


def _received(wire: socket.socket, until: bytes = b"") -> bytes:
    """All until the other side closes, or until what came ends with ``until``."""
    got = bytearray()
    while not (until and got.endswith(until)) and (more := wire.recv(65_536)):
        got += more
    return bytes(got)


def _verbose(line: str) -> bool:
    """Lines of the log for people who watch a console begin with a byte above 0xF5, which is never UTF-8."""
    return line.startswith("\N{REPLACEMENT CHARACTER}")
