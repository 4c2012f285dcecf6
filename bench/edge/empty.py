"""What Granian alone can do: a 302 with fixed headers and nothing behind it.

    python -m bench.edge.empty rsgi|asgi|reading PORT [MAX_BUFFER_SIZE]

Granian runs in our event loop with the options that the edge uses. `serve_rsgi` is the same
application for the stock `granian` command, which has a loop of its own. `reading` also takes out
of the request what the edge takes out of it, and does nothing with it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import uvloop
from granian.constants import HTTPModes, Interfaces, TaskImpl
from granian.http import HTTP1Settings
from granian.server.embed import Server

LOCATION = "https://shop.example/?cid=AQEBkX8b0ycAAAAAAAAAAAAAABEiM0RVZneImaq7zN3u_2RkAQE"
_RSGI = [("location", LOCATION), ("cache-control", "no-store")]
_START = {
    "type": "http.response.start",
    "status": 302,
    "headers": [(b"location", LOCATION.encode()), (b"cache-control", b"no-store")],
}
_BODY = {"type": "http.response.body", "body": b""}


_HEADERS = (
    "cookie",
    "user-agent",
    "sec-purpose",
    "purpose",
    "referer",
    "accept-language",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
)


class Wire(Protocol):
    """RSGI's way to answer."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None: ...


class EmptyRsgi:
    """A redirect and nothing else."""

    async def __rsgi__(self, scope: object, wire: Wire) -> None:
        wire.response_empty(302, _RSGI)


class ReadingRsgi:
    """The same, after reading the request as the edge does."""

    async def __rsgi__(self, scope: Any, wire: Wire) -> None:
        _ = scope.method, scope.path, scope.query_string, scope.client
        header = scope.headers.get
        for name in _HEADERS:
            header(name)
        wire.response_empty(302, _RSGI)


async def empty_asgi(
    scope: object, receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """The same over ASGI."""
    await send(_START)
    await send(_BODY)


serve_rsgi = EmptyRsgi()
_APPLICATIONS: dict[str, tuple[Any, Interfaces]] = {
    "rsgi": (serve_rsgi, Interfaces.RSGI),
    "reading": (ReadingRsgi(), Interfaces.RSGI),
    "asgi": (empty_asgi, Interfaces.ASGINL),
}


async def serve(kind: str, port: int, max_buffer_size: int | None) -> None:
    """Serve until the process is ended."""
    target, interface = _APPLICATIONS[kind]
    http1 = None if max_buffer_size is None else HTTP1Settings(max_buffer_size=max_buffer_size)
    server = Server(
        target,
        port=port,
        interface=interface,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
        http1_settings=http1,
        websockets=False,
        backlog=1024,
        backpressure=100_000,
        log_enabled=False,
    )
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else None))
