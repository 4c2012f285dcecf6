"""Following a topic of one partition to its end, and staying there (law A2).

The topics that are followed state from when they hold: the broker stamps them (LogAppendTime), and
they are published before the instant they name. So whoever has read to the end at some instant
knows all that held until then: two workers that both synced past an event's `recorded_at` know the
same about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.settings import Settings
from afflux.runtime.waiting import pause

_RETRY_S = 1.0


class Follower:
    """Reads partition 0 of a topic from its beginning and keeps reading; see `take`."""

    topic: str = ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._part = TopicPartition(self.topic, 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._synced_at = Millis(0)
        self._next = 0
        self._one = asyncio.Lock()

    def take(self, offset: int, value: bytes | None, appended_at: Millis) -> None:
        """Take one record into the view; what cannot be read is logged, and passed over."""
        raise NotImplementedError

    async def start(self) -> None:
        """Connect and read to the end; raises KafkaError when Kafka does not answer."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=50,
        )
        try:
            await asyncio.wait_for(consumer.start(), self._settings.send_timeout_s)
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        consumer.assign([self._part])
        consumer.seek(self._part, self._next)
        await self.sync(now_ms())

    async def stop(self) -> None:
        """Disconnect; the view stays."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def keep(
        self,
        stop: asyncio.Event,
        poll_s: float,
        looked: Callable[[], Awaitable[None]],
        away: Callable[[Exception], Awaitable[None]],
    ) -> None:
        """Stay at the end until `stop`, also while Kafka comes and goes; the view stays.

        `looked` is called after each look, `away` when Kafka does not answer.
        """
        connected = False
        while not stop.is_set():
            wait_s = poll_s
            try:
                if not connected:
                    await self.start()
                    connected = True
                else:
                    await self.sync(now_ms())
                await looked()
            except KAFKA_TROUBLE as error:
                wait_s = _RETRY_S
                if not connected:
                    await self.stop()
                await away(error)
            await pause(stop, wait_s)
        await self.stop()

    async def sync(self, known_at: Millis) -> Millis:
        """Read until the view holds all that was recorded up to `known_at`.

        Returns the instant up to which the view is known to be complete. Cheap when that is
        already past `known_at`; else one call for the end offset, and reading what is new.
        Raises TimeoutError or KafkaError when Kafka does not answer in time.
        """
        if known_at <= self._synced_at:
            return self._synced_at
        async with self._one:
            asked_at = now_ms()
            consumer = self._consumer
            if consumer is None:
                raise RuntimeError(f"the follower of {self.topic} is not started")
            bound = self._settings.send_timeout_s
            ends = await asyncio.wait_for(consumer.end_offsets([self._part]), bound)
            await asyncio.wait_for(self._read_to(consumer, ends[self._part]), bound)
            self._synced_at = max(self._synced_at, asked_at)
        return self._synced_at

    async def _read_to(self, consumer: AIOKafkaConsumer, end: int) -> None:
        while self._next < end:
            for records in (await consumer.getmany(self._part, timeout_ms=200)).values():
                for record in records:
                    self.take(record.offset, record.value, Millis(record.timestamp))
                    self._next = record.offset + 1
