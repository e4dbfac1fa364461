"""A private, minimal Asterisk and a phone that speaks just enough SIP, for the tests of this folder."""

import re
import secrets
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ramal.ami.translate import EVENTS
from ramal.provide import RunningPeer, peers
from tests import console
from tests.system.ports import free_port

MODULES = """
app_dial app_echo app_queue app_stack app_userevent bridge_builtin_features bridge_holding bridge_simple chan_pjsip
codec_ulaw format_pcm func_callerid func_channel pbx_config res_musiconhold res_pjproject res_pjsip res_pjsip_session
res_pjsip_endpoint_identifier_user res_pjsip_pubsub res_pjsip_registrar res_pjsip_sdp_rtp res_rtp_asterisk
res_sorcery_astdb res_sorcery_config res_sorcery_memory res_timing_timerfd
"""

PHONE = """
[{name}]
type=endpoint
context=phones
disallow=all
allow=ulaw
aors={name}
device_state_busy_at=1
[{name}]
type=aor
max_contacts=1
remove_existing=yes
"""

CONFIG = {
    "asterisk.conf": """[directories]
astetcdir => {home}/etc
astmoddir => {modules}
astvarlibdir => {home}/db
astdbdir => {home}/db
astkeydir => {home}/db
astdatadir => {data}
astagidir => {home}/db
astspooldir => {home}/spool
astrundir => {home}/run
astlogdir => {home}/log
""",
    "modules.conf": "[modules]\nautoload=no\n{loads}\n",
    "logger.conf": "[general]\n[logfiles]\nmessages.log => notice,warning,error\n",
    "manager.conf": """[general]
enabled=yes
bindaddr=127.0.0.1
port={ami}
timestampevents=yes
[ramal]
secret=hush
deny=0.0.0.0/0.0.0.0
permit=127.0.0.1/255.255.255.255
read=system,call,agent,user
write=system,call,agent,originate,reporting
{filters}
""",
    "queues.conf": """[general]
persistentmembers=yes
[sales]
strategy=leastrecent
timeout=30
retry=1
ringinuse=no
setinterfacevar=yes
""",
    "musiconhold.conf": "[general]\n[default]\nmode=files\ndirectory={home}/spool\n",
    "pjsip.conf": "[udp]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{sip}\n{phones}",
    "extensions.conf": """[caller]
exten => s,1,Answer()
 same => n,Queue(sales,,,,60)
 same => n,Hangup()
[phones]
exten => s,1,Answer()
 same => n,Echo()
""",
}


class RealAsterisk:
    """One Asterisk below ``home`` on ports of its own; phones 201 and 202 may register without a password."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ami_port, self.sip_port = free_port(), free_port()
        self._peers = peers()
        advanced = tuple(int(part) for part in self._peers.version.split(".")[:2]) >= (22, 1)
        wanted = "eventfilter(action(include),name({name})) =" if advanced else "eventfilter = Event: {name}"
        for folder in ("etc", "db", "spool", "run", "log"):
            (home / folder).mkdir(parents=True)
        values = {
            "home": home,
            "modules": self._peers.modules,
            "data": self._peers.data,
            "loads": "\n".join(f"load={name}.so" for name in MODULES.split()),
            "ami": self.ami_port,
            "sip": self.sip_port,
            "filters": "\n".join(wanted.format(name=name) for name in EVENTS),
            "phones": "".join(PHONE.format(name=name) for name in ("201", "202")),
        }
        for name, text in CONFIG.items():
            (home / "etc" / name).write_text(text.format(**values))
        self.process: RunningPeer | None = None
        self.start()

    def start(self) -> None:
        self.process = self._peers.start("asterisk", "-f", "-C", f"{self.home}/etc/asterisk.conf", binds=[self.home])

    def command(self, line: str) -> str:
        """Asterisk's answer to a line of its console."""
        return console.ask(self.home / "run", line)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def log(self) -> str:
        file = self.home / "log" / "messages.log"
        return file.read_text(errors="replace") if file.exists() else ""


class TinyPhone:
    """A SIP phone of one thread: registers, answers (or rejects with ``answer``) every INVITE, says yes to the rest."""

    def __init__(self, asterisk: RealAsterisk, name: str, answer: str = "200 OK") -> None:
        self._asterisk, self._name, self._answer = asterisk, name, answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._port = self._socket.getsockname()[1]
        self._registered = 0
        self._talk: dict[str, str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def register(self, expires_s: int = 60) -> None:
        self._registered += 1
        me = f"<sip:{self._name}@127.0.0.1>"
        self._send(
            f"REGISTER sip:127.0.0.1:{self._asterisk.sip_port} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{secrets.token_hex(8)}",
            f"From: {me};tag=r",
            f"To: {me}",
            f"Call-ID: {self._name}-{self._port}",
            f"CSeq: {self._registered} REGISTER",
            f"Contact: <sip:{self._name}@127.0.0.1:{self._port}>",
            f"Expires: {expires_s}",
            "Max-Forwards: 70",
            "Content-Length: 0",
        )

    def hang_up(self) -> None:
        """End the call that was answered last."""
        talk = self._talk
        assert talk is not None, "there was no call"
        contact = re.search(r"<([^>]+)>", talk["contact"])
        assert contact is not None
        self._send(
            f"BYE {contact[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self._port};branch=z9hG4bK{secrets.token_hex(8)}",
            f"From: {talk['to']};tag=tiny",
            f"To: {talk['from']}",
            f"Call-ID: {talk['call-id']}",
            "CSeq: 1 BYE",
            "Max-Forwards: 70",
            "Content-Length: 0",
        )

    def close(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._socket.sendto(b"\r\n", ("127.0.0.1", self._port))
        self._thread.join(5)
        self._socket.close()

    def _send(self, *lines: str, body: str = "") -> None:
        data = "\r\n".join(lines) + "\r\n\r\n" + body
        self._socket.sendto(data.encode(), ("127.0.0.1", self._asterisk.sip_port))

    def _listen(self) -> None:
        while not self._ended.is_set():
            text = self._socket.recv(65535).decode("utf-8", "replace")
            first, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
            method = first.split(" ")[0]
            if method in ("", "SIP/2.0", "ACK"):
                continue
            if method == "INVITE":
                self._invited(lines)
            else:
                self._reply("200 OK", lines)

    def _invited(self, lines: Sequence[str]) -> None:
        self._reply("180 Ringing", lines)
        if not self._answer:
            return  # let it ring
        body = ""
        if self._answer.startswith("2"):
            self._talk = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            here = "IN IP4 127.0.0.1"
            body = f"v=0\r\no=- 1 1 {here}\r\ns=-\r\nc={here}\r\nt=0 0\r\nm=audio {self._port} RTP/AVP 0\r\n"
        self._reply(self._answer, lines, body)

    def _reply(self, status: str, lines: Sequence[str], body: str = "") -> None:
        kept = [line for line in lines if line.split(":")[0].lower() in ("via", "from", "call-id", "cseq")]
        to = next(line for line in lines if line.lower().startswith("to:"))
        tagged = to if ";tag=" in to else f"{to};tag=tiny"
        contact = f"Contact: <sip:{self._name}@127.0.0.1:{self._port}>"
        kind = ["Content-Type: application/sdp"] if body else []
        self._send(f"SIP/2.0 {status}", *kept, tagged, contact, *kind, f"Content-Length: {len(body)}", body=body)
