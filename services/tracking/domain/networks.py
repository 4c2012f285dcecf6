"""Where a report came from: networks of addresses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_HOST_BITS = 64
"""Of an IPv6 address the lower half is its holder's to choose."""


def is_within(address: str, networks: Sequence[str]) -> bool:
    """Return whether an address lies in one of these networks (CIDR); no address lies in none.

    An IPv4 address written as IPv6 (::ffff:192.0.2.1) is the IPv4 address.
    """
    found = _parsed(address)
    return found is not None and any(found in net for net in _networks(tuple(networks)))


def holder(address: str) -> str:
    """Return what one sender is known by: the IPv4 address, or the /64 of an IPv6 address."""
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Address(int(found) >> _HOST_BITS << _HOST_BITS))
    return address if found is None else str(found)


def _parsed(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@lru_cache(maxsize=1_024)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))
