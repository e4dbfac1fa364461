"""Free ports on the loopback for phones that need one.

Law: a port is only free until someone takes it; whoever binds it must be ready to try another. Any thread.
"""

import socket
import threading

from ramal.errors import RamalError

_LOCK = threading.Lock()
_GIVEN: list[int] = []  # lately given away, perhaps not bound yet: two phones that start at once must not get the same
_REMEMBERED = 400


class PortError(RamalError):
    """No free port."""


def free(neighbours: int = 0, host: str = "127.0.0.1") -> int:
    """A port on ``host`` that is free now for UDP and TCP, and so are the ``neighbours`` ports after it.

    (baresip takes the port after its SIP port for TLS.) PortError after many tries.
    """
    with _LOCK:
        for _ in range(200):
            with socket.socket() as probe:
                probe.bind((host, 0))
                port = int(probe.getsockname()[1])
            wanted = range(port, port + neighbours + 1)
            if not any(one in _GIVEN for one in wanted) and all(_is_free(host, one) for one in wanted):
                _GIVEN.extend(wanted)
                del _GIVEN[:-_REMEMBERED]
                return port
    raise PortError("No free port was found on the loopback: something holds nearly all of them. Nothing was started.")


def _is_free(host: str, port: int) -> bool:
    if port > 65535:
        return False
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
