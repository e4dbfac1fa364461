"""What anybody on the network can ask of a box: its page by HTTP, its Asterisk by SIP. Any thread; blocks, bounded."""

import http.client
import secrets
import socket
from dataclasses import dataclass

HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` and the beginning of the body; 0 when nothing answered."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def page(host: str, path: str = "/", timeout_s: float = 30.0, port: int = 80, source: str = "") -> Answer:
    """GET ``path``, following nothing; from our address ``source`` when one is given."""
    line = http.client.HTTPConnection(host, port, timeout_s, (source, 0) if source else None)
    try:
        line.request("GET", path, headers={"Host": "ramal.local"})
        got = line.getresponse()
        return Answer(got.status, got.read(200_000).decode("utf-8", "replace"), tuple(got.getheaders()))
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        line.close()


def options(host: str, port: int = 5060, timeout_s: float = 4.0, source: str = "") -> str:
    """Asterisk's first line to a SIP OPTIONS over UDP: ``SIP/2.0 200 OK``; "" when none came. ``source``: one of our
    addresses, to ask from."""
    mark = secrets.token_hex(6)
    text = (
        f"OPTIONS sip:ramal@{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {HERE}:9;branch=z9hG4bK{mark};rport\r\n"
        f"From: <sip:probe@{HERE}>;tag={mark}\r\nTo: <sip:ramal@{host}>\r\nCall-ID: {mark}\r\nCSeq: 1 OPTIONS\r\n"
        f"Contact: <sip:probe@{HERE}>\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(timeout_s)
        if source:
            line.bind((source, 0))
        try:
            line.sendto(text.encode(), (host, port))
            return line.recv(4000).split(b"\r\n")[0].decode("ascii", "replace")
        except OSError:
            return ""


def named(name: str, address: str, ours: str, timeout_s: float = 5.0) -> bool:
    """Whether somebody in the network of our address ``ours`` answers that ``name`` is ``address`` (one multicast DNS
    question, RFC 6762 6.7: by one who only asks)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = secrets.token_bytes(2) + bytes([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(timeout_s)
        line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ours))
        line.bind((ours, 0))
        try:
            line.sendto(question, ("224.0.0.251", 5353))
            said = line.recv(4000)
        except OSError:
            return False
    return said[:2] == question[:2] and said[6:8] != bytes(2) and socket.inet_aton(address) in said
