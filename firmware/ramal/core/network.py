"""How the box stands in its network: DHCP or a fixed address, and a VLAN for the phones; as files of systemd-networkd.

Pure. Law: what is refused here would leave the box unreachable, so every refusal is a sentence with an example; and a
file of networkd never holds a word that was not made here from a checked value.
"""

import ipaddress
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import tomli_w

from ramal.core.near import Network
from ramal.errors import RamalError

Mode = Literal["dhcp", "static"]
DNS_MAX, TRUST_MAX = 3, 16
PORTS = "en* eth*"
VLAN_NAME = "phones"


class NetworkRefused(RamalError):
    """These settings would leave the box unreachable, or are none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``address`` (``192.168.1.10/24``), ``gateway`` and ``dns`` are for ``static``; ``vlan`` 0 is none, its address
    empty means DHCP; ``trust`` are further networks whose phones and people are the office's, such as a VPN's."""

    mode: Mode = "dhcp"
    address: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    vlan: int = 0
    vlan_address: str = ""
    trust: tuple[str, ...] = ()


def static(address: str, gateway: str, dns: Sequence[str], before: Plan) -> Plan:
    """``before`` with a fixed address. NetworkRefused."""
    found = _interface(address)
    gate = _address(gateway, "The router's address", "192.168.1.1")
    if gate not in found.network:
        raise NetworkRefused(
            f"The router {gate} is not in the box's network {found.network}, so the box would reach nothing outside. "
            "Nothing was changed. For example: ramal network static 192.168.1.10/24 192.168.1.1 192.168.1.1"
        )
    if gate == found.ip:
        raise NetworkRefused(f"{gate} cannot be both the box and its router. Nothing was changed.")
    if not 1 <= len(dns) <= DNS_MAX:
        raise NetworkRefused(f"Name servers (DNS): 1 to {DNS_MAX} addresses, often the router's. Nothing was changed.")
    names = tuple(str(_address(one, "A name server", "192.168.1.1")) for one in dns)
    return checked(Plan("static", str(found), str(gate), names, before.vlan, before.vlan_address, before.trust))


def dhcp(before: Plan) -> Plan:
    """``before`` with the address that the router gives."""
    return checked(Plan("dhcp", "", "", (), before.vlan, before.vlan_address, before.trust))


def vlan(number: int, address: str, before: Plan) -> Plan:
    """``before`` with the phones' VLAN ``number`` (1 to 4094, 0 none), the box at ``address`` there (empty: DHCP)."""
    if not 0 <= number <= 4094:
        raise NetworkRefused(f"A VLAN has a number from 1 to 4094 (0 = none), not {number}. Nothing was changed.")
    where = str(_interface(address)) if address and number else ""
    return checked(Plan(before.mode, before.address, before.gateway, before.dns, number, where, before.trust))


def trust(networks: Sequence[str], before: Plan) -> Plan:
    """``before`` with these further networks as the office's."""
    return checked(
        Plan(before.mode, before.address, before.gateway, before.dns, before.vlan, before.vlan_address, tuple(networks))
    )


def checked(plan: Plan) -> Plan:
    """``plan`` when it holds together. NetworkRefused."""
    if plan.mode not in ("dhcp", "static"):
        raise NetworkRefused(f"The network's mode is dhcp or static, not {plan.mode!r}. Nothing was changed.")
    if len(plan.trust) > TRUST_MAX:
        raise NetworkRefused(f"At most {TRUST_MAX} further networks can be trusted. Nothing was changed.")
    for text in plan.trust:
        _trusted(text)
    if plan.mode == "static" and plan.vlan_address:
        main, phones = _interface(plan.address).network, _interface(plan.vlan_address).network
        if main.version == phones.version and main.overlaps(phones):
            raise NetworkRefused(
                f"The phones' VLAN {phones} and the office's network {main} overlap, so the box would not know where a "
                "phone is. Nothing was changed. Give the VLAN another network, such as 10.20.0.1/24."
            )
    return plan


def trusted_networks(plan: Plan) -> tuple[Network, ...]:
    """``trust`` as networks."""
    return tuple(_trusted(text) for text in plan.trust)


def read(text: str) -> Plan:
    """The plan in network.toml's text. NetworkRefused with what is wrong."""
    try:
        table: Mapping[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NetworkRefused(f"network.toml is not valid TOML: {error}") from error
    wrong = [key for key in table if key not in Plan.__slots__]
    if wrong:
        raise NetworkRefused(f"network.toml: “{wrong[0]}” is not a setting of the network.")
    lists = {"dns", "trust"}
    for key, value in table.items():
        ok = (
            isinstance(value, list) and all(isinstance(one, str) for one in value)
            if key in lists
            else isinstance(value, int) and not isinstance(value, bool)
            if key == "vlan"
            else isinstance(value, str)
        )
        if not ok:
            raise NetworkRefused(f"network.toml: “{key}” is not of the right kind.")
    values: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in table.items()}
    given = Plan(**values)
    main = static(given.address, given.gateway, given.dns, given) if given.mode == "static" else checked(given)
    return vlan(main.vlan, main.vlan_address, main)


def write(plan: Plan) -> str:
    """network.toml's text."""
    table = {name: getattr(plan, name) for name in Plan.__slots__}
    return tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value for key, value in table.items()})


def render(plan: Plan) -> dict[str, str]:
    """systemd-networkd's files by name, for /run/systemd/network. They come before the image's own 80-ramal.network."""
    tag = f"VLAN={VLAN_NAME}\n" if plan.vlan else ""
    files = {"10-ramal.network": f"[Match]\nName={PORTS}\n\n{_LINK}[Network]\n{tag}{_addressed(plan)}"}
    if plan.vlan:
        files["10-ramal-phones.netdev"] = f"[NetDev]\nName={VLAN_NAME}\nKind=vlan\n\n[VLAN]\nId={plan.vlan}\n"
        inside = f"Address={plan.vlan_address}\nDHCP=no\n" if plan.vlan_address else "DHCP=yes\n"
        # The VLAN is where phones are; the way out stays the office's.
        files["11-ramal-phones.network"] = (
            f"[Match]\nName={VLAN_NAME}\n\n{_LINK}[Network]\n{inside}IPv6AcceptRA=yes\nLinkLocalAddressing=yes\n"
            "LLDP=no\n\n[DHCPv4]\nUseRoutes=no\nUseGateway=no\nUseDNS=no\nUseDomains=no\n"
        )
    return files


_LINK = "[Link]\nRequiredForOnline=no\n\n"


def _addressed(plan: Plan) -> str:
    # As 80-ramal.network: a computer plugged in directly, with no DHCP server, finds a box that waits for one by IPv4.
    local = "yes" if plan.mode == "dhcp" else "ipv6"
    always = f"IPv6AcceptRA=yes\nLinkLocalAddressing={local}\nLLDP=no\n"
    if plan.mode == "dhcp":
        return f"DHCP=yes\n{always}\n[DHCPv4]\nUseDomains=no\nSendHostname=yes\nHostname=ramal\n"
    names = "".join(f"DNS={one}\n" for one in plan.dns)
    return f"DHCP=no\nAddress={plan.address}\nGateway={plan.gateway}\n{names}{always}"


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    try:
        found = ipaddress.ip_interface(text.strip()) if "/" in text else None
    except ValueError:
        found = None
    if found is None or "%" in text:
        raise NetworkRefused(
            f"“{text[:60]}” is not an address with its network. Nothing was changed. For example: 192.168.1.10/24"
        )
    shortest, longest = (8, 30) if found.version == 4 else (16, 126)
    if not shortest <= found.network.prefixlen <= longest:
        raise NetworkRefused(
            f"A network of length /{found.network.prefixlen} is none for an office; use /{shortest} to /{longest}, "
            "most often /24. Nothing was changed."
        )
    if (
        found.ip.is_multicast
        or found.ip.is_loopback
        or found.ip.is_unspecified
        or (found.version == 4 and found.ip in (found.network.network_address, found.network.broadcast_address))
    ):
        raise NetworkRefused(f"{found.ip} is no address that a box can have in {found.network}. Nothing was changed.")
    return found


def _address(text: str, what: str, example: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        raise NetworkRefused(
            f"{what} “{text[:60]}” is not an address. Nothing was changed. For example: {example}"
        ) from None
    if found.is_multicast or found.is_loopback or found.is_unspecified or getattr(found, "scope_id", None):
        raise NetworkRefused(f"{what} cannot be {found}. Nothing was changed. For example: {example}")
    return found


def _trusted(text: str) -> Network:
    try:
        found = ipaddress.ip_network(text.strip())
    except ValueError:
        raise NetworkRefused(f"“{text[:60]}” is not a network. Nothing was changed. For example: 10.8.0.0/24") from None
    shortest = 8 if found.version == 4 else 32
    if found.prefixlen < shortest or found.is_multicast or found.is_loopback:
        raise NetworkRefused(
            f"{found} is too much to trust: everybody in it could try passwords at the phones' door. "
            f"Nothing was changed. Name networks of /{shortest} and longer."
        )
    return found
