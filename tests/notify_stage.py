"""The notify stage and its sender on a real PostgreSQL, fed without Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Assessment, LedgerEntry
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.loop import Record, TopicPartition
from afflux.runtime.settings import Settings
from services.notify.process import TOPICS
from services.notify.queries.stories import any_due
from services.notify.reading import Asked, read_log
from services.notify.sender import Sender
from services.notify.stage import NotifyStage
from tests.payouts_stage import FixedCatalogue, database

PARTS = [TopicPartition(topic, number) for topic in TOPICS for number in (0, 1)]
SECRET = "s" * 64


def settings_of(dsn: str, **more: Any) -> Settings:
    """Settings of a quick notify process that may call loopback."""
    base: dict[str, Any] = {
        "postgres": dsn,
        "secret": SECRET,
        "topic_partitions": 2,
        "notify_allow_networks": "127.0.0.0/8",
        "notify_settle_ms": 0,
        "notify_backoff_ms": 50,
        "notify_timeout_s": 2.0,
    }
    return Settings(**{**base, **more})


class NotifyFeeder:
    """One owner of all partitions: gives records offsets, processes and commits them."""

    def __init__(self, settings: Settings, view: Catalog) -> None:
        self.codec = Codec.load()
        self.settings = settings
        self.sender = Sender(settings)
        self.stage = NotifyStage(settings, FixedCatalogue(view), self.sender.wake, 0)
        self.next: dict[TopicPartition, int] = {}

    async def start(self) -> NotifyFeeder:
        """Take the partitions over."""
        self.next = dict(await self.stage.assigned(PARTS))
        return self

    async def feed(self, *events: Assessment | LedgerEntry, now: int | None = None) -> None:
        """Process and commit one batch, and tell what is due."""
        at = Millis(now_ms() if now is None else now)
        records, after = [], dict(self.next)
        for event in events:
            number = event.partition or 0
            part = TopicPartition(event.topic, number)
            where = (part.topic, part.partition, after[part], event.key)
            records.append(Record(*where, self.codec.encode(event), at, (), event))
            after[part] += 1
        await self.stage.process(records, at)
        moved = {part: offset for part, offset in after.items() if offset != self.next[part]}
        await self.stage.commit(moved, at)
        self.next = after
        await self.look(at)

    async def look(self, now: int | None = None) -> None:
        """Let time pass until all that is due is told: a story that the sender has locked is told
        a moment later."""
        async with database(self.settings.postgres) as db:
            while True:
                at = Millis(now_ms() if now is None else now)
                await self.stage.process([], at)
                await self.stage.commit({}, at)
                if not await any_due(db, at):
                    return
                await asyncio.sleep(0.01)

    async def log(self, **asked: Any) -> list[dict[str, Any]]:
        """All deliveries with their attempts, the oldest first."""
        return (await read_log(self.settings, Asked(limit=10_000, **asked)))[::-1]

    async def until_ended(self, timeout_s: float = 30) -> list[dict[str, Any]]:
        """Wait until no delivery is open; return all."""
        async with asyncio.timeout(timeout_s):
            while True:
                rows = await self.log()
                if all(row["state"] in ("delivered", "parked") for row in rows):
                    return rows
                await asyncio.sleep(0.05)


@asynccontextmanager
async def notifying(settings: Settings, view: Catalog) -> AsyncIterator[NotifyFeeder]:
    """A feeder that owns its partitions."""
    feeder = await NotifyFeeder(settings, view).start()
    try:
        yield feeder
    finally:
        await feeder.stage.close()


@asynccontextmanager
async def sending(sender: Sender) -> AsyncIterator[None]:
    """Run a sender."""
    stop = asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def events_of(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Events and states of deliveries."""
    return [(row["event"], row["state"]) for row in rows]
