"""Who is in the box's own network: by which the claim, the firewall and the ban tell neighbours from strangers. Pure.

Law: whoever cannot be placed is a stranger. ``own`` are the box's own addresses with their prefixes, as interfaces have
them. An IPv4 network counts as the office's when it is private or link-local: a box that stands in a data centre has
public neighbours it does not know. An IPv6 prefix of the box counts as the office's when the box also has such an IPv4
network, because an office's computers have public IPv6 addresses too.
"""

import ipaddress
from collections.abc import Iterable

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""What the Internet does not carry. The shared space of providers (100.64.0.0/10) is none: it has strangers."""
_IPV6_PREFIX_MIN = 48


def address_of(text: str) -> Address | None:
    """An address as sockets give it (``::ffff:192.0.2.1``, ``fe80::1%eth0``); None when it is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def is_private(network: Network | Address) -> bool:
    """Whether the Internet does not carry it."""
    if isinstance(network, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return any(network in wide for wide in PRIVATE if wide.version == network.version)
    return any(
        network.subnet_of(wide)  # type: ignore[arg-type]  # the versions are the same
        for wide in PRIVATE
        if wide.version == network.version
    )


def office_networks(own: Iterable[Interface]) -> tuple[Network, ...]:
    """Of the box's own networks those that are the office's, in order, each once."""
    interfaces = [one for one in own if not one.ip.is_loopback]
    found: list[Network] = [one.network for one in interfaces if is_private(one.network)]
    if any(network.version == 4 for network in found):
        found += [
            one.network
            for one in interfaces
            if one.version == 6 and not is_private(one.network) and one.network.prefixlen >= _IPV6_PREFIX_MIN
        ]
    return tuple(dict.fromkeys(found))


def is_near(text: str, own: Iterable[Interface]) -> bool:
    """Whether who asks from the address ``text`` stands in the office's own network, or is the box itself."""
    address = address_of(text)
    if address is None:
        return False
    return address.is_loopback or any(
        address in network for network in office_networks(own) if network.version == address.version
    )
