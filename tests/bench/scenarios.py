"""What sipp does in the bench: many callers with sound, many agents' phones behind one socket, their registration.

Pure text. The callers' numbers and the agents' secrets come from CSV files that sipp reads line by line.
"""

import math
from collections.abc import Iterable

_WHOLE = '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="{name}">\n{steps}\n</scenario>\n'
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=bench 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio {port} RTP/AVP 8
a=rtpmap:8 PCMA/8000
a=ptime:20
"""
_DIALOG = """Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:{number}@[remote_ip]:[remote_port]>{to_tag}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
"""
_ANSWER = """SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
"""
_TAG = ";tag=[pid]a[call_number]"
_CONTACT = "Contact: <sip:agent@[local_ip]:[local_port]>\n"
_NOTHING = "Content-Length: 0\n"
_AGENT_RINGS_MS = 60


def caller(number: str, hold_ms: int, sound: str) -> str:
    """Call ``number``, stream the A-law file ``sound`` from the answer on, hang up after ``hold_ms``.

    A hang-up by the box before that is unexpected, so sipp counts the call as failed.
    """
    invite = f"INVITE sip:{number}@[remote_ip]:[remote_port] SIP/2.0\n" + _dialog("INVITE", number, 1)
    steps = [
        _send(invite + _SDP.format(port="[rtpstream_audio_port]"), retrans=True),
        '<recv response="100" optional="true"/>',
        '<recv response="180" optional="true"/>',
        '<recv response="183" optional="true"/>',
        '<recv response="200" rrs="true"/>',
        _send("ACK [next_url] SIP/2.0\n" + _dialog("ACK", number, 1, answered=True) + _NOTHING),
        f'<nop><action><exec rtp_stream="{sound},-1,8,PCMA/8000"/></action></nop>',
        f'<pause milliseconds="{hold_ms}"/>',
        _send("BYE [next_url] SIP/2.0\n" + _dialog("BYE", number, 2, answered=True) + _NOTHING, retrans=True),
        '<recv response="200"/>',
    ]
    return _WHOLE.format(name="callers", steps="\n".join(steps))


def agents() -> str:
    """Every agent's phone: ring for a moment, answer, send back what it hears (sipp's -rtp_echo), wait for the BYE.

    OPTIONS (Asterisk asks whether the phone is there) comes outside a dialog, so it is a way of its own.
    """
    ringing = _answer("180 Ringing", _CONTACT + _NOTHING)
    answer = _answer("200 OK", _CONTACT + _SDP.format(port="[media_port]"))
    steps = [
        '<recv request="OPTIONS" optional="true" next="options"/>',
        '<recv request="INVITE"/>',
        _send(ringing),
        f'<pause milliseconds="{_AGENT_RINGS_MS}"/>',
        _send(answer, retrans=True),
        '<recv request="ACK"/>',
        '<recv request="BYE"/>',
        _send(_answer("200 OK", _NOTHING, tag="")).replace("<send>", '<send next="end">'),
        '<label id="options"/>',
        _send(_answer("200 OK", _NOTHING)),
        '<label id="end"/>',
        "<nop/>",
    ]
    return _WHOLE.format(name="agents", steps="\n".join(steps))


def register() -> str:
    """One registration a CSV line (extension; authentication), from the socket the phones will answer on."""
    first = _registration(1, "")
    second = _registration(2, "[field1]\n")
    steps = [
        _send(first, retrans=True),
        '<recv response="100" optional="true"/>',
        '<recv response="401" auth="true"/>',
        _send(second, retrans=True),
        '<recv response="100" optional="true"/>',
        '<recv response="200"/>',
    ]
    return _WHOLE.format(name="register", steps="\n".join(steps))


def csv(lines: Iterable[str]) -> str:
    """sipp's injection file, read from its first line to its last."""
    return "SEQUENTIAL\n" + "\n".join(lines) + "\n"


def credentials(extension: str, secret: str) -> str:
    """A line of the registration's CSV file."""
    return f"{extension};[authentication username={extension} password={secret}]"


def tone(seconds: int = 4, hertz: float = 437.0) -> bytes:
    """A-law, 8 kHz: a tone that swells once a second, so that a recording can be told from silence and from noise."""
    rate = 8000
    swell = (0.25 + 0.7 * abs(math.sin(math.pi * n / rate)) for n in range(rate * seconds))
    return bytes(_alaw(int(16_000 * loud * math.sin(2 * math.pi * hertz * n / rate))) for n, loud in enumerate(swell))


def _alaw(sample: int) -> int:
    """One 16 bit sample by G.711."""
    sign = 0x80 if sample >= 0 else 0x00
    size = min(abs(sample) >> 3, 0x0FFF)
    exponent = max(0, size.bit_length() - 5)
    mantissa = (size >> max(exponent, 1)) & 0x0F
    return ((sign | exponent << 4 | mantissa) ^ 0x55) & 0xFF


def _dialog(method: str, number: str, cseq: int, *, answered: bool = False) -> str:
    to_tag = "[peer_tag_param]" if answered else ""
    return _DIALOG.format(method=method, number=number, cseq=cseq, to_tag=to_tag)


def _answer(status: str, rest: str, tag: str = _TAG) -> str:
    return _ANSWER.format(status=status, tag=tag) + rest


def _registration(cseq: int, authorization: str) -> str:
    return f"""REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[remote_ip]>;tag=[pid]r[call_number]
To: <sip:[field0]@[remote_ip]>
Call-ID: [call_id]
CSeq: {cseq} REGISTER
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
Expires: 7200
{authorization}{_NOTHING}"""


def _send(text: str, *, retrans: bool = False) -> str:
    again = ' retrans="500"' if retrans else ""
    return f"<send{again}><![CDATA[\n\n{text}\n]]></send>"
