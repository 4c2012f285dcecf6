"""What a line has on its way: in order in each partition, and nothing behind what Kafka refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from afflux.runtime.clock import now_ms
from afflux.runtime.log_reader import TopicPartition, end_offsets, read_raw
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Line, Parcel
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home

TOPIC = "tracking.clicks"
PARTS = [TopicPartition(TOPIC, number) for number in range(3)]
TOO_LATE_MS = 48 * 3_600_000
"""Kafka refuses a record that is so far in the future."""


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        yield stack.settings


@pytest.fixture
async def line(settings: Settings) -> AsyncIterator[Line]:
    line = Line(settings, [TOPIC])
    await line.start()
    yield line
    await line.stop()


def parcels(*values: bytes, late_ms: int = 0) -> list[Parcel]:
    return [Parcel(b"key", value, now_ms() + late_ms) for value in values]


async def values(settings: Settings, begin: dict[TopicPartition, int]) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {part.partition: [] for part in PARTS}
    async for batch in read_raw(settings, [TOPIC], start=begin):
        found[batch[0].partition] += [raw.value for raw in batch]
    return found


async def test_T2_sends_that_are_on_their_way_together_keep_their_order(
    settings: Settings, line: Line
) -> None:
    begin = await end_offsets(settings, [TOPIC])
    large = b"." * 150_000
    loads = [[b"%d-%d%s" % (load, n, large) for n in range(7)] for load in range(12)]
    ends = await asyncio.gather(
        *(line.send({part: parcels(*load) for part in PARTS}) for load in loads)
    )
    expected = [value for load in loads for value in load]
    assert await values(settings, begin) == dict.fromkeys(range(3), expected)
    for part in PARTS:
        assert [end[part] - begin[part] for end in ends] == [7 * (n + 1) for n in range(12)]


@pytest.mark.parametrize("known", [False, True])
async def test_T2_nothing_arrives_behind_what_kafka_refuses(
    settings: Settings, line: Line, known: bool
) -> None:
    part, other = PARTS[:2]
    if known:
        await line.send({part: parcels(b"first")})
    begin = await end_offsets(settings, [TOPIC])
    results = await asyncio.gather(
        line.send({part: parcels(b"refused", late_ms=TOO_LATE_MS)}),
        line.send({part: parcels(b"behind it"), other: parcels(b"elsewhere")}),
        line.send({part: parcels(b"behind that")}),
        return_exceptions=True,
    )
    assert all(isinstance(result, Exception) for result in results), results
    found = await values(settings, begin)
    assert (found[part.partition], found[other.partition]) == ([], [b"elsewhere"])
