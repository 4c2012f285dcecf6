"""Publishing to and reading from a real Kafka, for the tests of fraud, monitor and dead letters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from afflux.kernel.events import Event
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import RawRecord, read_raw, read_topic
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings

E = TypeVar("E", bound=Event)
T = TypeVar("T")


async def publish(settings: Settings, events: Sequence[Event]) -> None:
    """Publish events as their own service would."""
    await publish_raw(settings, [raw_of(event) for event in events])


def raw_of(event: Event) -> Raw:
    """The record of an event."""
    return Raw(event.topic, event.key or None, Codec.load().encode(event), event.partition)


async def publish_raw(settings: Settings, records: Sequence[Raw]) -> None:
    """Publish bytes."""
    publisher = Publisher(settings, Codec.load(), "test")
    await publisher.start()
    try:
        await publisher.publish_raw(records)
    finally:
        await publisher.stop()


async def events_of(settings: Settings, kind: type[E]) -> list[E]:
    """All events of a topic: the order holds within a partition."""
    found: list[E] = []
    async for records in read_topic(settings, [kind.topic], Codec.load()):
        found += [record.event for record in records if isinstance(record.event, kind)]
    return found


async def raws_of(settings: Settings, topic: str) -> list[RawRecord]:
    """All records of a topic as they are."""
    return [raw async for raws in read_raw(settings, [topic]) for raw in raws]


async def eventually(
    settings: Settings, kind: type[E], enough: Callable[[list[E]], bool], timeout_s: float = 60
) -> list[E]:
    """Read a topic until it has what is asked for; fail, showing the end of it, if it never has."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await events_of(settings, kind)
        if enough(found):
            return found
        assert time.monotonic() < deadline, f"{kind.topic} has {len(found)}: {found[-3:]}"
        await asyncio.sleep(0.3)
