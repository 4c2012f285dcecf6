"""Whose address a request has: a proxy's word counts only where the proxy is ours."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
FORWARDED = "x-forwarded-for"
_REMEMBERED = 4_096


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma separated list of CIDRs; raises ValueError for a wrong one."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class Proxies:
    """The proxies in front of an edge. Without any, a forwarding header is never read."""

    def __init__(self, trusted: tuple[Network, ...] = (), header: str = FORWARDED) -> None:
        self.header = header.lower() if trusted else ""
        self._trusted = trusted
        self._known: dict[str, bool] = {}

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
            known = self._known[address] = _within(address, self._trusted)
        return known


def host_of(peer: str) -> str:
    """Return an address without its port and brackets."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    if peer.count(":") == 1:
        return peer.partition(":")[0]
    return peer


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    return any(parsed.version == network.version and parsed in network for network in networks)
