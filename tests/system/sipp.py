"""Callers from outside: one sipp process a call, its scenario made from what the caller does.

The caller presses keys by SIP INFO (RFC 4733 and in-band keys are pressed by real phones, see ``ramal.virtual``), and
hangs up after ``stay_ms`` unless the box does it first. A caller's outcome is what sipp saw on the wire.
"""

import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from ramal.core import sound
from ramal.provide import Peers
from tests.system.ports import free_udp_port

_counter = itertools.count(1)

_HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: {display}<sip:{user}@[local_ip]:[local_port]>;tag=[pid]ramal[call_number]
To: <sip:{number}@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:{user}@[local_ip]:[local_port]>
Max-Forwards: 70
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """What one caller does. ``display`` is put into From as it is, quotes and all. ``keys``: (after ms, key)."""

    number: str
    user: str = "+5511987654321"
    display: str = ""
    stay_ms: int = 4000
    keys: tuple[tuple[int, str], ...] = ()
    tones: str = ""
    """Digits played as sound one second after the answer, by a caller who offers no telephone events."""
    hz: int = 0
    """The pitch that the caller sings from the answer until the end of the call; 0: says nothing."""
    answered: bool = True
    """Whether the box is expected to answer at all; False accepts any final refusal."""


def scenario(caller: Caller) -> str:
    """The sipp scenario of a caller, as XML."""
    offer = _PLAIN_SDP if caller.tones else _SDP
    invite = _send("INVITE", caller, 1, tag="", body=offer, target=f"sip:{caller.number}@[remote_ip]:[remote_port]")
    parts = [invite, '<recv response="100" optional="true"/>', '<recv response="180" optional="true"/>']
    parts.append('<recv response="183" optional="true"/>')
    if not caller.answered:
        parts += [
            f'<recv response="{code}" optional="true" next="refused"/>' for code in (401, 403, 404, 480, 486, 503)
        ]
        parts += ['<recv response="603"/>', '<label id="refused"/>', _send("ACK", caller, 1)]
        return _whole(parts)
    parts += ['<recv response="200" rrs="true"/>', _send("ACK", caller, 1)]
    if caller.tones:
        parts.append(f'<nop><action><exec rtp_stream="tones-{caller.tones}.raw,1,8,PCMA/8000"/></action></nop>')
    if caller.hz:
        parts.append(f'<nop><action><exec rtp_stream="voice-{caller.hz}.raw,-1,8,PCMA/8000"/></action></nop>')
    cseq, before_ms = 2, 0
    for after_ms, key in caller.keys:
        parts.append(_bye_or_timeout(after_ms - before_ms, f"k{cseq}"))
        body = f"Content-Type: application/dtmf-relay\nContent-Length: [len]\n\nSignal={key}\nDuration=160\n"
        parts += [f'<label id="k{cseq}"/>', _send("INFO", caller, cseq, body=body), '<recv response="200"/>']
        cseq, before_ms = cseq + 1, after_ms
    parts.append(_bye_or_timeout(max(1, caller.stay_ms - before_ms), "leave"))
    parts += ['<label id="leave"/>', _send("BYE", caller, cseq), '<recv response="200" next="end"/>']
    parts += ['<label id="gone"/>', _ok(), '<label id="end"/>']
    return _whole(parts)


def start(caller: Caller, peers: Peers, folder: Path, sip_port: int) -> "subprocess.Popen[bytes]":
    """Start a caller against the box at 127.0.0.1:``sip_port``; it ends by itself, with 0 when all went as written."""
    return _start(caller, peers, folder, sip_port, f"call-{next(_counter):04}")


def start_logged(caller: Caller, peers: Peers, folder: Path, sip_port: int) -> tuple["subprocess.Popen[bytes]", Path]:
    """``start``, and the file that will hold every SIP message of the call with its time."""
    name = f"call-{next(_counter):04}"
    log = folder / f"{name}.msg"
    return _start(caller, peers, folder, sip_port, name, "-trace_msg", "-message_file", str(log)), log


def start_with_voice(
    caller: Caller, peers: Peers, folder: Path, sip_port: int, voice_port: int
) -> "subprocess.Popen[bytes]":
    """``start``, for a caller whose ears and voice are somewhere else (see ``tests.system.echo``)."""
    return _start(caller, peers, folder, sip_port, f"call-{next(_counter):04}", voice_port=voice_port)


def _start(
    caller: Caller, peers: Peers, folder: Path, sip_port: int, name: str, *more: str, voice_port: int = 0
) -> "subprocess.Popen[bytes]":
    file = folder / f"{name}.xml"
    text = scenario(caller)
    file.write_text(text.replace("[media_port]", str(voice_port)) if voice_port else text, encoding="utf-8")
    if caller.tones:
        said = sound.silence(1000) + sound.digit_tones(caller.tones) + sound.silence(20_000)
        (folder / f"tones-{caller.tones}.raw").write_bytes(bytes(alaw(sample) for sample in said))
    if caller.hz:  # whole waves in a second, so that it goes on without a click
        voice = sound.tone([caller.hz], 1000)
        (folder / f"voice-{caller.hz}.raw").write_bytes(bytes(alaw(sample) for sample in voice))
    arguments = [f"127.0.0.1:{sip_port}", "-sf", str(file), "-m", "1", "-i", "127.0.0.1", "-nostdin"]
    arguments += ["-p", str(free_udp_port()), "-mp", str(free_udp_port()), "-timeout", "240", "-trace_err"]
    arguments += ["-error_file", str(folder / f"{name}.err"), "-recv_timeout", "230000"]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            peers.argv("sipp", *arguments, *more, binds=[folder], die_with_parent=True),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )


_PLAIN_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=caller 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
_SDP = _PLAIN_SDP.replace("AVP 8\n", "AVP 8 101\n") + "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n"


def alaw(sample: int) -> int:
    """One 16 bit sample as A-law (ITU-T G.711)."""
    sign, magnitude = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    exponent = max(0, (magnitude >> 8).bit_length())
    mantissa = (magnitude >> (exponent + 3 if exponent else 4)) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


def _send(
    method: str, caller: Caller, cseq: int, *, tag: str = "[peer_tag_param]", body: str = "", target: str = "[next_url]"
) -> str:
    display = f"{caller.display} " if caller.display else ""
    text = f"{method} {target} SIP/2.0\n" + _HEADERS.format(
        display=display, user=caller.user, number=caller.number, tag=tag, cseq=cseq, method=method
    )
    text += body or "Content-Length: 0\n"
    retrans = "" if method == "ACK" else ' retrans="500"'
    return f"<send{retrans}><![CDATA[\n\n{text}\n]]></send>"


def _bye_or_timeout(after_ms: int, then: str) -> str:
    """Wait ``after_ms`` for the box to hang up; go on at ``then`` when it does not."""
    return f'<recv request="BYE" timeout="{max(1, after_ms)}" ontimeout="{then}" next="gone"/>'


def _ok() -> str:
    return (
        "<send><![CDATA[\n\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n"
        "Content-Length: 0\n\n]]></send>"
    )


def _whole(parts: list[str]) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="caller">\n' + "\n".join(parts) + "\n</scenario>\n"


def quoted(text: str) -> str:
    """``text`` as a SIP display name: in quotes, its own quotes and backslashes escaped."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


__all__ = ["Caller", "escape", "quoted", "scenario", "start"]
