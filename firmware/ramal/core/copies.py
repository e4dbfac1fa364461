"""The off-box copy: where it goes, when, what a copying program is told, and what its words mean.

Pure. Law: nothing of the office file reaches a command line but the folder, which is a whitelisted word behind
``far:``; the rest goes by rclone's environment, where a value cannot become a second setting.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Literal

from ramal.core.office import Copy

Code = Literal[
    "no-copy",
    "no-rclone",
    "no-host",
    "unreachable",
    "unpinned",
    "key-changed",
    "certificate",
    "password",
    "no-folder",
    "no-write",
    "no-room",
    "busy",
    "stopped",
    "damaged",
    "missing",
    "different",
    "other",
]
"""Why a copy was not made. damaged and missing tell of the file here, different of the one there; busy: people call."""
PORTS: Mapping[str, int] = {"sftp": 22, "smb": 445, "webdav": 443}
OUTAGES: frozenset[Code] = frozenset(
    {
        *("no-rclone", "no-host", "unreachable", "unpinned", "key-changed", "certificate", "password", "no-folder"),
        *("no-write", "no-room"),
    }
)
"""What keeps every copy from being made, not only one."""
FIRST_WAIT_MS, LONGEST_WAIT_MS = 60_000, 6 * 3_600_000
DAY_MIN = 1440
REMOTE = "far"

# In the order in which they are looked for: what is more special comes first. Small letters.
_SAID: tuple[tuple[Code, tuple[str, ...]], ...] = (
    ("key-changed", ("knownhosts: key mismatch", "knownhosts: key is unknown", "host key mismatch")),
    ("certificate", ("x509:", "tls: failed to verify", "certificate is not trusted", "certificate signed by unknown")),
    ("no-host", ("no such host", "server misbehaving", "name resolution")),
    (
        "password",
        (
            *("unable to authenticate", "401 unauthorized", "logon is invalid", "logon failure", "permission_denied:"),
            *("bad user name or password", "account restriction", "password has expired", "account has been locked"),
        ),
    ),
    (
        "no-room",
        ("no space left", "quota exceeded", "disk quota", "insufficient storage", "507", "disk is full", "disk full"),
    ),
    (
        "no-write",
        (
            *("permission denied", "403 forbidden", "read only", "read-only", "access is denied", "access denied"),
            *("405 method not allowed", "write protected", "operation not permitted"),
        ),
    ),
    (
        "unreachable",
        (
            *("connection refused", "i/o timeout", "no route to host", "network is unreachable", "connection reset"),
            *("couldn't connect", "connection lost", "broken pipe", "unexpected eof", "handshake failed: eof"),
            *("connection timed out", "context deadline exceeded", "use of closed network", "503 service", "502 bad"),
            *("server closed", "failed to dial", "connection closed", "handshake failed"),
        ),
    ),
    (
        "no-folder",
        (
            "409 conflict",
            "directory not found",
            "bad network name",
            "share name cannot",
            "no such file",
            "404 not found",
        ),
    ),
)

SENTENCES: Mapping[Code, str] = {
    "no-copy": "This office has no off-box copy: its file has no [copy].",
    "no-rclone": "The program rclone is not on this machine, so no copy is made. Install it: apt-get install rclone",
    "no-host": "No machine of that name is known. Check “host”, and that the box reaches its name server.",
    "unreachable": "The other machine does not answer. Check that it is on, its address, its port and the network.",
    "unpinned": "Compare this host key with the other machine's own; when it is the same, put it into [copy] as "
    "“fingerprint”. Until then nothing is sent.",
    "key-changed": "The other machine shows another host key than the one in [copy]. It was set up anew, or somebody "
    "stands in between. Nothing is sent until “fingerprint” is right.",
    "certificate": "The other machine's certificate is not one this box may trust. When it is its own, put it into "
    "[copy] as “fingerprint”. Until then nothing is sent.",
    "password": "The other machine refuses this user or password. Check “user” and “secret”.",
    "no-folder": "The folder or share is not there and cannot be made. Check “folder”, and what this user may do.",
    "no-write": "This user may not write into the folder. Give it the right to, on the other machine.",
    "no-room": "The other machine takes no more: its disk seems to be full. Make room there; recordings stay here.",
    "busy": "The box is busy with calls; copying goes on by itself when it is calm.",
    "stopped": "Copying was cut off and goes on by itself.",
    "damaged": "The recording here is not as it was sealed, so it is not copied. See: ramal recordings verify",
    "missing": "The recording's file is not here any more. See: ramal recordings verify",
    "different": "What arrived is not what was sent. It is sent again.",
    "other": "Copying failed for a reason that only the log tells in full.",
}


def place_of(copy: Copy) -> str:
    """Where copies go, as one word without the secret: what lies at another place is another copy."""
    return f"{copy.kind}://{copy.user}@{copy.host.lower()}:{port_of(copy)}/{copy.folder.rstrip('/')}"


def port_of(copy: Copy) -> int:
    """The port, the usual one of its kind when none is given."""
    return copy.port or PORTS[copy.kind]


def remote(copy: Copy, path: str = "") -> str:
    """What rclone calls the folder there, or a path in it."""
    folder = copy.folder.rstrip("/") if copy.kind == "sftp" else copy.folder.strip("/")
    return f"{REMOTE}:{folder}/{path}" if path else f"{REMOTE}:{folder}"


def environment(copy: Copy, obscured: str, known_hosts: str, ca_file: str) -> dict[str, str]:
    """rclone's settings as its environment. ``obscured``: the secret in rclone's form; ``known_hosts`` and ``ca_file``
    are paths of our own, the second empty where authorities that the machine knows decide."""
    given = {"type": copy.kind, "user": copy.user, "pass": obscured}
    match copy.kind:
        case "sftp":
            given |= {"host": copy.host, "port": str(port_of(copy)), "known_hosts_file": known_hosts}
            given |= {"set_modtime": "false", "key_use_agent": "false", "ask_password": "false"}
        case "smb":
            given |= {"host": copy.host, "port": str(port_of(copy))}
        case "webdav":
            given |= {"url": f"https://{copy.host}:{port_of(copy)}/", "vendor": "other"}
    told = {f"RCLONE_CONFIG_{REMOTE.upper()}_{key.upper()}": value for key, value in given.items()}
    return (
        told | {"RCLONE_CONFIG": "", "RCLONE_ASK_PASSWORD": "false"} | ({"RCLONE_CA_CERT": ca_file} if ca_file else {})
    )


def bandwidth(copy: Copy) -> list[str]:
    """The limit as rclone's argument; rclone counts bytes."""
    return ["--bwlimit", f"{max(1, copy.bandwidth_kbit * 125)}B"] if copy.bandwidth_kbit else []


def into(window: str, minute: int) -> int | None:
    """How many minutes ago the window opened, ``minute`` being that of the day; None outside it."""
    opens, closes = (_minutes(text) for text in window.split("-"))
    length = (closes - opens) % DAY_MIN or DAY_MIN
    passed = (minute - opens) % DAY_MIN
    return passed if passed < length else None


def wait_ms(tries: int) -> int:
    """How long to wait after so many tries: a minute, twice as long each time, six hours at most."""
    return min(LONGEST_WAIT_MS, FIRST_WAIT_MS << min(max(0, tries - 1), 20))


def diagnose(said: str) -> Code:
    """What rclone's own words mean."""
    lower = said.lower()
    return next((code for code, signs in _SAID if any(sign in lower for sign in signs)), "other")


def key_fingerprint(blob: bytes) -> str:
    """A host key's, as OpenSSH shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def certificate_fingerprint(der: bytes) -> str:
    """A certificate's, as browsers show it."""
    digest = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def known_hosts_line(copy: Copy, blob: bytes) -> str:
    """One line of a known_hosts file for a host key."""
    length = int.from_bytes(blob[:4], "big")
    kind = blob[4 : 4 + length].decode("ascii")
    port = port_of(copy)
    name = copy.host if port == PORTS["sftp"] else f"[{copy.host}]:{port}"
    return f"{name} {kind} {base64.b64encode(blob).decode('ascii')}\n"


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
