"""A network of its own between this process and the virtual machine: a tap in a network namespace, and a DHCP server.

Law: nothing of this machine's own network is touched or reached; it all ends with the process. Must run in the fresh
namespace that ``enter`` makes (root). The DHCP server is one thread; ``answer`` is PURE.
"""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence

from ramal_image import ImageError

TAP = "ramal0"
OURS = "10.9.0.1"
BOX = "10.9.0.2"
_MASK = "255.255.255.0"
_MARK = "RAMAL_IMAGE_WIRE"
_COOKIE = b"\x63\x82\x53\x63"
_LEASE_S = 86_400
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5


def enter(words: Sequence[str]) -> None:
    """Go on with this program in a new network namespace: back at once where it is one already."""
    if os.environ.get(_MARK):
        return
    os.environ[_MARK] = "1"
    command = ["unshare", "--net", "--", sys.executable, "-m", "ramal_image", *words]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise ImageError(f"unshare could not be started ({error}); the proofs need root and util-linux.") from error


def lay() -> None:
    """Make the tap and begin to answer DHCP. ImageError when this process may not."""
    for words in (
        ["link", "set", "lo", "up"],
        ["tuntap", "add", "dev", TAP, "mode", "tap"],
        ["addr", "add", f"{OURS}/24", "dev", TAP],
        ["link", "set", TAP, "up"],
    ):
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
        if done.returncode != 0 and "exists" not in done.stderr and "busy" not in done.stderr:
            raise ImageError(f"No network for the virtual machine: ip {' '.join(words)}: {done.stderr.strip()}")
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, TAP.encode())
    line.bind(("0.0.0.0", 67))
    threading.Thread(target=_serve, args=(line,), name="dhcp", daemon=True).start()


def add(address: str) -> None:
    """We have that address as well. ImageError."""
    _address("add", address)


def remove(address: str) -> None:
    """Not any more."""
    _address("del", address)


def _address(act: str, address: str) -> None:
    done = subprocess.run(["ip", "addr", act, f"{address}/32", "dev", TAP], capture_output=True, text=True)
    if done.returncode != 0:
        raise ImageError(f"ip addr {act} {address}: {done.stderr.strip()}")


def _serve(line: socket.socket) -> None:
    while True:
        reply = answer(line.recv(2000))
        if reply is not None:
            line.sendto(reply, ("255.255.255.255", 68))


def answer(request: bytes) -> bytes | None:
    """The reply to a DHCP message: always the one address, to whoever asks. None for what is no question."""
    if len(request) < 240 or request[0] != 1 or request[236:240] != _COOKIE:
        return None
    asked = _option(request[240:], 53)
    kinds = {bytes([_DISCOVER]): _OFFER, bytes([_REQUEST]): _ACK}
    if asked not in kinds:
        return None
    head = struct.pack(">BBBB", 2, request[1], request[2], 0) + request[4:8] + bytes(2) + request[10:12]
    head += bytes(4) + socket.inet_aton(BOX) + socket.inet_aton(OURS) + bytes(4) + request[28:44] + bytes(192)
    options = bytes([53, 1, kinds[asked]])
    for code, value in ((54, OURS), (1, _MASK), (3, OURS)):
        options += bytes([code, 4]) + socket.inet_aton(value)
    options += bytes([51, 4]) + struct.pack(">I", _LEASE_S) + b"\xff"
    return head + _COOKIE + options


def _option(options: bytes, wanted: int) -> bytes | None:
    at = 0
    while at + 1 < len(options) and options[at] != 255:
        if options[at] == 0:
            at += 1
            continue
        length = options[at + 1]
        if options[at] == wanted:
            return options[at + 2 : at + 2 + length]
        at += 2 + length
    return None
