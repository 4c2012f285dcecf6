"""From a name to addresses a postback may go to, and sockets that go nowhere else.

The name is resolved once, the addresses are checked, and the connection is made to one of them: no
second look-up can give another. The socket's own address is checked once more, because an address
written into the URL is never resolved.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from services.notify.domain.addresses import Network, refusal

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Name and port to addresses; raises OSError when there are none."""


class AddressRefused(OSError):
    """An address is out of bounds."""


class NameRefused(AddressRefused):
    """All that a name leads to is out of bounds, at present."""


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Return the addresses the system's resolver gives.

    Each look-up has a thread of its own that nobody waits for in the end: in the shared few, names
    whose servers are silent would keep the others waiting, and the process from leaving.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str], error: OSError | None) -> None:
        if future.done():
            return  # it took too long
        if error is None:
            future.set_result(addresses)
        else:
            future.set_exception(error)

    def resolve() -> None:
        addresses: list[str] = []
        failed: OSError | None = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        except OSError as error:
            failed = error
        except UnicodeError as error:
            failed = OSError(f"{host[:60]!r} is not a name: {error}")
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, addresses, failed)

    Thread(target=resolve, name="resolve", daemon=True).start()
    return await future


class CheckedResolver(AbstractResolver):
    """A resolver that gives only allowed addresses."""

    def __init__(self, allowed: Sequence[Network], lookup: Lookup = system_lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the allowed addresses of a host; raises NameRefused, or OSError for none."""
        addresses = await self._lookup(host, port)
        refusals = {address: refusal(address, self._allowed) for address in addresses}
        good = [address for address, reason in refusals.items() if reason is None]
        if not good:
            reasons = "; ".join(reason for reason in refusals.values() if reason)
            raise NameRefused(f"{host}: {reasons or 'no address'}")
        return [_result(host, address, port) for address in good]

    async def close(self) -> None:
        """Nothing is held."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    six = ip_address(address.partition("%")[0]).version == 6
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if six else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )


def guarded_sockets(allowed: Sequence[Network]) -> Callable[[Any], socket.socket]:
    """Return a maker of sockets that refuses addresses out of bounds, however they were written."""

    def make(address: Any) -> socket.socket:
        family, kind, proto, _, place = address
        reason = refusal(str(place[0]), allowed)
        if reason is not None:
            raise AddressRefused(reason)
        return socket.socket(family, kind, proto)

    return make
