"""Free ports for a private box. Each process of tests has a block of its own, by a lock that it holds for life, so that
two workers (or two runs) never choose the same port before either has bound it; all lie below the ports that the system
gives to whoever asks for any."""

import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FIRST, LAST, BLOCK = 10_000, 32_000, 1_000


def free_udp_port() -> int:
    """A UDP port of loopback that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_port() -> int:
    """A port of loopback that was free a moment ago, for TCP and for UDP."""
    for port in _ports():
        try:
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            ):
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                return port
        except OSError:
            continue
    raise AssertionError("unreachable: the ports come round")


def free_range(size: int) -> tuple[int, int]:
    """A range of UDP ports, first even, all free a moment ago. A long one has blocks to itself."""
    if size > BLOCK // 2:
        first = _block(-(-size // BLOCK))
        return first, first + size - 1
    for first in _ports():
        if first % 2 or first % BLOCK + size > BLOCK:
            continue
        try:
            for port in range(first, first + size, 7):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        for _ in range(size - 1):
            next(_ports())
        return first, first + size - 1
    raise AssertionError("unreachable: the ports come round")


@cache
def _ports() -> Iterator[int]:
    """This process's block, round and round."""
    first = _block(1)
    return itertools.cycle(range(first, first + BLOCK))


def _block(count: int) -> int:
    """The first port of ``count`` blocks side by side that no process has; they are this one's until it ends."""
    held: list[int] = []
    for first in range(FIRST, LAST, BLOCK):
        lock = os.open(Path(tempfile.gettempdir(), f"ramal-ports-{first}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            for taken in (lock, *held):
                os.close(taken)
            held.clear()
            continue
        held.append(lock)
        if len(held) == count:
            return first - (count - 1) * BLOCK
    raise AssertionError(f"no {count} blocks of {BLOCK} ports are free: too many tests run on this machine now")
