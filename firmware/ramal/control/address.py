"""Where the control socket is, also when its path is longer than the kernel's 107 bytes.

Law: a unix socket's address is short; a folder that is not is entered through a file descriptor of its own
(``/proc/self/fd/<n>/name``), which the kernel resolves like any other path.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

ADDRESS_MAX = 100
"""Bytes; the kernel's own limit is 107."""


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """An address of ``path`` that fits; valid inside the block. OSError when the folder is not there."""
    if len(os.fsencode(path)) <= ADDRESS_MAX:
        yield os.fspath(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path, backlog: int) -> socket.socket:
    """A listening socket at ``path`` (0660), in place of whatever an earlier life left there. OSError."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        with short(fresh) as address:
            listener.bind(address)
        os.chmod(fresh, 0o660)
        listener.listen(backlog)
        os.replace(fresh, path)  # nobody sees a socket that nobody listens to, or one with other rights
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: Path, timeout_s: float) -> socket.socket:
    """A connection to ``path``. OSError when nobody listens there; BlockingIOError when nobody accepts in time."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Not settimeout: a non-blocking connect fails at once while the listener's backlog is full.
        limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        with short(path) as address:
            connection.connect(address)
        connection.settimeout(timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection
