"""Publishing: every ack awaited, every await bounded.

aiokafka's idempotent producer can hang while Kafka is down and burns sequence numbers on an error,
so each attempt has a time limit and an error replaces the producer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Struct

from afflux.kernel.events import Event
from afflux.runtime import metrics
from afflux.runtime.codec import Codec
from afflux.runtime.log import get_logger
from afflux.runtime.producer_end import end_producer
from afflux.runtime.settings import Settings
from afflux.runtime.topics import MAX_LETTER_BYTES

log = get_logger(__name__)
_ATTEMPTS = 20
_CHUNK = 2_000
_FAILED = (KafkaError, TimeoutError, OSError)


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
        for event in events:
            metrics.EMITTED.labels(self._stage, event.topic).inc()

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
        futures = [
            await producer.send(
                record.topic,
                record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers) or None,
            )
            for record in records
        ]
        await asyncio.gather(*futures)

    async def _connected(self) -> None:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka,
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=2,
                max_batch_size=262_144,
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
