"""A partner's server on loopback: remembers what it was sent and answers as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Heard:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["X-Afflux-Event-Id"]


@dataclass
class Receiver:
    """What was heard; `handler` may be replaced at any time; None answers 200 `thanks`."""

    handler: Handler | None = None
    heard: list[Heard] = field(default_factory=list)
    port: int = 0
    under_way: int = 0
    most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.heard.append(Heard(request.method, request.raw_path, dict(request.headers), body))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.handler is not None:
                return await self.handler(request)
            return web.Response(text="thanks")
        finally:
            self.under_way -= 1

    async def until(self, count: int, timeout_s: float = 30) -> list[Heard]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(timeout_s):
            while len(self.heard) < count:  # noqa: ASYNC110 - another process sends
                await asyncio.sleep(0.02)
        return self.heard


@asynccontextmanager
async def receiving(
    handler: Handler | None = None, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """Run a receiver; the port is free to choose or given."""
    receiver = Receiver(handler)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, port, reuse_address=True)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()
