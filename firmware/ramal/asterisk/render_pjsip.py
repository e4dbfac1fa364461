"""pjsip.conf: lines (``line-<name>``) and phones (their extension). Pure."""

import ipaddress

from ramal.asterisk.machine import Box
from ramal.asterisk.render_health import health
from ramal.asterisk.render_messages import DOMAIN
from ramal.asterisk.render_record import FEATURES
from ramal.asterisk.tokens import display, secret, token
from ramal.core.office import Line, Office, Phone

_DTMF = {"auto": "auto", "rfc4733": "rfc4733", "info": "info", "inband": "inband"}
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8")
ASTERISK_LANGUAGE = {"pt-BR": "pt_BR", "en": "en", "es": "es"}


def pjsip_conf(office: Office, box: Box) -> str:
    """The whole file.

    ``username`` comes before ``ip`` in the identification order: the box's own virtual phones and the demo's loopback
    line share one address. A line is known by its address alone (``identify_by``): it has no password, so whoever
    wrote its name into From would be served, from anywhere. Lines get no re-INVITE when an agent answers
    (``send_connected_line``): carriers and our own sipp hang up over it. No stranger transfers our agents.
    ``timer_b``: who says nothing at all to seven times asking is gone after 6.4 s, so that the next line gets its turn
    while the person still holds the phone. Asterisk wants 64 times ``timer_t1``, which therefore asks again after
    0.1 s: once too often on a slow way, which SIP forgives.
    """
    parts = [
        """[global]
type = global
user_agent = Ramal
endpoint_identifier_order = username,ip
default_from_user = ramal
keep_alive_interval = 90

[system]
type = system
timer_t1 = 100
timer_b = 6400
""",
        _transport("udp", box),
        _transport("tcp", box),
        *_transports6(box),
        f"""[phone](!)
type = endpoint
context = phone
disallow = all
allow = alaw,ulaw
direct_media = no
rtp_symmetric = yes
force_rport = yes
rewrite_contact = yes
device_state_busy_at = 1
call_group = 1
pickup_group = 1
dtmf_mode = auto
language = {ASTERISK_LANGUAGE[office.language]}
rtp_timeout = 60
rtp_timeout_hold = 3600
allow_subscribe = yes
mwi_subscribe_replaces_unsolicited = yes
voicemail_extension = *97
send_rpid = yes
trust_id_inbound = no
{_media(box)}
[phone-aor](!)
type = aor
max_contacts = 1
remove_existing = yes
qualify_frequency = 30
minimum_expiration = 30
default_expiration = 300

[line](!)
type = endpoint
identify_by = ip
disallow = all
allow = alaw,ulaw
direct_media = no
rtp_symmetric = yes
force_rport = yes
rewrite_contact = yes
language = {ASTERISK_LANGUAGE[office.language]}
rtp_timeout = 120
rtp_timeout_hold = 3600
trust_id_inbound = yes
send_pai = yes
send_connected_line = no
allow_transfer = no
{_media(box)}""",
    ]
    parts.append(health(box))
    parts += [_phone(phone) for phone in office.phones]
    parts += [_line(line) for line in office.lines if line.kind in ("sip-peer", "sip-register")]
    parts.append(f"#tryinclude {box.custom}/pjsip.conf\n")
    return "\n".join(parts)


def _media(box: Box) -> str:
    """A fixed address for sound when there is one: otherwise Asterisk looks its own host name up for every call."""
    if box.sip_bind in ("0.0.0.0", "::"):
        return ""
    return f"media_address = {token(box.sip_bind)}\nbind_rtp_to_media_address = yes\n"


def _transport(protocol: str, box: Box) -> str:
    """With an external address, whoever is not in a private network is told that one: a trunk behind a router."""
    outside = ""
    if box.external_address:
        public = token(box.external_address)
        outside = f"external_signaling_address = {public}\nexternal_media_address = {public}\n"
        outside += "".join(f"local_net = {network}\n" for network in _PRIVATE)
    return f"""[transport-{protocol}]
type = transport
protocol = {protocol}
bind = {token(box.sip_bind)}:{box.sip_port}
{outside}"""


def _transports6(box: Box) -> tuple[str, ...]:
    """Phones that find the box by IPv6. Voice stays IPv4 (a phone that has both, as every one does): Asterisk takes one
    family an endpoint, before it knows how the phone came. Lines stay at the transports they name."""
    if not box.sip_bind6:
        return ()
    bind = f"[{ipaddress.IPv6Address(box.sip_bind6)}]:{box.sip_port}"
    return tuple(
        f"[transport-{protocol}6]\ntype = transport\nprotocol = {protocol}\nbind = {bind}\n"
        for protocol in ("udp", "tcp")
    )


def _phone(phone: Phone) -> str:
    extension = token(phone.extension)
    return f"""[{extension}](phone)
auth = {extension}
aors = {extension}
callerid = "{display(phone.name) or extension}" <{extension}>
set_var = RAMAL_PHONE={extension}
mailboxes = {extension}@{DOMAIN}
set_var = TRANSFER_CONTEXT=transfer
set_var = DYNAMIC_FEATURES={FEATURES}

[{extension}](phone-aor)
mailboxes = {extension}@{DOMAIN}

[{extension}]
type = auth
auth_type = userpass
username = {extension}
password = {secret(phone.secret)}
"""


def _line(line: Line) -> str:
    name = f"line-{token(line.name)}"
    transport = f"transport-{line.transport}"
    endpoint = [
        f"[{name}](line)",
        f"context = {name}",
        f"transport = {transport}",
        f"aors = {name}",
        f"dtmf_mode = {_DTMF[line.dtmf]}",
        f"set_var = RAMAL_LINE={line.name}",
    ]
    parts = []
    aor = [f"[{name}]", "type = aor"]
    if line.host:
        aor.append(f"contact = sip:{token(line.host)}:{line.port}")
        aor.append("qualify_frequency = 60")
    if line.username:
        endpoint += [f"outbound_auth = {name}", f"from_user = {token(line.username)}"]
        if line.host:
            endpoint.append(f"from_domain = {token(line.host)}")
        parts.append(
            f"[{name}]\ntype = auth\nauth_type = userpass\nusername = {token(line.username)}\n"
            f"password = {secret(line.secret)}\n"
        )
    matches = [token(address) for address in line.addresses]
    if line.kind == "sip-register":
        matches = matches or [token(line.host)]
        parts.append(
            f"[{name}]\ntype = registration\ntransport = {transport}\noutbound_auth = {name}\n"
            f"server_uri = sip:{token(line.host)}:{line.port}\n"
            f"client_uri = sip:{token(line.username)}@{token(line.host)}:{line.port}\n"
            f"contact_user = {token(line.username)}\nretry_interval = 30\nforbidden_retry_interval = 300\n"
            f"fatal_retry_interval = 300\nmax_retries = 1000000\nexpiration = 300\nline = yes\nendpoint = {name}\n"
        )
    parts.append("\n".join([f"[{name}]", "type = identify", f"endpoint = {name}", *(f"match = {m}" for m in matches)]))
    return "\n".join(["\n".join(endpoint) + "\n", "\n".join(aor) + "\n", *parts]) + "\n"


def is_loopback(line: Line) -> bool:
    """True for a line that only this machine can use: the virtual caller's."""
    return line.kind == "sip-peer" and bool(line.addresses) and all(_loopback(address) for address in line.addresses)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_network(address, strict=False).is_loopback
    except ValueError:
        return False
