"""Shipping a local log to Kafka: whole batches, in order per partition, every ack awaited.

After an error nobody knows what arrived. The owner then closes the line and reads back, with
`log_reader`, what stands at the ends of the partitions.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata
from msgspec import Struct

from afflux.runtime.partitioning import choose
from afflux.runtime.producer_end import end_producer
from afflux.runtime.settings import Settings
from afflux.runtime.topics import MAX_RECORD_BYTES

__all__ = ["Line", "Parcel", "TopicPartition", "offsets_at"]
_MAX_BATCH = 512 << 10
_KNOWN_S = 600.0
"""Kafka forgets a silent producer after `producer.id.expiration.ms`, by default a day."""


class Parcel(Struct, frozen=True, gc=False):
    """One record; `timestamp` in milliseconds."""

    key: bytes
    value: bytes
    timestamp: int


class Line:
    """A connection that ships batches; one failed send makes it useless."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._bound = settings.send_timeout_s
        self._topics = topics
        self._partitions: dict[str, list[int]] = {}
        self._ways: dict[TopicPartition, _Way] = {}
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",  # aiokafka's lz4 is level 9: four times the time, more bytes
            max_batch_size=_MAX_BATCH,
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=10_000,
        )

    async def start(self) -> None:
        """Connect and learn the partitions; raises what is in KAFKA_TROUBLE."""
        await asyncio.wait_for(self._producer.start(), self._bound)
        for topic in self._topics:
            found = await asyncio.wait_for(self._producer.partitions_for(topic), self._bound)
            self._partitions[topic] = sorted(found)

    async def stop(self) -> None:
        """Disconnect, without waiting long for what is in flight: it arrives before this ends, or
        never, but for what Kafka itself has received and not written yet."""
        await end_producer(self._producer, 3)

    @property
    def partitions(self) -> list[TopicPartition]:
        """All partitions of the line's topics."""
        return [
            TopicPartition(topic, number)
            for topic, numbers in self._partitions.items()
            for number in numbers
        ]

    def choose(self, topic: str, keys: Sequence[bytes]) -> list[int]:
        """Return the partitions that Kafka's default partitioner puts keys into."""
        numbers = self._partitions[topic]
        return [numbers[place] for place in choose(keys, len(numbers))]

    async def send(
        self, parcels: Mapping[TopicPartition, Sequence[Parcel]]
    ) -> dict[TopicPartition, int]:
        """Ship parcels and return the next offset of each partition.

        Partitions side by side, each in order, also behind what earlier calls have on its way.
        Raises what is in KAFKA_TROUBLE; then any part of it may have arrived, but in no partition
        anything behind what did not.
        """
        sends = [
            asyncio.wait_for(self._send(part, batch), self._bound)
            for part, batch in parcels.items()
        ]
        results = await asyncio.gather(*sends, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return {
            part: result
            for part, result in zip(parcels, results, strict=True)
            if isinstance(result, int)
        }

    async def _send(self, part: TopicPartition, parcels: Sequence[Parcel]) -> int:
        way = self._ways.setdefault(part, _Way())
        sent: list[tuple[asyncio.Future[RecordMetadata], int]] = []
        async with way.turn:
            if way.is_broken:
                raise KafkaError(f"what was sent to {part.topic}/{part.partition} before failed")
            way.is_broken = True
            for batch in self._batches(parcels):
                future = await self._producer.send_batch(
                    batch, part.topic, partition=part.partition
                )
                future.add_done_callback(_seen)
                sent.append((future, batch.record_count()))
                if not way.is_known():
                    await future
                    way.acked_at = time.monotonic()
            way.is_broken = False
        acks = await asyncio.gather(*(future for future, _ in sent))
        way.acked_at = time.monotonic()
        ends = (ack.offset + count for ack, (_, count) in zip(acks, sent, strict=True))
        return max(ends, default=0)

    def _batches(self, parcels: Sequence[Parcel]) -> Iterator[BatchBuilder]:
        batch = self._producer.create_batch()
        append = batch.append
        for parcel in parcels:
            if append(key=parcel.key, value=parcel.value, timestamp=parcel.timestamp) is not None:
                continue
            yield batch
            batch = self._producer.create_batch()
            append = batch.append
            if append(key=parcel.key, value=parcel.value, timestamp=parcel.timestamp) is None:
                raise ValueError(f"a record of {len(parcel.value)} bytes fits no batch")
        yield batch


class _Way:
    """One partition's: who sends next, whether a send ended half-way, and when Kafka last acked
    something of this line.

    Kafka refuses a batch behind one that it refused, by its sequence number, but only while it
    knows the producer: so until then, and again after a long silence, one goes at a time.
    """

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.is_broken = False
        self.acked_at = -math.inf

    def is_known(self) -> bool:
        return time.monotonic() - self.acked_at < _KNOWN_S


def _seen(future: asyncio.Future[RecordMetadata]) -> None:
    """Look at an error that nobody may wait for any more."""
    if not future.cancelled():
        future.exception()


async def offsets_at(
    settings: Settings, parts: Sequence[TopicPartition], timestamp: int | None
) -> dict[TopicPartition, int]:
    """Return, for each partition, its first offset with a record at or after `timestamp`
    (milliseconds), else its end; with None its end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
    try:
        await asyncio.wait_for(consumer.start(), settings.send_timeout_s)
        ends = await asyncio.wait_for(consumer.end_offsets(list(parts)), settings.send_timeout_s)
        found = {}
        if timestamp is not None:
            asked = dict.fromkeys(parts, timestamp)
            found = await asyncio.wait_for(
                consumer.offsets_for_times(asked), settings.send_timeout_s
            )
        return {
            part: at.offset if (at := found.get(part)) is not None else ends[part] for part in parts
        }
    finally:
        await consumer.stop()
