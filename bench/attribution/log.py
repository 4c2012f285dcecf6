"""Filling the topics of a benchmark's broker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from afflux.kernel.events import Event
from afflux.runtime.codec import Codec
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Line, Parcel, TopicPartition
from bench.attribution.traffic import Encoded

_CHUNK = 20_000


async def fill(settings: Settings, topic: str, records: Iterable[Encoded]) -> None:
    """Ship records as an edge's shipper does: whole batches, each into its key's partition."""
    line = Line(settings, [topic])
    await line.start()
    try:
        left = iter(records)
        while chunk := list(islice(left, _CHUNK)):
            await ship(line, topic, chunk)
    finally:
        await line.stop()


async def ship(line: Line, topic: str, records: Sequence[Encoded]) -> None:
    """Ship some records and await their acks."""
    await line.send(parcels(line, topic, records))


def parcels(
    line: Line, topic: str, records: Sequence[Encoded]
) -> dict[TopicPartition, list[Parcel]]:
    """Return the records by partition."""
    chosen: dict[TopicPartition, list[Parcel]] = defaultdict(list)
    places = line.choose(topic, [record.key for record in records])
    for record, place in zip(records, places, strict=True):
        chosen[TopicPartition(topic, place)].append(Parcel(record.key, record.value, record.at))
    return chosen


async def publish(settings: Settings, events: Sequence[Event]) -> None:
    """Publish events as their own service would."""
    codec = Codec.load()
    publisher = Publisher(settings, codec, "bench")
    await publisher.start()
    try:
        await publisher.publish_raw(
            [Raw(one.topic, one.key or None, codec.encode(one), one.partition) for one in events]
        )
    finally:
        await publisher.stop()
