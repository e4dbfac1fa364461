"""A provider that answers every call sent to it and echoes the sound: sipp as called party."""

import subprocess
from pathlib import Path

from ramal.provide import Peers
from tests.system.ports import free_udp_port

_REPLY = "[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=person 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
"""
_INVITED = """<recv request="INVITE" crlf="true" rrs="true"><action>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="1"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="2"/></action></recv>"""
_CONTACT = "Contact: <sip:person@[local_ip]:[local_port]>\n"


def start(
    port: int, peers: Peers, folder: Path, *, rings_ms: int = 800, talks_ms: int = 15_000
) -> "subprocess.Popen[bytes]":
    """A provider at 127.0.0.1:``port``: each call rings, is answered, and ended by the person after ``talks_ms``."""
    folder.mkdir(parents=True, exist_ok=True)
    bye = "BYE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
    bye += "From: [$1]\nTo: [$2]\n[last_Call-ID:]\nCSeq: 1 BYE\nMax-Forwards: 70\nContent-Length: 0\n"
    parts = [
        _INVITED,
        _send(f"SIP/2.0 180 Ringing\n{_REPLY}{_CONTACT}Content-Length: 0\n"),
        f'<pause milliseconds="{rings_ms}"/>',
        _send(f"SIP/2.0 200 OK\n{_REPLY}{_CONTACT}{_SDP}", retrans=True),
        '<recv request="ACK"/>',
        f'<recv request="BYE" timeout="{talks_ms}" ontimeout="leave" next="gone"/>',
        '<label id="leave"/>',
        _send(bye.replace("To: [$2]", "To:[$2]").replace("From: [$1]", "From:[$1];tag=[call_number]"), retrans=True),
        '<recv response="200" next="end"/>',
        '<label id="gone"/>',
        _send(
            "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n"
        ),
        '<label id="end"/>',
    ]
    file = folder / "provider.xml"
    file.write_text('<?xml version="1.0"?>\n<scenario name="provider">\n' + "\n".join(parts) + "\n</scenario>\n")
    words = ["-sf", str(file), "-i", "127.0.0.1", "-p", str(port), "-mp", str(free_udp_port()), "-rtp_echo", "-nostdin"]
    words += ["-aa", "-trace_err", "-error_file", str(folder / "provider.err"), "-trace_msg"]
    words += ["-message_file", str(folder / "provider.msg")]
    with (folder / "provider.log").open("wb") as log:
        return subprocess.Popen(
            peers.argv("sipp", *words, binds=[folder], die_with_parent=True),
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip


def _send(text: str, *, retrans: bool = False) -> str:
    return f"<send{' retrans=' + chr(34) + '500' + chr(34) if retrans else ''}><![CDATA[\n\n{text}\n]]></send>"
