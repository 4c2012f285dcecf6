"""The loop's laws, with a real broker and a stage that keeps a list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from afflux.kernel.events import Click, DeadLetterRecord, Event
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.deadletters import TooManyDeadLetters
from afflux.runtime.log_reader import end_offsets, read_topic
from afflux.runtime.loop import Loop, Record, TopicPartition
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from tests.support.clicks import click
from tests.support.engines import temporary_home

CODEC = Codec.load()


class Store:
    """What survives a stage: its offsets and what it took, shared by the members of a group."""

    def __init__(self, offsets: dict[TopicPartition, int]) -> None:
        self.offsets = offsets
        self.taken: list[bytes] = []


class Keeper:
    """A stage that keeps the ids of the clicks it took, together with the offsets."""

    name = "keeper"
    topics = ("tracking.clicks",)

    def __init__(self, store: Store, fail_at: bytes | None = None) -> None:
        self._store = store
        self._fail_at = fail_at
        self._batch: list[bytes] = []
        self.owned: set[TopicPartition] = set()

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.owned.update(partitions)
        return {part: self._store.offsets.get(part, 0) for part in partitions}

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.owned.difference_update(partitions)

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        self._batch = [record.event.event_id for record in records]
        if self._fail_at in self._batch:
            raise RuntimeError("the unexpected")
        return []

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        self._store.taken += self._batch
        self._store.offsets.update(positions)


@asynccontextmanager
async def running(
    settings: Settings, *stages: Keeper
) -> AsyncIterator[tuple[list[Loop], list[asyncio.Task[None]]]]:
    """Run a loop for each stage; yields the loops and their tasks."""
    stop = asyncio.Event()
    loops = [Loop(settings, stage, CODEC) for stage in stages]
    tasks = [asyncio.create_task(loop.run(stop)) for loop in loops]
    try:
        yield loops, tasks
    finally:
        stop.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool], *tasks: asyncio.Task[Any]) -> None:
    """Wait for a condition for 30 s; a task that fails first raises its error."""
    async with asyncio.timeout(30):
        while not condition():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """One broker for these tests: each begins at the ends of the topics as it finds them."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        yield stack.settings


@pytest.fixture
async def begin(settings: Settings) -> dict[TopicPartition, int]:
    return await end_offsets(settings, ["tracking.clicks", "deadletters"])


@pytest.fixture
def store(begin: dict[TopicPartition, int]) -> Store:
    return Store({part: at for part, at in begin.items() if part.topic == "tracking.clicks"})


async def publish(settings: Settings, events: Sequence[Event], raws: Sequence[Raw] = ()) -> None:
    publisher = Publisher(settings, CODEC, "test")
    await publisher.start()
    await publisher.publish(events)
    await publisher.publish_raw(raws)
    await publisher.stop()


async def test_S2_a_stage_resumes_from_its_own_offsets_and_takes_each_record_once(
    settings: Settings, store: Store
) -> None:
    clicks = [click(number) for number in range(3_000)]
    await publish(settings, clicks)
    broken = Keeper(store, fail_at=clicks[2_500].event_id)
    async with running(settings, broken) as (_, (task,)):
        with pytest.raises(RuntimeError, match="unexpected"):
            await until(lambda: False, task)
    taken = len(store.taken)
    assert taken < 3_000, "a batch with the unexpected in it leaves no trace"

    async with running(settings, Keeper(store)) as (loops, tasks):
        await until(lambda: len(store.taken) >= 3_000, *tasks)
        assert loops[0].status()["healthy"]
    assert Counter(store.taken) == Counter(event.event_id for event in clicks)


async def test_a_second_worker_takes_over_partitions_without_a_hole_or_a_repeat(
    settings: Settings, store: Store
) -> None:
    clicks = [click(number) for number in range(6_000)]
    await publish(settings, clicks[:3_000])
    first, second = Keeper(store), Keeper(store)
    async with running(settings, first) as (_, tasks):
        await until(lambda: len(store.taken) > 100, *tasks)
        async with running(settings, second) as (_, more):
            await publish(settings, clicks[3_000:])
            await until(lambda: len(store.taken) >= 6_000, *tasks, *more)
            await until(lambda: len(first.owned) == len(second.owned) == 2, *tasks, *more)
        await until(lambda: len(first.owned) == 4, *tasks)
    assert Counter(store.taken) == Counter(event.event_id for event in clicks)


async def test_S1_poison_goes_to_the_dead_letters_with_its_bytes_and_the_stream_goes_on(
    settings: Settings, store: Store, begin: dict[TopicPartition, int]
) -> None:
    clicks = [click(number) for number in range(400)]
    good = CODEC.encode(click(999))
    poison = [b"", b"junk", good[:40], good + b"\x00", b"\x00\x00\x00\x03\xe7" + good[5:]]
    await publish(settings, clicks[:200], [Raw("tracking.clicks", b"k" * 16, p) for p in poison])
    await publish(settings, clicks[200:], [Raw("tracking.clicks", b"w" * 16, good)])
    before = sum(store.offsets.values())
    async with running(settings, Keeper(store)) as (_, tasks):
        await until(lambda: sum(store.offsets.values()) == before + 406, *tasks)
    assert Counter(store.taken) == Counter(event.event_id for event in clicks)

    letters: list[DeadLetterRecord] = []
    async for records in read_topic(settings, ["deadletters"], CODEC, begin):
        letters += [r.event for r in records if isinstance(r.event, DeadLetterRecord)]
    assert Counter(letter.origin_value for letter in letters) == Counter([*poison, good])
    assert {letter.reason for letter in letters} == {
        "frame_damaged",
        "value_damaged",
        "schema_unknown",
        "key_mismatch",
    }


async def test_S1_too_large_a_share_of_dead_letters_stops_the_stage_and_says_so(
    settings: Settings, store: Store
) -> None:
    junk = [Raw("tracking.clicks", b"k" * 16, b"junk") for _ in range(300)]
    await publish(settings, [click(number) for number in range(100)], junk)
    async with running(settings, Keeper(store)) as (_, (task,)):
        with pytest.raises(TooManyDeadLetters, match="afflux dlq list"):
            await until(lambda: False, task)


async def test_published_events_come_back_as_they_were(
    settings: Settings, begin: dict[TopicPartition, int]
) -> None:
    clicks = [click(number) for number in range(500)]
    await publish(settings, clicks)
    read: list[Event] = []
    async for records in read_topic(settings, [Click.topic], CODEC, begin):
        read += [record.event for record in records]
    assert sorted(read, key=lambda event: event.occurred_at) == clicks
