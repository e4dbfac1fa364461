"""Who failed to sign in, told to the box's guard (``ramal guard``): a line in a file that the guard made.

Where there is no guard there is no file, and nothing is written. Any thread. Law: a line is an address and nothing that
somebody typed; it is written in one go, and no failure here reaches who signs in.
"""

import contextlib
import os

from flask import current_app

from ramal.core.near import address_of

BYTES_MAX = 1 << 20
"""The guard empties the file; while it is dead nothing more is added."""


def note(text: str) -> None:
    """One failure of who asks from the address ``text``."""
    address = address_of(text)
    if address is None:
        return
    path = current_app.config["RAMAL"].home.page_failures
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.fstat(descriptor).st_size < BYTES_MAX:
                os.write(descriptor, f"page-failed {address}\n".encode("ascii"))
        finally:
            os.close(descriptor)
