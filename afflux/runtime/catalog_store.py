"""The catalogue in PostgreSQL and its publication to `catalog.changes`.

A change is stamped with `recorded_at` = now + lead, committed together with its outbox row, and
published; only an ack before `recorded_at` counts. A worker that reads the log to its end at or
after an event's instant therefore knows exactly what a replay will know (law A2). A change whose
ack came too late, or that a crash left in the outbox, is written again as a later version with a
later stamp.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from afflux.kernel.catalog import Catalog
from afflux.kernel.catalog.plan import Plan, change_id, changes
from afflux.kernel.events import CatalogChange
from afflux.kernel.types import Millis
from afflux.runtime import catalog_queries as queries
from afflux.runtime.catalog_queries import Db
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log import get_logger
from afflux.runtime.pg import connect_async, errors
from afflux.runtime.producer import Publisher
from afflux.runtime.refused import Refused
from afflux.runtime.settings import Settings

log = get_logger(__name__)
Planner = Callable[[Catalog, Millis], Plan]
_STAMPS = 6
_LOCK_TRIES = 150
_ROWS_PER_MS = 2  # slower than any engine we measured: a big file gets a longer lead


class Applied(Struct, frozen=True):
    """What an apply did; `recorded_at` is None if there was nothing to write."""

    plan: Plan
    recorded_at: Millis | None
    resent: int


async def load_catalog(settings: Settings) -> Catalog:
    """Return all versions that were ever written."""
    async with _connection(settings) as db:
        return await _catalog(db)


async def apply_plan(
    settings: Settings, make: Planner, author: str, reason: str | None = None
) -> Applied:
    """Plan under the writer's lock, write, publish, and wait until the changes are known.

    `make` gets the catalogue as it is and the instant of the apply; what it raises leaves
    everything as it was, except that changes which an earlier crash left unpublished are
    published first. Errors: Refused when another apply holds the lock or Kafka takes nothing.
    """
    publisher = Publisher(settings, Codec.load(), "catalog")
    async with _connection(settings) as db, _locked(db):
        try:
            relay = Relay(settings, db, publisher)
            resent, known_from = await relay.finish_leftovers()
            now = now_ms()
            plan = make(await _catalog(db), now)
            recorded_at = await relay.write(plan, now, author, reason)
        finally:
            await publisher.stop()
    await sleep_until(recorded_at or known_from)
    return Applied(plan, recorded_at, resent)


class Relay:
    """Writes changes with their outbox rows and sends them until an ack came in time."""

    def __init__(self, settings: Settings, db: Db, publisher: Publisher) -> None:
        self._settings = settings
        self._db = db
        self._publisher = publisher

    async def write(
        self, plan: Plan, now: Millis, author: str, reason: str | None
    ) -> Millis | None:
        """Write and publish the versions of a plan; return from when they are known."""
        if not plan.steps:
            return None
        stamp = self._stamp(len(plan.steps), 1)
        async with self._db.transaction():
            made = changes(plan, now, stamp, author, reason, self._settings.tenant_id)
            await queries.insert(self._db, made)
        return await self._send()

    async def finish_leftovers(self) -> tuple[int, Millis]:
        """Publish what an earlier apply left; return how many, and from when they are known."""
        left = len(await queries.waiting(self._db))
        if not left:
            return 0, Millis(0)
        log.warning("catalog_outbox_left", changes=left)
        return left, await self._send()

    async def _send(self) -> Millis:
        for attempt in range(1, _STAMPS + 1):
            rows = await queries.waiting(self._db)
            if now_ms() >= min(change.recorded_at for _, change in rows):
                rows = await self._restamp(rows, attempt)
            await self._publisher.publish([change for _, change in rows])
            acked_at = now_ms()
            if acked_at < min(change.recorded_at for _, change in rows):
                await queries.forget_waiting(self._db, [row_id for row_id, _ in rows])
                return max(change.recorded_at for _, change in rows)
            log.warning("catalog_ack_late", attempt=attempt, changes=len(rows))
        raise Refused(
            f"Kafka at {self._settings.kafka} is too slow: {_STAMPS} times the changes were not "
            "acknowledged in time; they are kept and the next `afflux catalog apply` sends them"
        )

    async def _restamp(
        self, rows: Sequence[tuple[int, CatalogChange]], attempt: int
    ) -> list[tuple[int, CatalogChange]]:
        """Write the same content as later versions that are known from a later instant."""
        kinds, ids = zip(*((change.kind, change.entity_id) for _, change in rows), strict=True)
        stamp = self._stamp(len(rows), 2**attempt)
        async with self._db.transaction():
            top = await queries.newest_versions(self._db, kinds, ids)
            again = []
            for _, change in rows:
                top[change.kind, change.entity_id] += 1
                again.append(_later(change, top[change.kind, change.entity_id], stamp))
            await queries.forget_waiting(self._db, [row_id for row_id, _ in rows])
            await queries.insert(self._db, again)
        return await queries.waiting(self._db)

    def _stamp(self, rows: int, times: int) -> Millis:
        lead = self._settings.catalog_lead_ms + rows // _ROWS_PER_MS
        return Millis(now_ms() + lead * times)


async def sleep_until(instant: Millis) -> None:
    """Return when the clock shows more than `instant`."""
    while (wait := instant + 1 - now_ms()) > 0:  # noqa: ASYNC110 - it is the clock we wait for
        await asyncio.sleep(wait / 1000)


def _later(change: CatalogChange, version: int, recorded_at: Millis) -> CatalogChange:
    event_id = change_id(change.tenant_id, change.kind, change.entity_id, version)
    return replace(change, event_id=event_id, version=version, recorded_at=recorded_at)


async def _catalog(db: Db) -> Catalog:
    catalog = Catalog()
    for change in await queries.all_versions(db):
        catalog.apply(change)
    return catalog


@asynccontextmanager
async def _connection(settings: Settings) -> AsyncIterator[Db]:
    try:
        db = await connect_async(settings.postgres, autocommit=True)
    except errors.OperationalError as error:
        raise Refused(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error
    async with db:
        yield db


@asynccontextmanager
async def _locked(db: Db) -> AsyncIterator[None]:
    for _ in range(_LOCK_TRIES):
        if await queries.try_lock(db):
            break
        await asyncio.sleep(0.1)
    else:
        raise Refused("another apply has been writing to the catalogue for 15 s; try again later")
    try:
        yield
    finally:
        await queries.unlock(db)
