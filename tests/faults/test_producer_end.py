"""A producer that is stopped while Kafka is away: what it held never arrives, nothing lives on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import TopicPartition, read_raw
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Line, Parcel
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home

TOPIC = "tracking.clicks"
PARTS = [TopicPartition(TOPIC, number) for number in range(3)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_home() as home, Stack(home, [], free_ports=True) as made:
        yield made


async def arrived(settings: Settings) -> list[bytes]:
    return [raw.value async for batch in read_raw(settings, [TOPIC]) for raw in batch]


async def give_up(
    stack: Stack, send: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]
) -> None:
    """Send to a broker that goes away, give up, stop; start the broker again."""
    await asyncio.to_thread(stack.stop_process, "kafka")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await send()
    await stop()
    await asyncio.to_thread(stack.start_process, "kafka")


async def test_T2_a_line_stopped_while_kafka_is_away_delivers_nothing_when_it_is_back(
    stack: Stack,
) -> None:
    before = asyncio.all_tasks()

    async def ship(line: Line, value: bytes) -> None:
        await line.send({part: [Parcel(b"key", value, now_ms())] for part in PARTS})

    first, second = (Line(stack.settings, [TOPIC]) for _ in range(2))
    await first.start()
    await ship(first, b"line: before")
    await give_up(stack, lambda: ship(first, b"line: given up"), first.stop)
    await second.start()
    await ship(second, b"line: after")
    await asyncio.sleep(2)
    await second.stop()
    values = await arrived(stack.settings)
    assert b"line: given up" not in values
    assert (values.count(b"line: before"), values.count(b"line: after")) == (3, 3)
    assert asyncio.all_tasks() - before == set()


async def test_a_publisher_stopped_while_kafka_is_away_delivers_nothing_when_it_is_back(
    stack: Stack,
) -> None:
    before = asyncio.all_tasks()

    async def publish(value: bytes) -> None:
        await publisher.publish_raw([Raw(TOPIC, b"key", value, part.partition) for part in PARTS])

    publisher = Publisher(stack.settings, Codec.load(), "test")
    await publisher.start()
    await publish(b"publisher: before")
    await give_up(stack, lambda: publish(b"publisher: given up"), publisher.stop)
    await publish(b"publisher: after")
    await asyncio.sleep(2)
    await publisher.stop()
    values = await arrived(stack.settings)
    assert b"publisher: given up" not in values
    assert (values.count(b"publisher: before"), values.count(b"publisher: after")) == (3, 3)
    assert asyncio.all_tasks() - before == set()


async def test_T2_a_line_stopped_while_kafka_is_frozen_leaves_no_task(stack: Stack) -> None:
    before = asyncio.all_tasks()
    line = Line(stack.settings, [TOPIC])
    await line.start()
    stack.pause("kafka")
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await line.send(
                    {part: [Parcel(b"key", b"x" * 400_000, now_ms())] for part in PARTS}
                )
        await line.stop()
    finally:
        stack.resume("kafka")
    assert asyncio.all_tasks() - before == set()
