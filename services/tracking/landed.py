"""What of a journal is in Kafka already: read back from the ends of the partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import TopicPartition, offsets_at
from services.tracking.checkpoint import Checkpoint
from services.tracking.domain.entries import TOPICS
from services.tracking.journal import JournalReader
from services.tracking.packing import Packer

_READ_BYTES = 1 << 20


async def first_checkpoint(
    settings: Settings, packer: Packer, parts: Sequence[TopicPartition]
) -> Checkpoint:
    """Return a checkpoint for a journal that has none, or lost it: nothing is acked for certain,
    and what is in Kafka of the journal's records stands at or behind the offsets.

    Kafka finds these by the time of the journal's oldest record. All are read for it: a clock may
    have stepped back, and a record is older than the segment it was the first of.
    Errors: JournalDamaged; what is in KAFKA_TROUBLE.
    """
    oldest = await asyncio.to_thread(_oldest, settings.journal, packer)
    offsets = await offsets_at(settings, parts, oldest)
    return Checkpoint(-1, {name(part): offset for part, offset in offsets.items()})


async def landed(
    settings: Settings, codec: Codec, checkpoint: Checkpoint, parts: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the last position of this edge in each partition that has one behind the
    checkpoint."""
    start = {part: checkpoint.offsets.get(name(part), 0) for part in parts}
    found: dict[TopicPartition, int] = {}
    async for batch in read_topic(settings, list(TOPICS.values()), codec, start=start):
        for record in batch:
            if getattr(record.event, "edge_id", None) == settings.edge_id:
                part = TopicPartition(record.topic, record.partition)
                position: int = getattr(record.event, "journal_position", -1)
                found[part] = max(found.get(part, -1), position)
    return found


def name(part: TopicPartition) -> str:
    """Return how a checkpoint names a partition."""
    return f"{part.topic}/{part.partition}"


def _oldest(folder: Path, packer: Packer) -> int | None:
    """Return the earliest time under which a record of the journal goes to Kafka, if any."""
    reader, oldest = JournalReader(folder), list[int]()
    try:
        while records := reader.read(_READ_BYTES):
            for _, parcels in packer.pack(records).values():
                oldest += (parcel.timestamp for parcel in parcels)
            oldest = [min(oldest)]
    finally:
        reader.close()
    return oldest[0] if oldest else None
