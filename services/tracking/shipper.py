"""From the journal to Kafka: at least once, in order, resumed exactly where it stopped (law T2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from afflux.runtime import metrics
from afflux.runtime.codec import Codec
from afflux.runtime.kafka_errors import KAFKA_TROUBLE
from afflux.runtime.log import get_logger
from afflux.runtime.log_reader import read_topic
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Line, Parcel, TopicPartition, offsets_at
from services.tracking.checkpoint import Checkpoint, load, save
from services.tracking.domain.agents import UNKNOWN, Classifier
from services.tracking.domain.entries import (
    TOPICS,
    ClickEntry,
    ImpressionEntry,
    decode,
    to_event,
)
from services.tracking.journal import JournalReader, StoredRecord
from services.tracking.journal.reader import bytes_behind

log = get_logger(__name__)
_READ_BYTES = 512 << 10
_IDLE_S = 0.02
_RETRY_S = 0.5
STALLED_AFTER_S = 30.0
_RECORD_BYTES = 300
"""A typical record, to tell bytes of lag as records."""


class Shipper:
    """Ships the journal of one edge."""

    name = "shipper"

    def __init__(self, settings: Settings, codec: Codec, classifier: Classifier) -> None:
        self._settings = settings
        self._codec = codec
        self._classifier = classifier
        self._folder = settings.journal
        self._reader = JournalReader(self._folder)
        self._checkpoint = Checkpoint()
        self._landed: dict[TopicPartition, int] = {}
        self._moved_at = time.monotonic()
        self._acked: tuple[Path, int] | None = None
        self._connected = False

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop`; while Kafka is away, try again for ever and let the journal grow."""
        self._folder.mkdir(parents=True, exist_ok=True)
        while not stop.is_set():
            line = Line(self._settings, list(TOPICS.values()))
            try:
                await self._session(line, stop)
            except KAFKA_TROUBLE as error:
                log.warning("shipping_interrupted", error=repr(error))
                metrics.PUBLISH_RETRIES.labels(self.name).inc()
                await _sleep(stop, _RETRY_S)
            finally:
                self._connected = False
                self._reader.close()
                await line.stop()

    def status(self) -> dict[str, object]:
        """Return how much is left; unhealthy when nothing moves for 30 s although there is some.

        `lag` is an estimate in records, but 0 only if nothing is left.
        """
        left = bytes_behind(self._folder, self._acked)
        now = time.monotonic()
        if left == 0:
            self._moved_at = now
        return {
            "healthy": left == 0 or now - self._moved_at <= STALLED_AFTER_S,
            "lag": -(-left // _RECORD_BYTES),
            "lag_bytes": left,
            "shipped_position": self._checkpoint.position,
            "connected": self._connected,
        }

    async def _session(self, line: Line, stop: asyncio.Event) -> None:
        await line.start()
        await self._resume(line)
        self._connected = True
        while not stop.is_set():
            records = await asyncio.to_thread(self._reader.read, _READ_BYTES)
            if records:
                await self._ship(line, records)
                self._acked = self._reader.place()
            self._drop_finished()
            if not records:
                await _sleep(stop, _IDLE_S)

    async def _resume(self, line: Line) -> None:
        """Find out, per partition, which of our records are in Kafka already."""
        self._reader = JournalReader(self._folder)
        known = load(self._folder)
        created_at = self._reader.oldest_created_at()
        if known is None:
            baseline = await offsets_at(self._settings, line.partitions, created_at)
            known = Checkpoint(-1, {_name(part): offset for part, offset in baseline.items()})
            save(self._folder, known)
        self._checkpoint = known
        start = {part: known.offsets.get(_name(part), 0) for part in line.partitions}
        self._landed = {}
        batches = read_topic(self._settings, list(TOPICS.values()), self._codec, start=start)
        async for batch in batches:
            for record in batch:
                event = record.event
                if getattr(event, "edge_id", None) == self._settings.edge_id:
                    part = TopicPartition(record.topic, record.partition)
                    position: int = getattr(event, "journal_position", -1)
                    self._landed[part] = max(self._landed.get(part, -1), position)
        log.info(
            "shipping_resumed",
            after=known.position,
            landed={_name(part): position for part, position in self._landed.items()},
        )

    async def _ship(self, line: Line, records: Sequence[StoredRecord]) -> None:
        parcels: dict[TopicPartition, list[Parcel]] = {}
        skipped = 0
        for record in records:
            if record.position <= self._checkpoint.position:
                continue
            part, parcel = self._parcel(line, record)
            if record.position <= self._landed.get(part, -1):
                skipped += 1
                metrics.SHIP_SKIPPED.labels(part.topic).inc()
                continue
            parcels.setdefault(part, []).append(parcel)
        offsets = await line.send(parcels)
        for part, batch in parcels.items():
            metrics.SHIPPED.labels(part.topic).inc(len(batch))
        if records[-1].position > self._checkpoint.position:
            self._checkpoint.position = records[-1].position
            self._checkpoint.offsets.update(
                {_name(part): offset for part, offset in offsets.items()}
            )
            save(self._folder, self._checkpoint)
        self._moved_at = time.monotonic()

    def _parcel(self, line: Line, record: StoredRecord) -> tuple[TopicPartition, Parcel]:
        entry = decode(record.payload)
        agent = UNKNOWN
        if isinstance(entry, (ClickEntry, ImpressionEntry)):
            agent = self._classifier.classify(entry.user_agent, entry.hints)
        event = to_event(
            entry, record.position, self._settings.edge_id, self._settings.tenant_id, agent
        )
        part = line.partition(event.topic, event.key)
        return part, Parcel(event.key, self._codec.encode(event), event.recorded_at)

    def _drop_finished(self) -> None:
        for path in self._reader.finished():
            path.unlink(missing_ok=True)
            log.info("segment_shipped", segment=path.name)


def _name(part: TopicPartition) -> str:
    return f"{part.topic}/{part.partition}"


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
