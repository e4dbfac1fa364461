"""What a phone tells: frozen events, read from baresip's JSON.

Law: pure. Any thread. ``at_ms`` is Unix time in milliseconds, when the phone's thread read it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """The process runs and listens on ``sip_port``."""

    at_ms: int
    pid: int
    sip_port: int


@dataclass(frozen=True, slots=True)
class Registered:
    """The registrar has accepted the phone (also each renewal)."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class RegisterFailed:
    """The registrar refused, or did not answer; the phone tries again by itself."""

    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """Somebody calls. ``peer_name`` is the display name as it came: never trust it."""

    at_ms: int
    call_id: str
    peer_uri: str
    peer_name: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """Our call rings at the other side (180)."""

    at_ms: int
    call_id: str


@dataclass(frozen=True, slots=True)
class Early:
    """Our call has sound before it is answered (183)."""

    at_ms: int
    call_id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The call stands, whoever began it."""

    at_ms: int
    call_id: str


@dataclass(frozen=True, slots=True)
class SoundFlows:
    """The first sound packet of the other side has arrived."""

    at_ms: int
    call_id: str


@dataclass(frozen=True, slots=True)
class PeerHeld:
    """The other side has put us on hold, or (``held`` false) taken the call back."""

    at_ms: int
    call_id: str
    held: bool


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The other side pressed a key (RFC 4733 or INFO)."""

    at_ms: int
    call_id: str
    digit: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The call is over. ``code`` is the SIP status when it was refused, else None; ``heard`` the sound, complete."""

    at_ms: int
    call_id: str
    reason: str
    code: int | None
    heard: Path | None


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """The phone did not do what it was told."""

    at_ms: int
    command: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone. ``wanted``: it was told to; otherwise it died, and ``last_words`` may say why."""

    at_ms: int
    wanted: bool
    exit_code: int
    last_words: str


PhoneEvent: TypeAlias = (
    Started
    | Registered
    | RegisterFailed
    | Incoming
    | Ringing
    | Early
    | Answered
    | SoundFlows
    | PeerHeld
    | DigitPressed
    | Closed
    | CommandRefused
    | Ended
)

# What baresip makes of a BYE or CANCEL.
_REASONS = {
    "Connection reset by peer": "the other side hung up",
    "Connection reset by user": "this side hung up",
}
_STATUS = re.compile(r"([3-6][0-9][0-9])\b")


def translate(message: Mapping[str, Any], at_ms: int) -> PhoneEvent | None:
    """baresip's event as ours; None for one that tells nothing new. ``Closed.heard`` is filled in by the phone."""
    call_id, param = str(message.get("id", "")), str(message.get("param", ""))
    match message.get("type"):
        case "REGISTER_OK":
            return Registered(at_ms)
        case "REGISTER_FAIL":
            return RegisterFailed(at_ms, param)
        case "CALL_INCOMING":
            return Incoming(at_ms, call_id, str(message.get("peeruri", "")), _unquoted(message.get("peerdisplayname")))
        case "CALL_RINGING":
            return Ringing(at_ms, call_id)
        case "CALL_PROGRESS":
            return Early(at_ms, call_id)
        case "CALL_ESTABLISHED":
            return Answered(at_ms, call_id)
        case "CALL_RTPESTAB":
            return SoundFlows(at_ms, call_id)
        case "CALL_REMOTE_SDP" if param == "offer" and call_id:
            return PeerHeld(at_ms, call_id, message.get("remoteaudiodir") in ("recvonly", "inactive"))
        case "CALL_DTMF_START":
            return DigitPressed(at_ms, call_id, param)
        case "CALL_CLOSED":
            status = _STATUS.match(param)
            return Closed(at_ms, call_id, _REASONS.get(param, param), int(status[1]) if status else None, None)
    return None


def _unquoted(name: object) -> str:
    """A display name without the backslashes that quote quotes inside SIP's quoted strings."""
    return re.sub(r"\\(.)", r"\1", str(name or ""), flags=re.DOTALL)
