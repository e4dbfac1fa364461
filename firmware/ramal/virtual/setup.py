"""What a phone is told at its start: baresip's ``config`` and ``accounts`` files.

Law: pure text. The traps, all seen with baresip 1.1.0: ``net_interface`` takes an address, and 127.0.0.1 keeps SIP and
sound on the loopback; a missing audio player ends the call; the file source ends the call at the end of its file
(``mouth``); the file player takes the process with it (``hearing``).
"""

from dataclasses import dataclass
from typing import Literal

from ramal.errors import RamalError

Transport = Literal["udp", "tcp"]
Codec = Literal["pcma", "pcmu"]
_MODULES = ("g711", "aufile", "aubridge")
_APPLICATIONS = ("menu", "auloop", "debug_cmd", "ctrl_tcp")
_TONES = ("ring", "callwaiting", "ringback", "notfound", "busy", "error", "sip_autoanswer")
_UNSAFE = frozenset(' \t\r\n";,<>@')
VOICE, EAR = "voice.wav", "ear"  # in the phone's home, where the process works
LONGEST_LINE_BYTES = 1000  # baresip takes 1,024


class SetupError(RamalError):
    """A phone cannot be set up like this."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who the phone is. With ``secret`` it registers at ``host``:``port``; without, it only calls and is called.

    ``display_name`` may hold anything but line breaks and NUL: quotes, markup, other alphabets, some 750 bytes.
    """

    user: str
    secret: str | None = None
    host: str = "127.0.0.1"
    port: int = 5060
    transport: Transport = "udp"
    display_name: str = ""
    register_every_s: int = 60
    codecs: tuple[Codec, ...] = ("pcma", "pcmu")


def address_of_record(account: Account) -> str:
    """The SIP address of the account: ``sip:201@127.0.0.1:5060``."""
    return f"sip:{account.user}@{account.host}:{account.port}"


def account_line(account: Account, player: str = "aubridge,ear0", dtmf_by_info: bool = False) -> str:
    """What makes baresip that phone: its voice is ``VOICE``, what it hears goes to ``player``.

    SetupError for a name or secret that would break the line.
    """
    for what, value in (("user", account.user), ("secret", account.secret or "-"), ("host", account.host)):
        if not value or _UNSAFE & set(value) or not value.isprintable():
            raise SetupError(f"A phone's {what} cannot be {value!r}: use letters, digits and - _ . + * only.")
    name = account.display_name
    if any(character in name for character in "\r\n\0"):
        raise SetupError(f"The display name {name[:80]!r} cannot be sent: it holds a line break.")
    words = [f"<{address_of_record(account)};transport={account.transport}>"]
    if name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        words.insert(0, f'"{quoted}" ')
    words.append(f";audio_source=aufile,{VOICE};audio_player={player}")
    words.append(f";audio_codecs={','.join(account.codecs)};dtmfmode={'info' if dtmf_by_info else 'rtpevent'}")
    if account.secret is None:
        words.append(";regint=0")
    else:
        words.append(f";regint={account.register_every_s};auth_user={account.user};auth_pass={account.secret}")
    line = "".join(words)
    if len(line.encode()) > LONGEST_LINE_BYTES:
        raise SetupError(f"The display name {name[:80]!r}… is too long: the phone takes about 750 bytes.")
    return line


def config(
    *,
    sip_port: int,
    control_port: int,
    loop_source: str,
    rtp_ports: tuple[int, int],
    max_calls: int,
    modules: str = "/usr/lib/baresip/modules",
) -> str:
    """The config file: loopback only, G.711 only, 8 kHz. ``loop_source`` and ``EAR`` are the ends of the audio loop."""
    lines = [
        "poll_method epoll",
        f"sip_listen 127.0.0.1:{sip_port}",
        "net_interface 127.0.0.1",
        "call_local_timeout 3600",  # an unanswered call is the caller's affair, or the policy's
        f"call_max_calls {max_calls}",  # one more is refused with 486: a phone that talks is busy
        "call_hold_other_calls yes",
        f"audio_player aufile,{EAR}",
        f"audio_source {loop_source}",
        "audio_alert aubridge,alert",
        *(f"{direction}_srate 8000" for direction in ("ausrc", "auplay")),
        *(f"{direction}_channels 1" for direction in ("ausrc", "auplay")),
        *(f"{stage}_format s16" for stage in ("ausrc", "auplay", "auenc", "audec")),
        "audio_buffer 100-2000",  # on a busy machine less loses sound and tears tones apart; nobody minds the delay
        f"rtp_ports {rtp_ports[0]}-{rtp_ports[1]}",
        "rtcp_mux no",
        "jitter_buffer_type off",
        f"module_path {modules}",
        *(f"module {name}.so" for name in _MODULES),
        "module_tmp account.so",
        *(f"module_app {name}.so" for name in _APPLICATIONS),
        f"ctrl_tcp_listen 127.0.0.1:{control_port}",
        "statmode_default off",
        "ringback_disabled yes",
        *(f"{name}_aufile none" for name in _TONES),
    ]
    return "\n".join(lines) + "\n"
