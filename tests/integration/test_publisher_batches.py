"""What a publisher hands over in whole batches lands where single sends would have put it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
from aiokafka.partitioner import murmur2

from afflux.kernel.ids import derive
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import EndOffsets, end_offsets, read_raw
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from tests.support.engines import temporary_home

TOPIC = "attribution.decisions"
KEYS = [derive("key", number) for number in range(40)]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        yield stack.settings


async def published(settings: Settings, records: list[Raw]) -> dict[int, list[tuple[bytes, bytes]]]:
    """Publish, and return what is new in each partition: key and value in order."""
    begin = await end_offsets(settings, [TOPIC])
    publisher = Publisher(settings, Codec.load(), "test")
    await publisher.start()
    try:
        await publisher.publish_raw(records)
    finally:
        await publisher.stop()
    found: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    async for raws in read_raw(settings, [TOPIC], begin):
        for raw in raws:
            found[raw.partition].append((raw.key, raw.value))
    return dict(found)


def place(key: bytes) -> int:
    """Kafka's own choice among four partitions."""
    return int((murmur2(key) & 0x7FFFFFFF) % 4)


async def test_records_land_by_key_in_order_over_several_batches(settings: Settings) -> None:
    records = [Raw(TOPIC, KEYS[n % 40], b"%06d" % n + bytes(400)) for n in range(5_000)]
    wanted: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    for record in records:
        assert record.key is not None
        assert record.value is not None
        wanted[place(record.key)].append((record.key, record.value))
    assert await published(settings, records) == wanted


async def test_a_named_partition_wins_and_an_unknown_one_is_refused(settings: Settings) -> None:
    found = await published(settings, [Raw(TOPIC, KEYS[0], b"one", partition=3)] * 2)
    assert found == {3: [(KEYS[0], b"one")] * 2}
    with pytest.raises(ValueError, match="partitions"):
        await published(settings, [Raw(TOPIC, KEYS[0], b"one", partition=4)])


async def test_large_records_and_headers_go_with_the_others(settings: Settings) -> None:
    records = [
        Raw(TOPIC, KEYS[1], b"small"),
        Raw(TOPIC, KEYS[1], bytes(400_000)),
        Raw(TOPIC, KEYS[1], b"noted", headers=(("why", b"test"),)),
    ]
    found = await published(settings, records)
    assert found == {place(KEYS[1]): [(KEYS[1], record.value) for record in records]}


async def test_the_ends_are_those_of_the_call_not_of_the_connection(settings: Settings) -> None:
    ends = EndOffsets(settings, [TOPIC])
    before = await ends.now()
    await published(settings, [Raw(TOPIC, KEYS[0], b"one", partition=2)])
    after = await ends.now()
    await ends.stop()
    assert {
        part.partition: after[part] - before[part] for part in after if after[part] != before[part]
    } == {2: 1}
    assert await ends.now() == after
    await ends.stop()
