"""Following the catalogue: a view that holds every change recorded up to an instant (law A2)."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec.structs import replace

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import CatalogChange
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings

log = get_logger(__name__)
_PART = TopicPartition(CatalogChange.topic, 0)


def as_known(change: CatalogChange, appended_at: Millis) -> CatalogChange:
    """Return the change as known from when it really was.

    The topic's timestamps are the broker's (LogAppendTime). A change whose publication was late
    stands in the log after the instant it claims; nobody knew it before it was appended.
    """
    return replace(change, recorded_at=max(change.recorded_at, appended_at))


class CatalogFollower:
    """Reads `catalog.changes` from its beginning and keeps reading.

    A change is published before the instant it is recorded at (`catalog_lead_ms` ahead), so a view
    that was read to the end at some instant holds all changes recorded until then: two workers
    that both synced past an event's `recorded_at` know the same about it.
    """

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self.view = Catalog()
        self._settings = settings
        self._codec = codec
        self._consumer: AIOKafkaConsumer | None = None
        self._synced_at = Millis(0)
        self._next = 0
        self._one = asyncio.Lock()

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
        consumer.assign([_PART])
        consumer.seek(_PART, 0)
        await self.sync(now_ms())

    async def stop(self) -> None:
        """Disconnect; the view stays."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def sync(self, known_at: Millis) -> Millis:
        """Read until the view holds all changes recorded up to `known_at`.

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
                raise RuntimeError("the catalogue follower is not started")
            bound = self._settings.send_timeout_s
            ends = await asyncio.wait_for(consumer.end_offsets([_PART]), bound)
            await asyncio.wait_for(self._read_to(consumer, ends[_PART]), bound)
            self._synced_at = max(self._synced_at, asked_at)
        return self._synced_at

    async def _read_to(self, consumer: AIOKafkaConsumer, end: int) -> None:
        while self._next < end:
            for records in (await consumer.getmany(_PART, timeout_ms=200)).values():
                for record in records:
                    self._take(record.offset, record.value, Millis(record.timestamp))
                    self._next = record.offset + 1

    def _take(self, offset: int, value: bytes | None, appended_at: Millis) -> None:
        try:
            event = self._codec.decode(CatalogChange.topic, value)
            assert isinstance(event, CatalogChange)
            self.view.apply(as_known(event, appended_at))
        except (Undecodable, ValueError, msgspec.MsgspecError) as error:
            # It never passed `afflux catalog apply`; the sink keeps its bytes for people to see.
            log.error("catalog_change_unreadable", offset=offset, error=str(error))
