"""Are the ports of this box free? A taken one is a sentence, not a traceback.

Runs on the main thread of ``ramal up``. A check, not a reservation: whoever loses the race later says so in its log.
"""

import socket
from collections.abc import Iterator

from ramal.box.home import Settings
from ramal.errors import RamalError


class PortsTaken(RamalError):
    """Another program listens where this box has to."""


def check(settings: Settings, settings_file: str, *, asterisk_runs: bool = False) -> None:
    """PortsTaken naming every taken port, what it is for and how to choose another. ``asterisk_runs``: this box's own
    Asterisk has its ports already."""
    wrong = list(_taken(settings, asterisk_runs))
    if wrong:
        raise PortsTaken(
            "\n".join(wrong)
            + f"\nNothing was started. Stop the other program, or choose other ports in {settings_file} "
            "and start again."
        )


def _taken(settings: Settings, asterisk_runs: bool) -> Iterator[str]:
    page = (settings.page_bind, settings.page_port, socket.SOCK_STREAM, "the page", "page_port")
    of_asterisk = (
        (settings.sip_bind, settings.sip_port, socket.SOCK_DGRAM, "phones and lines (SIP)", "sip_port"),
        (settings.sip_bind, settings.sip_port, socket.SOCK_STREAM, "phones and lines (SIP over TCP)", "sip_port"),
        ("127.0.0.1", settings.ami_port, socket.SOCK_STREAM, "Asterisk's manager", "ami_port"),
    )
    for address, port, kind, purpose, setting in (*(() if asterisk_runs else of_asterisk), page):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
                why = error.strerror or error
                yield f"{protocol} port {port} at {address} for {purpose} is not free ({why}); setting {setting}."
