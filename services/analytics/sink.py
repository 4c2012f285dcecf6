"""The sink: every topic into its raw table, by planned bounds (laws K1, K2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from afflux.runtime import metrics
from afflux.runtime.codec import Codec
from afflux.runtime.deadletters import DeadLetterLimit
from afflux.runtime.sink_loop import Batch, Resume, TopicPartition
from services.analytics.bounds import Bounds
from services.analytics.domain.tables import TOPICS, UNDECODABLE, table_of
from services.analytics.eraser import Eraser
from services.analytics.process import Rows, rows_of
from services.analytics.warehouse import Insert, Warehouse


class AnalyticsSink:
    """Plans in PostgreSQL, inserts with the token, marks done: in this order, always."""

    name = "analytics"
    topics = TOPICS

    def __init__(
        self, codec: Codec, warehouse: Warehouse, bounds: Bounds, limit: DeadLetterLimit
    ) -> None:
        self._codec = codec
        self._warehouse = warehouse
        self._bounds = bounds
        self._limit = limit
        self._eraser = Eraser(warehouse)

    async def assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, Resume]:
        """Become the owner; what the last one planned and did not finish comes first."""
        return await self._bounds.take(partitions)

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Own these partitions no more."""
        self._bounds.drop(partitions)

    async def store(self, batches: Sequence[Batch]) -> None:
        """Store each batch once, whatever was stored of it before."""
        await self._bounds.plan(batches)
        good = bad = 0
        async for rows in self._stored(batches):
            good, bad = good + rows.good, bad + rows.bad
        metrics.DROPPED.labels(self.name, "undecodable").inc(bad)
        self._limit.count(good, bad)

    async def _stored(self, batches: Sequence[Batch]) -> AsyncIterator[Rows]:
        """Yield the rows of each batch; the next is decoded while this one is inserted."""
        decoding = asyncio.create_task(asyncio.to_thread(self._rows, batches[0]))
        for place, batch in enumerate(batches):
            rows = await decoding
            if place + 1 < len(batches):
                following = batches[place + 1]
                decoding = asyncio.create_task(asyncio.to_thread(self._rows, following))
            await self._warehouse.insert(inserts_of(batch, rows))
            await self._eraser.after(batch.part.topic, rows.decoded)
            # One by one: a crash repeats what was under way, not the whole round.
            await self._bounds.done([batch])
            yield rows

    def _rows(self, batch: Batch) -> Rows:
        table = table_of(batch.part.topic)
        return rows_of(self._codec, table, batch.part.partition, batch.plan.day, batch.records)


def inserts_of(batch: Batch, rows: Rows) -> list[Insert]:
    """Return the inserts of a batch; the same bounds and records give the same inserts."""
    table, token = table_of(batch.part.topic).name, batch.plan.token
    inserts = []
    if rows.decoded is not None:
        inserts.append(Insert(table, token, rows.decoded))
    if rows.undecodable is not None:
        inserts.append(Insert(UNDECODABLE, token, rows.undecodable))
    return inserts
