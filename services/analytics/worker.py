"""Wiring: the sink and the KPI API in one process, because chDB lets in one process only.

The API follows the catalogue, to explain decisions by the terms they knew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI

from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.codec import Codec
from afflux.runtime.deadletters import DeadLetterLimit
from afflux.runtime.log import get_logger
from afflux.runtime.pg import connect_async
from afflux.runtime.process import Runnable, Server, http_server
from afflux.runtime.settings import Settings
from afflux.runtime.sink_loop import Limits, SinkLoop
from services.analytics.api import api_app
from services.analytics.bounds import Bounds
from services.analytics.domain.explanation import Alternatives
from services.analytics.explain import Explainer
from services.analytics.retention import keep_retention
from services.analytics.sink import AnalyticsSink
from services.analytics.warehouse import Warehouse

log = get_logger(__name__)
_CLOSE_S = 3.0
_FOLLOW_S = 1.0


class Analytics:
    """Opens the stores, runs the sink and serves the API until told to stop."""

    name = "analytics"

    def __init__(
        self, settings: Settings, alternatives: Alternatives, limits: Limits | None = None
    ) -> None:
        self._settings = settings
        self._alternatives = alternatives
        self._limits = limits or Limits()
        self._loop: SinkLoop | None = None
        self._server: Server | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run; raises what stopped the sink."""
        settings = self._settings
        warehouse = Warehouse(settings.clickhouse)
        await warehouse.open()
        await keep_retention(warehouse, settings)
        owner = await connect_async(settings.postgres, autocommit=True)
        reader = await connect_async(settings.postgres, autocommit=True)
        try:
            limit = DeadLetterLimit(settings.dead_letter_share)
            codec = Codec.load()
            sink = AnalyticsSink(codec, warehouse, Bounds(owner), limit)
            shared = not settings.clickhouse.startswith("chdb:")
            self._loop = SinkLoop(settings, sink, self._limits, shared=shared)
            offers = CatalogFollower(settings, codec)
            grace_ms = settings.attribution_grace_s * 1000
            explainer = Explainer(offers, self._alternatives, grace_ms)
            app = api_app(warehouse, reader, explainer)
            async with _followed(offers, stop):
                await self._with_api(app, self._loop, stop)
        finally:
            await owner.close()
            await reader.close()
            await warehouse.close()

    def status(self) -> dict[str, object]:
        """Return lag and progress; not healthy before the API answers."""
        if self._loop is None or self._server is None or not self._server.started:
            return {"healthy": False, "lag": None, "starting": True}
        return self._loop.status()

    async def _with_api(self, app: FastAPI, loop: SinkLoop, stop: asyncio.Event) -> None:
        settings = self._settings
        server = http_server(app, settings.analytics_host, settings.analytics_port)
        self._server = server
        serving = asyncio.create_task(server.serve())
        try:
            await loop.run(stop)
        finally:
            server.should_exit = True
            await asyncio.wait([serving], timeout=_CLOSE_S)


@asynccontextmanager
async def _followed(offers: CatalogFollower, stop: asyncio.Event) -> AsyncIterator[None]:
    """Follow the catalogue within this block, whether Kafka answers or not."""
    following = asyncio.create_task(offers.keep(stop, _FOLLOW_S, _nothing, _away))
    try:
        yield
    finally:
        following.cancel()
        await asyncio.wait([following])
        await offers.stop()


async def _nothing() -> None:
    """The view itself is all that is wanted of the catalogue."""


async def _away(error: Exception) -> None:
    log.warning("catalog_not_followed", error=str(error))


def build(settings: Settings, alternatives: Alternatives) -> Sequence[Runnable]:
    """Return what `afflux worker analytics` runs; `alternatives` are attribution's models."""
    return [Analytics(settings, alternatives)]
