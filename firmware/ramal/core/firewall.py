"""Who may reach what: the box's packet filter as one nftables text. Pure; ``box.firewall`` puts it into force.

Law: the Internet reaches nothing. The office's networks reach phones' and people's doors (SIP, RTP, the page with the
phones' settings, its mDNS name, ssh); the peers of the office's trunks reach SIP and RTP; answers to what the box asked
come in, whoever is banned: a neighbour can forge a SIP packet's sender, and a ban of the router must not cut it off.
(The router can be banned: behind one that forwards a port all of the Internet has its address.) Loading it again keeps
the bans: tables and sets are added, chains and the sets of this text are filled anew, in one transaction of the kernel.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ramal.core.near import Network

TABLE = "inet ramal"
BANS_MAX = 8192
Shut = Literal["banned", "muted"]
"""The sets of who is locked out: ``banned`` of every door, ``muted`` of SIP only. A phone with an old password fails as
one who guesses does; muted it can still fetch its new settings, and a person there can sign in to mend it."""
SIP_PACKETS_S, SIP_BURST = 200, 400
"""From one address. Ten phones that start together send some 60 a second; a scanner thousands."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Ports of this box."""

    sip: int = 5060
    rtp_first: int = 10000
    rtp_last: int = 10999
    page: int = 80
    ssh: int = 22


def render(doors: Doors, office: Iterable[Network], peers: Iterable[Network]) -> str:
    """The text for ``nft -f -``. ``office``: networks that are the office's; ``peers``: the trunks' addresses."""
    near, far = _sorted(office), _sorted(peers)
    return f"""#!/usr/sbin/nft -f
# Made by Ramal (core/firewall.py). The Internet reaches nothing.
table {TABLE} {{
{_sets()}
  chain input {{ type filter hook input priority filter; policy drop; }}
  chain forward {{ type filter hook forward priority filter; policy drop; }}
  chain office {{ }}
  chain line {{ }}
}}
flush chain {TABLE} input
flush chain {TABLE} forward
flush chain {TABLE} office
flush chain {TABLE} line
{_fill("office", near)}{_fill("peers", far)}table {TABLE} {{
  chain input {{
    iif lo accept
    # What the box itself asked, and by what it has its address and its way out: no ban ends that.
    ct state established,related ct direction reply accept
    ct state invalid drop
    ip protocol icmp icmp type {{ destination-unreachable, time-exceeded, parameter-problem }} accept
    ip protocol icmp icmp type echo-request limit rate 20/second accept
    icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem }} accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert, nd-redirect }} ip6 hoplimit 255 accept
    icmpv6 type {{ mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }} accept
    icmpv6 type echo-request limit rate 20/second accept
    udp sport 67 udp dport 68 accept
    ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
    # A ban comes before everything that others began, so that it also ends that.
    ip saddr @banned4 counter drop
    ip6 saddr @banned6 counter drop
    meta l4proto {{ tcp, udp }} th dport {doors.sip} ip saddr @muted4 counter drop
    meta l4proto {{ tcp, udp }} th dport {doors.sip} ip6 saddr @muted6 counter drop
    ct state established,related accept
    ip saddr @office4 jump office
    ip6 saddr @office6 jump office
    ip saddr @peers4 jump line
    ip6 saddr @peers6 jump line
    counter drop
  }}
  chain office {{
    udp dport 5353 accept
    tcp dport {{ {", ".join(str(port) for port in sorted({doors.page, doors.ssh}))} }} accept
    jump line
  }}
  chain line {{
    # Who sends too much is slowed down, a phone with an old password too: it is never locked out by this.
    meta l4proto {{ tcp, udp }} th dport {doors.sip} update @fast4 {{ ip saddr limit rate over {_RATE} }} counter drop
    meta l4proto {{ tcp, udp }} th dport {doors.sip} update @fast6 {{ ip6 saddr limit rate over {_RATE} }} counter drop
    meta l4proto {{ tcp, udp }} th dport {doors.sip} accept
    udp dport {doors.rtp_first}-{doors.rtp_last} accept
  }}
}}
"""


def ban(address: str, version: int, seconds: int, shut: Shut) -> str:
    """The text that locks one address out for so long, whether it is locked out already or not."""
    where = f"{TABLE} {shut}{version}"
    # An element that is there keeps its old time: it is added, taken away and added, in one transaction.
    return (
        f"add element {where} {{ {address} timeout {seconds}s }}\n"
        f"delete element {where} {{ {address} }}\n"
        f"add element {where} {{ {address} timeout {seconds}s }}\n"
    )


def release(address: str, version: int, *shut: Shut) -> str:
    """The text that lets one address in again, whether it was locked out or not."""
    text = ""
    for where in (f"{TABLE} {one}{version}" for one in shut):
        # Only an element that is there can be taken away.
        text += f"add element {where} {{ {address} timeout 60s }}\ndelete element {where} {{ {address} }}\n"
    return text


_RATE = f"{SIP_PACKETS_S}/second burst {SIP_BURST} packets"


def _sets() -> str:
    lines = []
    for version, kind in ((4, "ipv4_addr"), (6, "ipv6_addr")):
        lines += [
            f"  set office{version} {{ type {kind}; flags interval; auto-merge; }}",
            f"  set peers{version} {{ type {kind}; flags interval; auto-merge; }}",
            f"  set banned{version} {{ type {kind}; flags timeout; size {BANS_MAX}; }}",
            f"  set muted{version} {{ type {kind}; flags timeout; size {BANS_MAX}; }}",
            f"  set fast{version} {{ type {kind}; flags dynamic,timeout; timeout 60s; size {BANS_MAX}; }}",
        ]
    return "\n".join(lines)


def _fill(name: str, networks: tuple[Network, ...]) -> str:
    text = ""
    for version in (4, 6):
        text += f"flush set {TABLE} {name}{version}\n"
        those = ", ".join(str(one) for one in networks if one.version == version)
        text += f"add element {TABLE} {name}{version} {{ {those} }}\n" if those else ""
    return text


def _sorted(networks: Iterable[Network]) -> tuple[Network, ...]:
    return tuple(sorted(set(networks), key=lambda one: (one.version, int(one.network_address), one.prefixlen)))
