"""The smallest Asterisk that can stand for a box: two phones with passwords, one line by address, a few numbers."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ramal.provide.peer import Peers, RunningPeer, peers
from ramal.virtual import ports
from tests.until import until

_MODULES = """
pbx_config res_pjproject res_sorcery_config res_sorcery_memory res_sorcery_astdb
res_pjsip res_pjsip_session res_pjsip_sdp_rtp res_pjsip_registrar res_pjsip_authenticator_digest
res_pjsip_outbound_authenticator_digest res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip
res_pjsip_dtmf_info res_pjsip_caller_id res_pjsip_refer res_pjsip_pubsub chan_pjsip res_rtp_asterisk
codec_ulaw codec_alaw format_wav format_pcm app_dial app_echo app_playback app_record app_read app_stack app_verbose
app_senddtmf func_callerid func_timeout bridge_simple bridge_native_rtp bridge_softmix bridge_builtin_features
res_timing_timerfd app_playtones
"""

_PJSIP = """
[global]
type=global
endpoint_identifier_order=username,ip
[system]
type=system
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[phone](!)
type=endpoint
context=office
disallow=all
allow=alaw,ulaw
direct_media=no
dtmf_mode=auto
[line]
type=endpoint
context=outside
disallow=all
allow=alaw,ulaw
direct_media=no
dtmf_mode=auto
[line]
type=identify
endpoint=line
match=127.0.0.1
{phones}
"""

_PHONE = """
[{user}](phone)
auth={user}
aors={user}
[{user}]
type=auth
auth_type=userpass
username={user}
password={secret}
[{user}]
type=aor
max_contacts=1
remove_existing=yes
"""

_DIALPLAN = """
[office]
exten => *45,1,Answer()
 same => n,Wait(0.5)
 same => n,Log(NOTICE,agent ${CALLERID(num)} logged in)
 same => n,Hangup()
exten => 600,1,Answer()
 same => n,Echo()
exten => _2XX,1,Dial(PJSIP/${EXTEN},30)
[outside]
exten => _2XX,1,Log(NOTICE,caller ${CALLERID(num)})
 same => n,Dial(PJSIP/${EXTEN},30)
exten => menu,1,Answer()
 same => n,Read(KEY,,1,,1,10)
 same => n,Log(NOTICE,key ${KEY})
 same => n,Dial(PJSIP/20${KEY},30)
exten => early,1,Progress()
 same => n,PlayTones(600)
 same => n,Wait(6.5)
 same => n,Hangup(17)
"""


@dataclass(slots=True)
class Box:
    """A running Asterisk on 127.0.0.1:``port``."""

    home: Path
    port: int
    peers: Peers
    process: RunningPeer | None = None

    def log(self) -> str:
        """What the dialplan has said."""
        file = self.home / "log" / "notices"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start it and wait until SIP is there."""
        with (self.home / "out").open("wb") as out:
            self.process = self.peers.start(
                *("asterisk", "-f", "-C", str(self.home / "etc" / "asterisk.conf")),
                binds=[self.home],
                die_with_parent=True,
                stdout=out,
                stderr=out,
            )
        until(self._listens, 40, "Asterisk takes SIP")

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop(3.0)
            self.process.close()
            self.process = None

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "out").read_text()[-2000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def box(home: Path, secrets: dict[str, str]) -> Iterator[Box]:
    """A box whose phones are ``secrets``: extension to password."""
    used, port = peers(), ports.free()
    for folder in ("etc", "var", "spool", "log", "run"):
        (home / folder).mkdir(parents=True)
    folders = "".join(
        f"{key} => {value}\n"
        for key, value in {
            "astetcdir": home / "etc",
            "astmoddir": used.modules,
            "astvarlibdir": home / "var",
            "astdbdir": home / "var",
            "astkeydir": home / "var",
            "astdatadir": used.data,
            "astagidir": home / "var",
            "astspooldir": home / "spool",
            "astrundir": home / "run",
            "astlogdir": home / "log",
        }.items()
    )
    modules = "".join(f"load = {name}.so\n" for name in _MODULES.split())
    files = {
        "asterisk.conf": f"[directories]\n{folders}[options]\nhideconnect = yes\n",
        "modules.conf": f"[modules]\nautoload=no\n{modules}",
        "logger.conf": "[logfiles]\nnotices => notice\nconsole => warning,error\n",
        "pjsip.conf": _PJSIP.format(
            port=port, phones="".join(_PHONE.format(user=u, secret=s) for u, s in secrets.items())
        ),
        "extensions.conf": _DIALPLAN,
        "rtp.conf": "[general]\nrtpstart=12000\nrtpend=13998\n",
    }
    for name, text in files.items():
        (home / "etc" / name).write_text(text)
    running = Box(home, port, used)
    try:
        running.start()
        yield running
    finally:
        running.stop()
