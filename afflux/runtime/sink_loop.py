"""The loop of a sink: batches with bounds that are planned before they are stored (law K2).

A store that cannot commit data and offsets together resumes by repeating its last batch, so the
batch must be the same one: a batch is a range of offsets of one partition, and what the sink has
planned and not finished is read again with exactly those bounds before anything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from msgspec import Struct

from afflux.runtime import metrics
from afflux.runtime.log import get_logger
from afflux.runtime.progress import Progress
from afflux.runtime.rebalance import Listener
from afflux.runtime.settings import Settings
from afflux.runtime.sink_buffer import Batch, Buffer, Limits, Planned

__all__ = ["Batch", "Limits", "Planned", "Resume", "Sink", "SinkLoop", "TopicPartition"]
log = get_logger(__name__)


class Resume(Struct, frozen=True):
    """Where a partition goes on: the next offset, and the batch that must be repeated first."""

    next_offset: int
    planned: Planned | None = None


class Sink(Protocol):
    """What a service brings: bounds and a store."""

    name: str
    topics: tuple[str, ...]

    async def assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, Resume]:
        """Take the partitions over, with a new owner epoch."""
        ...

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Give the partitions up."""
        ...

    async def store(self, batches: Sequence[Batch]) -> None:
        """Plan, insert and mark these batches, at most one a partition."""
        ...


class SinkLoop:
    """Runs one sink until told to stop.

    `shared`: several processes divide the partitions as a consumer group. Otherwise this one takes
    all of them at once, which also spares a restart the wait for a dead member's session.
    """

    def __init__(self, settings: Settings, sink: Sink, limits: Limits, *, shared: bool) -> None:
        self.name = sink.name
        self.progress = Progress(sink.name)
        self._settings = settings
        self._sink = sink
        self._limits = limits
        self._shared = shared
        self._buffer = Buffer(limits)
        self._between_batches = asyncio.Lock()
        self._generation = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._failure: BaseException | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Store until `stop` is set; raises what stopped it otherwise."""
        consumer = self._consumer = self._new_consumer()
        try:
            await consumer.start()
            if self._shared:
                consumer.subscribe(self._sink.topics, listener=Listener(self))
            else:
                parts = await _all_partitions(consumer, self._sink.topics)
                consumer.assign(parts)
                await self.on_assigned(parts)
            while not stop.is_set():
                await self._turn(consumer)
        finally:
            with suppress(KafkaError, asyncio.TimeoutError):
                await asyncio.wait_for(consumer.stop(), 8)

    def status(self) -> dict[str, object]:
        """Return lag and progress for `afflux status` and /healthz."""
        return self.progress.status()

    async def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Forget the partitions, once the batch in hand is stored."""
        async with self._between_batches:
            self._generation += 1
            self._buffer.drop(partitions)
            self.progress.revoked(partitions)
            await self._guard(self._sink.revoked(partitions))

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Go to the sink's own offsets, and first to what it has planned and not finished."""
        async with self._between_batches:
            self._generation += 1
            await self._guard(self._take(partitions))

    async def _take(self, partitions: Sequence[TopicPartition]) -> None:
        consumer = self._consumer
        assert consumer is not None
        resumes = await self._sink.assigned(partitions)
        for part in partitions:
            resume = resumes[part]
            consumer.seek(part, resume.next_offset)
            self._buffer.take(part, resume.next_offset, resume.planned)
        self.progress.assigned({part: resumes[part].next_offset for part in partitions})
        repeated = sum(resumes[part].planned is not None for part in partitions)
        log.info("assigned", stage=self.name, partitions=len(partitions), to_repeat=repeated)

    async def _guard(self, action: Awaitable[None]) -> None:
        try:
            await action
        except Exception as error:  # noqa: BLE001 - aiokafka would swallow it; run() raises it
            self._failure = error

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        generation = self._generation
        fetched: Mapping[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            timeout_ms=self._settings.poll_ms, max_records=self._limits.records
        )
        if self._failure is not None:
            raise self._failure
        async with self._between_batches:
            if generation != self._generation:
                return  # taken before a rebalance: it is read again from the sink's own offsets
            for part, records in fetched.items():
                metrics.RECORDS.labels(self.name, part.topic).inc(len(records))
                self._buffer.add(part, records)
            await self._store(self._buffer.ready(time.monotonic()))
        self.progress.turned(consumer)

    async def _store(self, batches: Sequence[Batch]) -> None:
        if not batches:
            return
        started = time.perf_counter()
        await self._sink.store(batches)
        self._buffer.stored(batches)
        self.progress.committed({batch.part: batch.end for batch in batches})
        metrics.BATCH_SECONDS.labels(self.name).observe(time.perf_counter() - started)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            group_id=f"afflux.{self._sink.name}" if self._shared else None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=(RangePartitionAssignor,),
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=min(self._settings.poll_ms, 100),
            session_timeout_ms=6_000,
            heartbeat_interval_ms=2_000,
            max_poll_interval_ms=300_000,
        )


async def _all_partitions(
    consumer: AIOKafkaConsumer, topics: Sequence[str]
) -> list[TopicPartition]:
    found: list[TopicPartition] = []
    for topic in topics:
        await consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    for topic in topics:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise RuntimeError(f"topic {topic} is not in Kafka: create the topics first")
        found += [TopicPartition(topic, number) for number in sorted(numbers)]
    return found
