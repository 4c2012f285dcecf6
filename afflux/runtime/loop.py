"""The consumer loop, the same for every stage.

Take a batch, decode it whole, let the stage decide, publish and await every ack, let the stage
commit its state and the offsets in one local transaction, then tell Kafka. The order matters: a
crash between publishing and committing repeats outputs, whose ids are derived, and loses none.
The stage's own offsets are the truth; Kafka's committed ones are for people who look at lag.
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

from afflux.kernel.events import Event
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.columns import TakesColumns, columns_of
from afflux.runtime.deadletters import DeadLetterLimit, dead_letter
from afflux.runtime.log import get_logger
from afflux.runtime.producer import Publisher
from afflux.runtime.progress import Progress
from afflux.runtime.rebalance import Listener
from afflux.runtime.record import Record
from afflux.runtime.settings import Settings

__all__ = ["Loop", "Record", "Stage", "TopicPartition"]
log = get_logger(__name__)
Fetched = Mapping[TopicPartition, list[ConsumerRecord]]


class Stage(Protocol):
    """What a service brings: decisions and a store. The loop brings everything else."""

    name: str
    topics: tuple[str, ...]

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Open the state of these partitions and return the store's next offsets."""
        ...

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Close the state of these partitions."""
        ...

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        """Decide on a batch (maybe empty: time has passed) and return what to publish."""
        ...

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        """Write state and next offsets in one local transaction; outputs are acked already."""
        ...


class Loop:
    """Runs one stage until told to stop, or until something unexpected stops it."""

    def __init__(self, settings: Settings, stage: Stage, codec: Codec) -> None:
        self.name = stage.name
        self.progress = Progress(stage.name)
        self._settings = settings
        self._stage = stage
        self._codec = codec
        self._publisher = Publisher(settings, codec, stage.name)
        self._limit = DeadLetterLimit(settings.dead_letter_share)
        self._between_batches = asyncio.Lock()
        self._next: dict[TopicPartition, int] = {}  # what we own, and the next offset of each
        self._generation = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._failure: BaseException | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Process until `stop` is set; raises what stopped it otherwise."""
        await self._publisher.start()
        consumer = self._consumer = self._new_consumer()
        try:
            await consumer.start()
            consumer.subscribe(self._stage.topics, listener=Listener(self))
            while not stop.is_set():
                await self._turn(consumer)
        finally:
            with suppress(KafkaError, asyncio.TimeoutError):
                await asyncio.wait_for(consumer.stop(), 8)
            await self._publisher.stop()

    def status(self) -> dict[str, object]:
        """Return lag and progress for `afflux status` and /healthz."""
        return self.progress.status()

    async def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Forget the partitions, once the batch in hand is committed."""
        async with self._between_batches:
            self._generation += 1
            gone = [part for part in partitions if self._next.pop(part, None) is not None]
            self.progress.revoked(gone)
            if gone:
                await self._guard(self._stage.revoked(gone))

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Open the store and go to its offsets, not to Kafka's."""
        async with self._between_batches:
            self._generation += 1
            consumer = self._consumer
            assert consumer is not None
            try:
                offsets = await self._stage.assigned(partitions)
            except Exception as error:  # noqa: BLE001 - aiokafka would swallow it; run() raises it
                self._failure = error
                return
            opened = {part: offsets.get(part, 0) for part in partitions}
            for part, offset in opened.items():
                consumer.seek(part, offset)
            self._next.update(opened)
            self.progress.assigned(opened)
            log.info("assigned", stage=self.name, partitions=len(partitions))

    async def _guard(self, closing: Awaitable[None]) -> None:
        try:
            await closing
        except Exception as error:  # noqa: BLE001 - as above
            self._failure = error

    async def _turn(self, consumer: AIOKafkaConsumer) -> None:
        generation = self._generation
        fetched = await consumer.getmany(
            timeout_ms=self._settings.poll_ms, max_records=self._settings.batch_records
        )
        if self._failure is not None:
            raise self._failure
        async with self._between_batches:
            if generation != self._generation:
                fetched = self._still_ours(consumer, fetched)
            if self._next:
                await self._batch(consumer, fetched)
        self.progress.turned(consumer)

    def _still_ours(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> Fetched:
        """Keep, of what was fetched across a rebalance, what continues the store's offsets.

        The rest is fetched again from there; merely dropping it would leave a hole.
        """
        kept: dict[TopicPartition, list[ConsumerRecord]] = {}
        for part, raws in fetched.items():
            expected = self._next.get(part)
            if expected is None:
                continue
            if raws[0].offset == expected:
                kept[part] = raws
            consumer.seek(part, raws[-1].offset + 1 if part in kept else expected)
        return kept

    async def _batch(self, consumer: AIOKafkaConsumer, fetched: Fetched) -> None:
        started, now = time.perf_counter(), now_ms()
        records: list[Record] = []
        letters: list[Event] = []
        positions: dict[TopicPartition, int] = {}
        whole = 0
        for part, raws in sorted(fetched.items()):
            positions[part] = raws[-1].offset + 1
            metrics.RECORDS.labels(self.name, part.topic).inc(len(raws))
            if self._as_columns(part, raws):
                whole += len(raws)
                continue
            good, bad = self._decode(part.topic, raws)
            records += good
            letters += bad
        outputs = [*letters, *await self._stage.process(records, now)]
        if outputs:
            await self._publisher.publish(outputs)
        await self._stage.commit(positions, now)
        self._next.update(positions)
        if positions:
            self.progress.committed(positions)
            metrics.BATCH_SECONDS.labels(self.name).observe(time.perf_counter() - started)
            await self._tell_kafka(consumer, positions)
            self._limit.count(len(records) + whole, len(letters))

    def _as_columns(self, part: TopicPartition, raws: Sequence[ConsumerRecord]) -> bool:
        """Give a batch to the stage as columns, if it wants that and every value is good."""
        stage = self._stage
        if not isinstance(stage, TakesColumns) or part.topic not in stage.column_topics:
            return False
        columns = columns_of(self._codec, part.topic, part.partition, raws)
        if columns is None:
            return False
        stage.take_columns(columns)
        return True

    def _decode(
        self, topic: str, raws: Sequence[ConsumerRecord]
    ) -> tuple[list[Record], list[Event]]:
        events = self._codec.decode_batch(
            topic, [raw.value for raw in raws], [raw.key for raw in raws]
        )
        records: list[Record] = []
        letters: list[Event] = []
        for raw, event in zip(raws, events, strict=True):
            if isinstance(event, Undecodable):
                metrics.DEAD_LETTERS.labels(self.name, topic, event.reason).inc()
                letters.append(dead_letter(raw, self.name, event.reason, event.detail))
            else:
                records.append(Record.of(raw, event))
        return records, letters

    async def _tell_kafka(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
    ) -> None:
        try:
            await asyncio.wait_for(consumer.commit(dict(positions)), self._settings.send_timeout_s)
        except (KafkaError, TimeoutError) as error:
            log.warning("kafka_commit_failed", stage=self.name, error=repr(error))

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            group_id=f"afflux.{self._stage.name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=(RangePartitionAssignor,),
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=min(self._settings.poll_ms, 100),
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_interval_ms=300_000,
        )
