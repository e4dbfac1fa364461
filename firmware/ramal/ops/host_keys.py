"""What a machine shows of itself before anybody signs in: the host key of an SSH server, a TLS certificate.

Only looks; whoever connects afterwards verifies that the other side owns the key. Blocks, at most some ``TIMEOUT_S``.
Errors: OSError (also socket.gaierror, ssl.SSLError), ValueError for nonsense.
"""

import os
import socket
import ssl
import struct
from typing import BinaryIO

TIMEOUT_S = 10.0
PACKET_MAX = 35_000
_KEXINIT, _KEX_INIT, _KEX_REPLY = 20, 30, 31
_CURVE, _NIST = ("curve25519-sha256", "curve25519-sha256@libssh.org"), "ecdh-sha2-nistp256"
_KEYS = (
    "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-dss,ssh-ed25519"
)
"""In the order in which rclone asks for them: a machine has several keys, and it is rclone's that must be known."""
_CIPHERS = "aes128-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com"
_MACS = "hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com"
# The curve's own base point: a valid public key. Nothing is ever encrypted with it, we hang up before.
_NIST_POINT = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


def certificate(host: str, port: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """The certificate (DER) that ``host`` shows; nobody has verified it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        shown = wrapped.getpeercert(binary_form=True)
    if not shown:
        raise ValueError("it shows no certificate")
    return shown


def host_key(host: str, port: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """The public host key (SSH wire form) that ``host`` shows; nobody has verified that it owns it."""
    with socket.create_connection((host, port), timeout_s) as line:
        reader = line.makefile("rb")
        line.sendall(b"SSH-2.0-Ramal\r\n")
        for _ in range(50):  # a server may say something before its version
            said = reader.readline(PACKET_MAX)
            if said.startswith((b"SSH-2.0-", b"SSH-1.99-")):
                break
            if not said:
                raise OSError("connection closed before it said its version")
        else:
            raise ValueError("it is no SSH server")
        line.sendall(_packet(_our_kexinit()))
        theirs = _await(reader, _KEXINIT)
        methods = _names(theirs[17:])[0]
        point = os.urandom(32) if any(name in methods for name in _CURVE) else _NIST_POINT
        line.sendall(_packet(bytes([_KEX_INIT]) + _text(point)))
        return _string(_await(reader, _KEX_REPLY)[1:])


def _our_kexinit() -> bytes:
    lists = (",".join((*_CURVE, _NIST)), _KEYS, *(_CIPHERS,) * 2, *(_MACS,) * 2, "none", "none", "", "")
    return bytes([_KEXINIT]) + os.urandom(16) + b"".join(_text(one.encode("ascii")) for one in lists) + bytes(5)


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _string(data: bytes) -> bytes:
    (length,) = struct.unpack(">I", data[:4])
    if not 8 <= length <= len(data) - 4:
        raise ValueError("its host key is damaged")
    return data[4 : 4 + length]


def _names(data: bytes) -> list[list[str]]:
    (length,) = struct.unpack(">I", data[:4])
    return [data[4 : 4 + length].decode("ascii", "replace").split(",")]


def _packet(payload: bytes) -> bytes:
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


def _await(reader: BinaryIO, wanted: int) -> bytes:
    for _ in range(20):
        head = _exactly(reader, 5)
        length, padding = struct.unpack(">IB", head)
        if not padding < length <= PACKET_MAX:
            raise ValueError("it does not speak SSH")
        payload = _exactly(reader, length - 1)[: length - 1 - padding]
        if payload[:1] == bytes([wanted]):
            return payload
        if payload[:1] == b"\x01":
            raise OSError("it hung up: it has no way to exchange keys that we have")
    raise ValueError("it does not exchange keys")


def _exactly(reader: BinaryIO, count: int) -> bytes:
    data = reader.read(count)
    if len(data) < count:
        raise OSError("connection closed while keys were exchanged")
    return data
