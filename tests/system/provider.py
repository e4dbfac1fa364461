"""A provider of telephone lines for tests: a SIP peer of its own, whose manners can be changed while it runs.

It answers OPTIONS, takes INVITE as ``manner`` says, and keeps whom it was asked for. It plays a tone to who was
answered, so that a test can hear that the sound goes through.
"""

import contextlib
import math
import random
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from ramal.core import sound
from tests.system.sipp import alaw

_HEADER = re.compile(r"^(Via|From|To|Call-ID|CSeq|Contact|Record-Route)\s*:\s*(.*)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One INVITE: the number dialed and the number shown."""

    number: str
    shown: str


@dataclass(frozen=True, slots=True)
class _Talk:
    """An answered call: its INVITE, where it came from, and since when (monotonic) it is answered."""

    invite: str
    address: tuple[str, int]
    contact: str
    began_s: float
    rtp_port: int
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Provider:
    """``manner``: ``answer``, ``ring`` (for ever), ``silent`` (to calls), ``dead`` (to all), or a status to refuse with
    (``503``, ``486``, ``404``).

    ``ring_s``: how long it rings before it answers. ``talk_s``: after how long the person out there hangs up.
    ``hz``: the tone it plays; ``noise``: and how loud a noise with it, the same every second. ``port``: 0 for a free
    one.
    """

    host: str
    manner: str = "answer"
    ring_s: float = 0.2
    talk_s: float = math.inf
    hz: float = 620.0
    noise: int = 0
    asked: list[Asked] = field(default_factory=list)
    byes: int = 0
    cancelled: int = 0
    port: int = 0
    _socket: socket.socket = field(init=False)
    _thread: threading.Thread = field(init=False)
    _ended: bool = False
    _invites: dict[str, str] = field(default_factory=dict)
    """Call-ID to the INVITE that is not answered yet."""
    _seen: set[str] = field(default_factory=set)
    _talks: "dict[str, _Talk]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.host, self.port))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name=f"provider {self.host}")
        self._thread.start()

    def end(self) -> None:
        """Stop answering."""
        self._ended = True
        for talk in self._talks.values():
            talk.done.set()
        self._thread.join(10)
        self._socket.close()

    @property
    def talking(self) -> tuple[float, ...]:
        """Since when (monotonic) each call that stands is answered."""
        return tuple(talk.began_s for talk in list(self._talks.values()))

    def hang_up(self) -> None:
        """The person out there hangs up all calls."""
        for call_id, talk in list(self._talks.items()):
            self._bye(call_id, talk)

    def _bye(self, call_id: str, talk: "_Talk") -> None:
        talk.done.set()
        self._talks.pop(call_id, None)
        headers = _headers(talk.invite)
        bye = (
            f"BYE {talk.contact} SIP/2.0\r\nVia: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{time.time_ns()}\r\n"
            f"From: {headers['to']};tag=provider\r\nTo: {headers['from']}\r\nCall-ID: {call_id}\r\nCSeq: 9 BYE\r\n"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        self._socket.sendto(bye.encode(), talk.address)

    def _run(self) -> None:
        due: list[tuple[float, str, str, tuple[str, int]]] = []
        while not self._ended:
            now = time.monotonic()
            for entry in [entry for entry in due if entry[0] <= now]:
                due.remove(entry)
                if entry[1] in self._invites:
                    self._answer(entry[1], entry[2], entry[3])
            for call_id, talk in list(self._talks.items()):
                if talk.began_s + self.talk_s <= now:
                    self._bye(call_id, talk)
            try:
                data, address = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            text = data.decode("utf-8", "replace")
            method = text.split(" ", 1)[0]
            headers = _headers(text)
            call_id = headers.get("call-id", "")
            if method == "INVITE" and call_id not in self._invites and call_id not in self._talks:
                self._invite(call_id, text, address, due)
            elif method == "INVITE" and call_id in self._talks:  # a new offer within the call: hold and the like
                self._reply(text, "200 OK", address, self._sdp(_direction(text), self._talks[call_id].rtp_port))
            elif method == "OPTIONS" and self.manner != "dead":
                self._reply(text, "200 OK", address)
            elif method == "CANCEL":
                self.cancelled += 1
                self._reply(text, "200 OK", address)
                if call_id in self._invites:
                    self._reply(self._invites.pop(call_id), "487 Request Terminated", address)
            elif method == "BYE":
                self.byes += 1
                if call_id in self._talks:
                    self._talks.pop(call_id).done.set()
                self._reply(text, "200 OK", address)
            elif method in ("UPDATE", "INFO"):
                self._reply(text, "200 OK", address)

    def _invite(
        self, call_id: str, text: str, address: tuple[str, int], due: list[tuple[float, str, str, tuple[str, int]]]
    ) -> None:
        number = re.match(r"INVITE sip:([^@]*)@", text)
        shown = re.search(r"sip:([^@>]*)@", _headers(text)["from"])
        asked = Asked(number[1] if number else "", shown[1] if shown else "")
        if self.manner in ("silent", "dead"):
            self._note(call_id, asked)
            return
        self._note(call_id, asked)
        if self.manner.isdigit():
            self._reply(text, f"{self.manner} No", address)
            return
        self._invites[call_id] = text
        self._reply(text, "100 Trying", address)
        self._reply(text, "180 Ringing", address)
        if self.manner == "answer":
            due.append((time.monotonic() + self.ring_s, call_id, text, address))

    def _note(self, call_id: str, asked: Asked) -> None:
        """A repeated INVITE is asked once."""
        if call_id not in self._seen:
            self._seen.add(call_id)
            self.asked.append(asked)

    def _answer(self, call_id: str, text: str, address: tuple[str, int]) -> None:
        self._invites.pop(call_id)
        contact = re.search(r"<([^>]+)>", _headers(text).get("contact", ""))
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.bind((self.host, 0))
        talk = _Talk(text, address, contact[1] if contact else "", time.monotonic(), rtp.getsockname()[1])
        self._talks[call_id] = talk
        self._reply(text, "200 OK", address, self._sdp("sendrecv", talk.rtp_port))
        host, port = re.search(r"c=IN IP4 (\S+)", text), re.search(r"m=audio (\d+)", text)
        if host and port:
            goal = (host[1], int(port[1]))
            threading.Thread(target=_play, args=(rtp, goal, self.hz, self.noise, talk.done), name="tone").start()

    def _sdp(self, direction: str, port: int) -> str:
        return (
            f"v=0\r\no=p 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
            f"a=rtpmap:8 PCMA/8000\r\na={direction}\r\n"
        )

    def _reply(self, request: str, status: str, address: tuple[str, int], body: str = "") -> None:
        lines = [f"SIP/2.0 {status}"]
        for line in request.split("\r\n\r\n")[0].split("\r\n"):
            match = _HEADER.match(line)
            if match and match[1].lower() != "contact":
                value = match[2]
                if match[1].lower() == "to" and "tag=" not in value and not status.startswith("100"):
                    value += ";tag=provider"
                lines.append(f"{match[1]}: {value}")
        lines.append(f"Contact: <sip:provider@{self.host}:{self.port}>")
        if body:
            lines.append("Content-Type: application/sdp")
        lines.append(f"Content-Length: {len(body)}")
        with contextlib.suppress(OSError):
            self._socket.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), address)


def _headers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.split("\r\n\r\n")[0].split("\r\n"):
        match = _HEADER.match(line)
        if match:
            found.setdefault(match[1].lower(), match[2])
    return found


def _direction(text: str) -> str:
    if "a=sendonly" in text:
        return "recvonly"
    return "inactive" if "a=inactive" in text else "sendrecv"


def _play(rtp: socket.socket, goal: tuple[str, int], hz: float, noise: int, done: threading.Event) -> None:
    chance = random.Random(hz)
    coded = bytes(alaw(sample + chance.randint(-noise, noise)) for sample in sound.tone([hz], 1000))
    sequence = 0
    began = time.monotonic()
    with rtp:
        while not done.wait(max(0.0, began + sequence * 0.02 - time.monotonic())):
            at = sequence * 160 % len(coded)
            head = struct.pack("!BBHII", 0x80, 8, sequence & 0xFFFF, (sequence * 160) & 0xFFFFFFFF, 0x1234)
            with contextlib.suppress(OSError):
                rtp.sendto(head + coded[at : at + 160], goal)
            sequence += 1
