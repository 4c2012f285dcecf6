"""Compare Kafka with ClickHouse: Kafka is read here, ClickHouse is asked through the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import httpx
import msgspec

from afflux.kernel.events import Event
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.log_reader import TopicPartition, end_offsets, read_raw
from afflux.runtime.settings import Settings
from services.analytics.domain.conservation import (
    BUCKET,
    Place,
    Report,
    Tally,
    compare,
    merge,
    tally_sql,
)
from services.analytics.domain.filters import Refusal
from services.analytics.domain.tables import TABLES, TOPICS, Table
from services.analytics.process import row_hash
from services.analytics.warehouse import Warehouse

_POLL_S = 0.25


class NotDrained(RuntimeError):
    """The sink did not reach the ends of the topics in time."""


class PositionAnswer(msgspec.Struct):
    """What /v1/position answers: next offset by `topic/partition`."""

    positions: dict[str, int]


class BucketAnswer(msgspec.Struct):
    """One bucket of /v1/conservation; `xor` and `amount` as text, for they can pass 2^53."""

    topic: str
    partition: int
    bucket: int
    count: int
    xor: str
    amount: str


class ConservationAnswer(msgspec.Struct):
    """What /v1/conservation answers."""

    buckets: list[BucketAnswer]


async def compare_with_log(settings: Settings, timeout_s: float = 30.0) -> Report:
    """Return both sides of every topic up to the ends as of now.

    Waits `timeout_s` at most for the sink to get there; what it lacks then is a mismatch.
    Errors: httpx.HTTPError when the API does not answer.
    """
    ends = await end_offsets(settings, TOPICS)
    await _reached(settings, ends, timeout_s)
    kafka, starts = await _kafka_side(settings, ends)
    return compare(kafka, await _clickhouse_side(settings, starts, ends))


async def wait_until_drained(settings: Settings, timeout_s: float = 60.0) -> None:
    """Wait until everything that is in Kafka now is stored; raises NotDrained."""
    behind = await _reached(settings, await end_offsets(settings, TOPICS), timeout_s)
    if behind:
        raise NotDrained(f"the sink has not reached {', '.join(behind)} after {timeout_s:g} s")


async def _reached(
    settings: Settings, ends: Mapping[TopicPartition, int], timeout_s: float
) -> list[str]:
    """Return the partitions that are still behind at the deadline."""
    deadline = time.monotonic() + timeout_s
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=30) as client:
        while True:
            at = await _positions(client, deadline)
            behind = [
                f"{part.topic}/{part.partition}"
                for part, end in sorted(ends.items())
                if at.get(f"{part.topic}/{part.partition}", 0) < end
            ]
            if not behind or time.monotonic() > deadline:
                return behind
            await asyncio.sleep(_POLL_S)


async def _positions(client: httpx.AsyncClient, deadline: float) -> dict[str, int]:
    """Return the stored positions; a sink that is just starting is waited for."""
    while True:
        try:
            answer = await client.get("/v1/position")
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=PositionAnswer).positions
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(_POLL_S)


async def _kafka_side(
    settings: Settings, ends: Mapping[TopicPartition, int]
) -> tuple[dict[Place, Tally], dict[TopicPartition, int]]:
    """Return the tallies of the log and the first offset of each partition that is still there."""
    codec = Codec.load()
    tallies: dict[Place, Tally] = {}
    starts: dict[TopicPartition, int] = {}
    async for raws in read_raw(settings, TOPICS, end=ends):
        part = TopicPartition(raws[0].topic, raws[0].partition)
        starts.setdefault(part, raws[0].offset)
        table = TABLES[part.topic]
        events = codec.decode_batch(
            part.topic, [raw.value for raw in raws], [raw.key for raw in raws]
        )
        for raw, event in zip(raws, events, strict=True):
            place = Place(part.topic, part.partition, raw.offset // BUCKET)
            amount = amount_of(table, event)
            tallies[place] = tallies.get(place, Tally()).add(row_hash(raw.value), amount)
    return tallies, starts


def amount_of(table: Table, event: Event | Undecodable) -> int:
    """Return what an event adds to the amount of its topic."""
    value: object = event
    if table.amount is None or isinstance(event, Undecodable):
        return 0
    for part in table.amount:
        value = getattr(value, part)
    return value if isinstance(value, int) else 0


async def _clickhouse_side(
    settings: Settings,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> dict[Place, Tally]:
    """Ask for the same offsets; a partition without records left in the log has none to compare."""
    wanted = [
        f"{part.topic}/{part.partition}/{starts.get(part, end)}/{end}"
        for part, end in sorted(ends.items())
    ]
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=120) as client:
        answer = await client.post("/v1/conservation", json={"ranges": wanted})
        answer.raise_for_status()
    buckets = msgspec.json.decode(answer.content, type=ConservationAnswer).buckets
    return merge(
        (Place(b.topic, b.partition, b.bucket), Tally(b.count, int(b.xor), int(b.amount)))
        for b in buckets
    )


async def tallies(warehouse: Warehouse, ranges: list[str]) -> list[BucketAnswer]:
    """Return the buckets of `topic/partition/start/end` ranges; raises Refusal for another text."""
    by_topic: dict[str, list[tuple[int, int, int]]] = {}
    for text in ranges:
        try:
            topic, *numbers = text.rsplit("/", 3)
            partition, start, end = map(int, numbers)
            by_topic.setdefault(TABLES[topic].topic, []).append((partition, start, end))
        except (ValueError, KeyError):
            raise Refusal(f"{text!r} is no topic/partition/start/end") from None
    found: list[BucketAnswer] = []
    for topic, parts in sorted(by_topic.items()):
        partitions, starts, ends = zip(*parts, strict=True)
        answer = await warehouse.query(
            tally_sql(topic),
            {
                "topic": topic,
                "bucket": BUCKET,
                "partitions": list(partitions),
                "starts": list(starts),
                "ends": list(ends),
            },
        )
        found += [
            BucketAnswer(topic, part, bucket, count, str(xor), str(amount))
            for part, bucket, count, xor, amount in answer.rows
        ]
    return found
