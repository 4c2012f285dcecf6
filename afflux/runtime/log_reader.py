"""Reading a topic from its beginning to its end, for those who check or look."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.record import Record
from afflux.runtime.settings import Settings

__all__ = [
    "RawRecord",
    "TopicPartition",
    "decoded",
    "end_offsets",
    "group_offsets",
    "offsets_since",
    "read_raw",
    "read_topic",
]
RawRecord: TypeAlias = ConsumerRecord


async def end_offsets(settings: Settings, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Return the next offset of every partition of these topics, as of now."""
    consumer = _consumer(settings)
    await consumer.start()
    try:
        return await _ends(consumer, topics)
    finally:
        await consumer.stop()


async def group_offsets(settings: Settings, group: str) -> dict[TopicPartition, int]:
    """Return the next offsets that a consumer group has committed to Kafka, where it has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
        return {part: told.offset for part, told in found.items() if told.offset >= 0}
    finally:
        await admin.close()


async def offsets_since(
    settings: Settings, topics: Sequence[str], at: int
) -> dict[TopicPartition, int]:
    """Return, of every partition, the first offset whose record has a timestamp of `at` (ms, UTC)
    or later; its end where there is none."""
    consumer = _consumer(settings)
    await consumer.start()
    try:
        ends = await _ends(consumer, topics)
        found = await consumer.offsets_for_times(dict.fromkeys(ends, at))
        return {
            part: end if found.get(part) is None else found[part].offset
            for part, end in ends.items()
        }
    finally:
        await consumer.stop()


async def read_raw(
    settings: Settings,
    topics: Sequence[str],
    start: Mapping[TopicPartition, int] | None = None,
    end: Mapping[TopicPartition, int] | None = None,
) -> AsyncIterator[list[RawRecord]]:
    """Yield batches of undecoded records up to `end`, by default the ends as of the call.

    Records of one partition come in order; partitions interleave. Each batch is of one partition.
    """
    consumer = _consumer(settings)
    await consumer.start()
    try:
        ends = dict(end) if end is not None else await _ends(consumer, topics)
        left = {part for part, offset in ends.items() if offset > (start or {}).get(part, 0)}
        consumer.assign(sorted(left))
        for part in left:
            consumer.seek(part, (start or {}).get(part, 0))
        while left:
            for part, records in (await consumer.getmany(timeout_ms=500)).items():
                within = [record for record in records if record.offset < ends[part]]
                if within:
                    yield within
            for part in list(left):
                if await consumer.position(part) >= ends[part]:
                    left.discard(part)
                    consumer.pause(part)
    finally:
        await consumer.stop()


async def read_topic(
    settings: Settings,
    topics: Sequence[str],
    codec: Codec,
    start: Mapping[TopicPartition, int] | None = None,
    end: Mapping[TopicPartition, int] | None = None,
) -> AsyncIterator[list[Record]]:
    """Yield batches of decoded records like `read_raw`; what cannot be decoded is left out,
    as the loop leaves it out (it stands in the dead letters)."""
    async for raws in read_raw(settings, topics, start, end):
        yield decoded(codec, raws)


def decoded(codec: Codec, raws: Sequence[RawRecord]) -> list[Record]:
    """Return the records of a batch of one topic that can be decoded."""
    events = codec.decode_batch(
        raws[0].topic, [raw.value for raw in raws], [raw.key for raw in raws]
    )
    return [
        Record.of(raw, event)
        for raw, event in zip(raws, events, strict=True)
        if not isinstance(event, Undecodable)
    ]


async def _ends(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> dict[TopicPartition, int]:
    parts = []
    for topic in topics:
        await consumer._client.add_topic(topic)
        await consumer._client.force_metadata_update()
        numbers = consumer.partitions_for_topic(topic) or set()
        parts += [TopicPartition(topic, number) for number in numbers]
    ends: dict[TopicPartition, int] = await consumer.end_offsets(parts)
    return ends


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 << 20,
    )
