"""Routes for the edge from the catalogue, kept on disk for a start without Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from afflux.kernel.catalog import (
    Advertiser,
    Catalog,
    Entity,
    Link,
    Network,
    Offer,
    OfferGroup,
    Partner,
)
from afflux.kernel.events import CatalogChange, Operation
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings
from services.tracking.domain.routes import Routes, build_routes, routes_now
from services.tracking.time_zones import zones_at

log = get_logger(__name__)
_POLL_S = 0.2
_RETRY_S = 1.0
_KINDS: tuple[type[Entity], ...] = (Network, Advertiser, Partner, OfferGroup, Offer, Link)


class CatalogFeed:
    """Follows the catalogue and hands on routes whenever they change."""

    def __init__(self, settings: Settings, cache: Path, publish: Callable[[Routes], None]) -> None:
        self._settings = settings
        self._cache = cache
        self._publish = publish
        self._follower = CatalogFollower(settings, Codec.load())
        self._built = -1
        self._rebuild_at: Millis | None = None
        self.ready = False

    def load_cache(self) -> bool:
        """Publish the routes of the last run; return False if there are none."""
        try:
            changes = msgspec.json.decode(self._cache.read_bytes(), type=list[CatalogChange])
        except FileNotFoundError:
            return False
        except msgspec.MsgspecError as error:
            log.error("catalog_cache_unreadable", error=str(error))
            return False
        catalog = Catalog()
        for change in changes:
            catalog.apply(change)
        now = now_ms()
        self._publish(routes_now(catalog, now, zones_at(now)))
        self.ready = True
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`; Kafka may come and go, the last routes stay."""
        connected = False
        while not stop.is_set():
            pause = _POLL_S
            try:
                if not connected:
                    await self._follower.start()
                    connected = True
                else:
                    await self._follower.sync(now_ms())
                await self._refresh()
            except KAFKA_TROUBLE as error:
                log.warning("catalog_not_followed", error=repr(error))
                pause = _RETRY_S
                if not connected:
                    await self._follower.stop()
            await _sleep(stop, pause)
        await self._follower.stop()

    async def _refresh(self) -> None:
        catalog, at = self._follower.view, now_ms()
        due = self._rebuild_at is not None and at >= self._rebuild_at
        if catalog.revision == self._built and not due:
            return
        steps = build_routes(catalog, at, zones_at(at))
        while True:
            try:
                next(steps)
            except StopIteration as done:
                routes: Routes = done.value
                break
            await asyncio.sleep(0)
        self._built = routes.revision
        self._rebuild_at = catalog.next_change(at)
        self._publish(routes)
        self.ready = True
        self._save(catalog, at)

    def _save(self, catalog: Catalog, at: Millis) -> None:
        changes = [
            _change(entity, version, at)
            for kind in _KINDS
            for entity, version in catalog.all(kind, at, at)
        ]
        fresh = self._cache.with_suffix(".new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_bytes(msgspec.json.encode(changes))
            fresh.replace(self._cache)
        except OSError as error:
            log.warning("catalog_cache_not_written", error=repr(error))


def _change(entity: Entity, version: int, at: Millis) -> CatalogChange:
    return CatalogChange(
        event_id=derive("catalog-cache", entity.kind, entity.entity_id, version),
        occurred_at=at,
        recorded_at=Millis(0),
        kind=entity.kind,
        entity_id=entity.entity_id,
        version=version,
        valid_from=Millis(0),
        operation=Operation.PUT,
        body=msgspec.json.encode(entity).decode(),
        author="cache",
    )


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
