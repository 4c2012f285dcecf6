"""Law K1: rows in ClickHouse = records in Kafka, compared bucket by bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from services.analytics.domain.erasure import ERASED
from services.analytics.domain.tables import TABLES, UNDECODABLE

BUCKET = 10_000
"""Offsets in a bucket: a mismatch is named to within so many records."""


class Place(Struct, frozen=True, order=True):
    """A bucket: offsets [number * 10,000, (number + 1) * 10,000) of one partition."""

    topic: str
    partition: int
    bucket: int


class Tally(Struct, frozen=True):
    """What is compared: how many, the XOR of their hashes, the sum of their amounts.

    `amount` adds minor units of all currencies: a check digit, not money.
    """

    count: int = 0
    xor: int = 0
    amount: int = 0

    def add(self, row_hash: int, amount: int) -> Tally:
        """Return the tally with one record more."""
        return Tally(self.count + 1, self.xor ^ row_hash, self.amount + amount)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, self.xor ^ other.xor, self.amount + other.amount)


class Mismatch(Struct, frozen=True):
    """A bucket that differs."""

    place: Place
    kafka: Tally
    clickhouse: Tally

    def text(self) -> str:
        """Return the mismatch in a sentence."""
        where = (
            f"{self.place.topic}/{self.place.partition}, offsets from {self.place.bucket * BUCKET}"
        )
        return (
            f"{where}: {self.kafka.count} records in Kafka, {self.clickhouse.count} rows in "
            f"ClickHouse; hashes {'agree' if self.kafka.xor == self.clickhouse.xor else 'differ'}; "
            f"amounts {self.kafka.amount} and {self.clickhouse.amount}"
        )


class TopicTotal(Struct, frozen=True):
    """Both sides of one topic."""

    topic: str
    kafka: Tally
    clickhouse: Tally

    @property
    def agrees(self) -> bool:
        """Whether the totals are the same; single buckets may still differ."""
        return self.kafka == self.clickhouse


class Report(Struct, frozen=True):
    """The conservation table between Kafka and ClickHouse."""

    topics: tuple[TopicTotal, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def clean(self) -> bool:
        """Whether law K1 holds for every bucket."""
        return not self.mismatches


def compare(kafka: Mapping[Place, Tally], clickhouse: Mapping[Place, Tally]) -> Report:
    """Compare both sides; a bucket that one side lacks differs."""
    places = sorted(kafka.keys() | clickhouse.keys())
    empty = Tally()
    differing = tuple(
        Mismatch(place, kafka.get(place, empty), clickhouse.get(place, empty))
        for place in places
        if kafka.get(place, empty) != clickhouse.get(place, empty)
    )
    totals = tuple(
        TopicTotal(topic, _total(kafka, topic), _total(clickhouse, topic))
        for topic in sorted({place.topic for place in places})
    )
    return Report(totals, differing)


def _total(tallies: Mapping[Place, Tally], topic: str) -> Tally:
    return sum((t for place, t in tallies.items() if place.topic == topic), Tally())


def merge(sides: Iterable[tuple[Place, Tally]]) -> dict[Place, Tally]:
    """Add up the tallies of each bucket (decoded and undecodable rows of one stand apart)."""
    merged: dict[Place, Tally] = {}
    for place, tally in sides:
        merged[place] = merged.get(place, Tally()) + tally
    return merged


def tally_sql(topic: str) -> str:
    """Return the query for partition, bucket, count, xor and amount of one topic's rows, with
    what stands for the undecodable and the erased ones.

    Parameters: `topic`, and arrays `partitions`, `starts`, `ends` with the offsets to look at.
    """
    table = TABLES[topic]
    amount = "0" if table.amount_column is None else f"ifNull({table.amount_column}, 0)"
    within = (
        "kafka_offset >= arrayElement({starts:Array(Int64)}, "
        "indexOf({partitions:Array(Int32)}, kafka_partition)) AND "
        "kafka_offset < arrayElement({ends:Array(Int64)}, "
        "indexOf({partitions:Array(Int32)}, kafka_partition))"
    )
    where = "has({partitions:Array(Int32)}, kafka_partition) AND " + within
    return (
        "SELECT kafka_partition AS part, intDiv(kafka_offset, {bucket:Int64}) AS bucket, "
        "count() AS records, groupBitXor(row_hash) AS xor, sum(amount) AS amount FROM ("
        f"SELECT kafka_partition, kafka_offset, row_hash, toInt128({amount}) AS amount "
        f"FROM {table.name} WHERE {where} UNION ALL "
        "SELECT kafka_partition, kafka_offset, row_hash, toInt128(0) AS amount "
        f"FROM {UNDECODABLE} WHERE topic = {{topic:String}} AND {where} UNION ALL "
        "SELECT kafka_partition, kafka_offset, row_hash, toInt128(amount) AS amount "
        f"FROM {ERASED} FINAL WHERE topic = {{topic:String}} AND {where}"
        ") GROUP BY part, bucket ORDER BY part, bucket"
    )
