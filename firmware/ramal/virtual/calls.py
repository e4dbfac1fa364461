"""What a phone is in: a call as it stands, and what to do with the next one.

Law: pure values.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DtmfMode = Literal["rtp_event", "info", "inband"]
CallState = Literal["dialing", "ringing", "early", "incoming", "answered", "held"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the phone does by itself with a call: nothing (``manual``: it rings), answer or refuse (486) it ``after_s``.

    ``unavailable`` refuses every call at once with 480, before it rings.
    """

    kind: Literal["manual", "answer", "reject", "unavailable"] = "manual"
    after_s: float = 0.0


Manual = Policy()


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it stands. ``heard``: the WAV that grows with what the phone hears of it."""

    call_id: str
    outgoing: bool
    peer_uri: str
    peer_name: str
    state: CallState
    heard: Path
