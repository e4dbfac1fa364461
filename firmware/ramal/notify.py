"""Telling systemd: ready, alive, ending. The protocol is a datagram to a socket whose address is in the environment.

Any thread. Law: without systemd every call is nothing, and no failure here ever reaches the caller.
"""

import contextlib
import os
import socket


class Notifier:
    """Reads ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` once; ``watchdog_s`` is 0 when nobody watches."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watched = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = os.environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if address and watched and usec.isascii() and usec.isdigit() else 0.0

    def tell(self, message: str) -> None:
        """Send ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` or ``STATUS=…``."""
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
