"""Routes for the edge from the catalogue, kept on disk for a start without Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
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
    Version,
)
from afflux.kernel.events import CatalogChange, Operation
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings
from services.tracking.domain.routes import Routes, build_routes, routes_now
from services.tracking.time_zones import zones_at

log = get_logger(__name__)
_POLL_S = 0.2
_FAR_BEHIND_MS = 60_000
_KINDS: tuple[type[Entity], ...] = (Network, Advertiser, Partner, OfferGroup, Offer, Link)


class CatalogFeed:
    """Follows the catalogue and hands on routes whenever they change."""

    def __init__(self, settings: Settings, cache: Path, publish: Callable[[Routes], None]) -> None:
        self._settings = settings
        self._cache = cache
        self._publish = publish
        self._follower = CatalogFollower(settings, Codec.load())
        self._catalog: Catalog | None = None
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
        at = now_ms()
        self._publish(routes_now(catalog, at, zones_at(at)))
        self._catalog, self._rebuild_at = catalog, catalog.next_change(at)
        self.ready = True
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`; Kafka may come and go, the last catalogue stays.

        What it says of a later instant (a key that ends, a pause that begins) holds without Kafka.
        """
        await self._follower.keep(stop, _POLL_S, self._looked, self._away)

    async def _looked(self) -> None:
        self._catalog = self._follower.view
        await self._refresh(self._catalog)

    async def _away(self, error: Exception) -> None:
        log.warning("catalog_not_followed", error=repr(error))
        if self._catalog is not None and self._is_due(self._now()):
            await self._rebuild(self._catalog, self._now())

    async def _refresh(self, catalog: Catalog) -> None:
        at = self._now()
        if catalog.revision == self._built and not self._is_due(at):
            return
        self._built = await self._rebuild(catalog, at)
        self.ready = True
        self._save(catalog, at)

    def _is_due(self, at: Millis) -> bool:
        return self._rebuild_at is not None and at >= self._rebuild_at

    async def _rebuild(self, catalog: Catalog, at: Millis) -> int:
        steps = build_routes(catalog, at, zones_at(at))
        while True:
            try:
                next(steps)
            except StopIteration as done:
                routes: Routes = done.value
                break
            await asyncio.sleep(0)
        self._rebuild_at = catalog.next_change(at)
        self._publish(routes)
        return routes.revision

    def _now(self) -> Millis:
        """Return the time; that of the newest change where our clock is far behind it, so that an
        edge whose clock stepped back still knows its links."""
        now, newest = now_ms(), self._follower.view.newest_recorded_at
        return newest if newest - now > _FAR_BEHIND_MS else now

    def _save(self, catalog: Catalog, at: Millis) -> None:
        changes = [
            _change(kind.kind, entity_id, version, at)
            for kind in _KINDS
            for entity_id in catalog.ids(kind)
            for version in _to_come(catalog.history(kind.kind, entity_id), at)
        ]
        fresh = self._cache.with_suffix(".new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_bytes(msgspec.json.encode(changes))
            fresh.replace(self._cache)
        except OSError as error:
            log.warning("catalog_cache_not_written", error=repr(error))


def _to_come(history: Sequence[Version], at: Millis) -> list[Version]:
    """Return the versions that answer for `at` or for an instant after it, newest first."""
    instants = {at}
    for version in history:
        edges = (version.recorded_at, version.valid_from, version.valid_to)
        instants |= {edge for edge in edges if edge is not None and edge > at}
    answers = {
        next((each.version for each in history if each.covers(instant, instant)), 0)
        for instant in instants
    }
    return [version for version in history if version.version in answers]


def _change(kind: str, entity_id: str, version: Version, at: Millis) -> CatalogChange:
    """What holds at `at` is written as true since ever: a clock set back forgets nothing."""
    entity = version.entity
    return CatalogChange(
        event_id=derive("catalog-cache", kind, entity_id, version.version),
        occurred_at=at,
        recorded_at=version.recorded_at if version.recorded_at > at else Millis(0),
        kind=kind,
        entity_id=entity_id,
        version=version.version,
        valid_from=version.valid_from if version.valid_from > at else Millis(0),
        valid_to=version.valid_to,
        operation=Operation.DELETE if entity is None else Operation.PUT,
        body="" if entity is None else msgspec.json.encode(entity).decode(),
        author="cache",
    )
