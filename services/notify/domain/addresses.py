"""Which addresses a postback may go to: public ones, and those a setting allows.

The check is on the address of the connection itself, after the name was resolved, so that neither
a spelling of an address (decimal, octal, hexadecimal, mapped) nor a name that changes its mind can
lead into a private network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# What ipaddress calls global although nobody's web server is there.
_NEVER: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and a cloud's metadata in it
        "168.63.129.16/32",  # a cloud's host agent
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "224.0.0.0/3",
        "2001::/23",  # Teredo, benchmarking, ORCHID
        "2002::/16",  # 6to4: the address inside is anybody's
        "2001:db8::/32",
        "3fff::/20",
    )
)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks such as `10.1.0.0/16, ::1/128`; raises ValueError that names a wrong one."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def refusal(text: str, allowed: Sequence[Network]) -> str | None:
    """Return why a postback may not go to an address, None if it may."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return f"{text[:60]!r} is not an address"
    for one in (address, *_inside(address)):
        if _within(one, allowed):
            return None
    for one in (address, *_inside(address)):
        if not _public(one):
            return f"{text} is not a public address"
    return None


def _inside(address: Address) -> Iterator[Address]:
    """Yield the IPv4 address that an IPv6 address stands for, if it is one of those."""
    if not isinstance(address, IPv6Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)


def _public(address: Address) -> bool:
    if _within(address, _NEVER) or address.is_multicast or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return address.is_global
    if address.ipv4_mapped is not None or address in _NAT64:
        return True  # what it stands for is judged by itself
    return address in _GLOBAL_UNICAST and address.is_global and address not in _COMPATIBLE
