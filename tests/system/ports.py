"""Free ports for a private box; nothing is reserved, but the ranges differ from process to process."""

import itertools
import os
import socket

_next = itertools.count(20_000 + (os.getpid() * 37) % 20_000)


def free_udp_port() -> int:
    """A UDP port of loopback that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_port() -> int:
    """A port of loopback that was free a moment ago, for TCP and for UDP."""
    while True:
        port = next(_next)
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


def free_range(size: int) -> tuple[int, int]:
    """A range of UDP ports, first even, all free a moment ago."""
    while True:
        first = next(_next) & ~1
        for _ in range(size):
            next(_next)
        if first + size > 60_000:
            continue
        try:
            for port in range(first, first + size, 7):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
            return first, first + size - 1
        except OSError:
            continue
