"""Whose address a request has: a proxy's word counts only where the proxy is ours."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Protocol

Network = IPv4Network | IPv6Network
FORWARDED = "x-forwarded-for"
_REMEMBERED = 4_096


class HeaderLines(Protocol):
    """Request headers, of which one may stand in several lines."""

    def get_all(self, key: str) -> Sequence[str]:
        """Return the values of all lines of a header, in their order; the key in lower case."""
        ...


_OWN_BITS = 64


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma separated list of CIDRs; raises ValueError for a wrong one."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class Proxies:
    """The proxies in front of an edge. Without any, a forwarding header is never read."""

    def __init__(self, trusted: tuple[Network, ...] = (), header: str = FORWARDED) -> None:
        self.header = header.lower() if trusted else ""
        self._trusted = trusted
        self._known: dict[str, bool] = {}

    def address(self, peer: str, headers: HeaderLines) -> str:
        """Return the client's address. Some proxies add a line of their own to what the client
        sent: all lines are one list, in their order."""
        if not self._trusted:
            return host_of(peer)
        return self.client(peer, ",".join(headers.get_all(self.header)))

    def client(self, peer: str, forwarded: str | None) -> str:
        """Return the client's address: the peer's, or, behind our proxies, the last address in
        the header that is none of them. What a client wrote into the header itself stands before
        that and is ignored.

        `peer` may carry a port (`1.2.3.4:5`, `[::1]:5`), which is dropped.
        """
        address = host_of(peer)
        if not self._trusted or not forwarded or not self._trusts(address):
            return address
        for hop in reversed(forwarded.split(",")):
            hop = host_of(hop.strip())  # noqa: PLW2901 - one hop, without its port
            if not hop:
                break
            address = hop
            if not self._trusts(hop):
                break
        return address

    def _trusts(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[address] = is_within(address, self._trusted)
        return known


def host_of(peer: str) -> str:
    """Return an address without its port and brackets."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    if peer.count(":") == 1:
        return peer.partition(":")[0]
    return peer


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address lies in one of these networks; what is no address lies in none.

    An IPv4 address written as IPv6 (::ffff:192.0.2.1) is the IPv4 address.
    """
    found = parsed(address)
    return found is not None and any(found in network for network in networks)


def holder(address: str) -> str:
    """Return what one sender is known by: the IPv4 address, or the /64 of an IPv6 address, whose
    lower half is its holder's to choose."""
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Address(int(found) >> _OWN_BITS << _OWN_BITS))
    return address if found is None else str(found)


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, or None for another text."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
