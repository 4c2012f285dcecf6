"""The ledger's stage on a real PostgreSQL, fed without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Adjustment, Assessment, DeadLetterRecord, Event
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.loop import Record, TopicPartition
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from services.payouts.process import TOPICS
from services.payouts.queries.steps import Db
from services.payouts.worker import PayoutsStage
from tests.payouts_samples import demo_catalog

PARTITIONS = [TopicPartition(topic, number) for topic in TOPICS for number in (0, 1)]


class FixedCatalogue:
    """A catalogue that is complete from the start."""

    def __init__(self, view: Catalog) -> None:
        self._view = view

    @property
    def view(self) -> Catalog:
        return self._view

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def sync(self, known_at: Millis) -> Millis:
        return known_at


class Feeder:
    """One owner of two partitions: gives facts offsets, processes and commits them."""

    def __init__(self, dsn: str, view: Catalog | None = None) -> None:
        self.codec = Codec.load()
        self.settings = Settings(postgres=dsn, topic_partitions=2)
        catalogue = FixedCatalogue(view or demo_catalog())
        self.stage = PayoutsStage(self.settings, catalogue, self.codec)
        self.next: dict[TopicPartition, int] = {}

    async def start(self) -> Feeder:
        """Take both partitions over."""
        self.next = dict(await self.stage.assigned(PARTITIONS))
        return self

    async def process(
        self, events: Sequence[Assessment | Adjustment], now: int
    ) -> tuple[dict[TopicPartition, int], Sequence[Event]]:
        """Process one batch; return the positions to commit and the outputs."""
        records, after = [], dict(self.next)
        for event in events:
            part = TopicPartition(event.topic, event.conversion_key[0] % 2)
            records.append(self._record(part, after[part], event))
            after[part] += 1
        outputs = await self.stage.process(records, Millis(now))
        return {p: o for p, o in after.items() if o != self.next[p]}, outputs

    async def feed(self, *events: Assessment | Adjustment, now: int) -> list[DeadLetterRecord]:
        """Process and commit one batch; return its dead letters."""
        positions, outputs = await self.process(events, now)
        await self.stage.commit(positions, Millis(now))
        self.next.update(positions)
        return [output for output in outputs if isinstance(output, DeadLetterRecord)]

    def _record(self, part: TopicPartition, offset: int, event: Event) -> Record:
        where = (part.topic, part.partition, offset, event.key)
        return Record(*where, self.codec.encode(event), event.recorded_at, (), event)


@asynccontextmanager
async def feeding(dsn: str, view: Catalog | None = None) -> AsyncIterator[Feeder]:
    """A feeder that owns its partitions, closed at the end."""
    feeder = await Feeder(dsn, view).start()
    try:
        yield feeder
    finally:
        await feeder.stage.close()


@asynccontextmanager
async def database(dsn: str) -> AsyncIterator[Db]:
    """A connection for looking, each statement its own transaction."""
    db = await connect_async(dsn, autocommit=True)
    try:
        yield db
    finally:
        await db.close()


async def balances(db: Db) -> dict[str, int]:
    """Balances that are not zero, as `account CURRENCY` -> minor units."""
    cursor = await db.execute(
        "SELECT account || ' ' || currency, balance FROM payouts.balances WHERE balance <> 0"
    )
    return {row[0]: row[1] for row in await cursor.fetchall()}
