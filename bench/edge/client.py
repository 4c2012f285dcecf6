"""Connections of our own, for loads that wrk cannot make: paced, idle, or from many addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from bench.edge.answers import take_answer

REDIRECT = 302


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way.

    `answered` is told the status of each answer, `lost` that the server closed the connection.
    """

    def __init__(
        self,
        answered: Callable[[Connection, int], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self._answered, self._lost = answered, lost
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self.due = 0.0
        self.is_busy = False
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its manners only
        self.is_open = True

    def send(self, request: bytes, due: float = 0.0) -> None:
        """Send one request; `due` is when it should have left."""
        assert self._transport is not None
        self.due, self.is_busy = due, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data = self._data + data if self._data else data
        found = take_answer(self._data)
        if found is not None:
            status, size = found
            self._data = self._data[size:]
            self.is_busy = False
            self._answered(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._lost(self)

    def close(self) -> None:
        """Close the connection; `lost` is told too."""
        if self._transport is not None:
            self._transport.close()


async def connect(
    port: int,
    answered: Callable[[Connection, int], None],
    lost: Callable[[Connection], None],
    source: str | None = None,
) -> Connection:
    """Open a connection to a server on this machine; `source` is the address it comes from."""
    loop = asyncio.get_running_loop()
    address = (source, 0) if source else None
    _, connection = await loop.create_connection(
        lambda: Connection(answered, lost), "127.0.0.1", port, local_addr=address
    )
    return connection
