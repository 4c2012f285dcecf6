"""Publishing: every ack awaited, every await bounded.

aiokafka's idempotent producer can hang while Kafka is down and burns sequence numbers on an error,
so each attempt has a time limit and an error replaces the producer.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Struct

from afflux.kernel.events import Event
from afflux.runtime import metrics
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log import get_logger
from afflux.runtime.partitioning import choose
from afflux.runtime.producer_end import end_producer
from afflux.runtime.settings import Settings
from afflux.runtime.topics import MAX_LETTER_BYTES

log = get_logger(__name__)
_ATTEMPTS = 20
_CHUNK = 2_000
_BATCH_BYTES = 262_144
_FAILED = (KafkaError, TimeoutError, OSError)
Ack = asyncio.Future[object]


class PublishError(RuntimeError):
    """Kafka did not take the records within all attempts; nothing that follows may happen."""


class Raw(Struct, frozen=True):
    """One record as bytes; `partition` None lets the key decide."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher:
    """Publishes events at least once, in order within a partition."""

    def __init__(self, settings: Settings, codec: Codec, stage: str) -> None:
        self._settings = settings
        self._codec = codec
        self._stage = stage
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; raises PublishError when Kafka does not answer in time."""
        await self._with_retries(self._connected, "connect")

    async def stop(self) -> None:
        """Close the connection; what was acked stays, there is nothing else."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await end_producer(producer, 5)

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish and wait for every ack; raises PublishError, then some may have arrived."""
        await self.publish_raw([self._raw(event) for event in events])
        for topic, count in Counter(event.topic for event in events).items():
            metrics.EMITTED.labels(self._stage, topic).inc(count)

    async def publish_raw(self, records: Sequence[Raw]) -> None:
        """Publish bytes as they are and wait for every ack."""
        for start in range(0, len(records), _CHUNK):
            chunk = records[start : start + _CHUNK]

            async def send(chunk: Sequence[Raw] = chunk) -> None:
                await self._send(chunk)

            await self._with_retries(send, "send")

    def _raw(self, event: Event) -> Raw:
        return Raw(event.topic, event.key or None, self._codec.encode(event), event.partition)

    async def _send(self, records: Sequence[Raw]) -> None:
        await self._connected()
        producer = self._producer
        assert producer is not None
        plain = all(_is_plain(record) for record in records)
        sends = (_send_batches if plain else _send_each)(producer, records)
        await asyncio.gather(*await sends)

    async def _connected(self) -> None:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka,
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",  # aiokafka's lz4 is level 9: four times the time
                linger_ms=2,
                max_batch_size=_BATCH_BYTES,
                max_request_size=MAX_LETTER_BYTES,
                request_timeout_ms=10_000,
            )
            try:
                await producer.start()
            except BaseException:
                await end_producer(producer, 2)
                raise
            self._producer = producer

    async def _with_retries(self, action: Callable[[], Awaitable[None]], what: str) -> None:
        last: BaseException | None = None
        for attempt in range(_ATTEMPTS):
            try:
                await asyncio.wait_for(action(), self._settings.send_timeout_s)
                return
            except _FAILED as error:
                last = error
                metrics.PUBLISH_RETRIES.labels(self._stage).inc()
                log.warning("publish_failed", what=what, attempt=attempt, error=repr(error))
                await self.stop()
                await asyncio.sleep(min(0.2 * 2**attempt, 5))
        raise PublishError(f"Kafka at {self._settings.kafka} did not take the records: {last!r}")


def _is_plain(record: Raw) -> bool:
    """Return whether a record's place is known, it has no headers, and it fits a batch."""
    if record.headers or (record.key is None and record.partition is None):
        return False
    return len(record.value or b"") + len(record.key or b"") < _BATCH_BYTES // 2


async def _send_batches(producer: AIOKafkaProducer, records: Sequence[Raw]) -> list[Ack]:
    """Hand over whole batches, partition by partition: less than half the time of `send`."""
    acks: list[Ack] = []
    timestamp = now_ms()
    for (topic, partition), some in (await _places(producer, records)).items():
        batch = producer.create_batch()
        for record in some:
            given = {"key": record.key, "value": record.value, "timestamp": timestamp}
            if batch.append(**given) is None:
                acks.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(**given)
        acks.append(await producer.send_batch(batch, topic, partition=partition))
    return acks


async def _places(
    producer: AIOKafkaProducer, records: Sequence[Raw]
) -> dict[tuple[str, int], list[Raw]]:
    """Return the records by topic and partition, the one Kafka's own clients would choose."""
    by_topic: dict[str, list[Raw]] = defaultdict(list)
    for record in records:
        by_topic[record.topic].append(record)
    places: dict[tuple[str, int], list[Raw]] = defaultdict(list)
    for topic, some in by_topic.items():
        numbers = sorted(await producer.partitions_for(topic))
        chosen = choose([record.key or b"" for record in some], len(numbers))
        for record, place in zip(some, chosen, strict=True):
            number = numbers[place] if record.partition is None else record.partition
            if number not in numbers:
                raise ValueError(f"{topic} has the partitions {numbers}, not {number}")
            places[topic, number].append(record)
    return places


async def _send_each(producer: AIOKafkaProducer, records: Sequence[Raw]) -> list[Ack]:
    return [
        await producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=list(record.headers) or None,
        )
        for record in records
    ]
