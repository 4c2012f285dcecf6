"""What a sink has read and not stored yet, cut into batches with bounds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from aiokafka import ConsumerRecord, TopicPartition
from msgspec import Struct

_LAST_DAY = 86_400_000 * 65_535  # ClickHouse's Date ends here


class Limits(Struct, frozen=True):
    """How large a batch may be, in records and bytes, and how long records wait for more."""

    records: int = 50_000
    bytes: int = 64 << 20
    linger_s: float = 1.0


class Planned(Struct, frozen=True):
    """The bounds of a batch as they were recorded: offsets below `end`, token, day."""

    end: int
    token: str
    day: date


class Batch(Struct, frozen=True):
    """Records of one partition with offsets in [start, end).

    `planned` is set when these bounds were recorded before: the batch is a repetition.
    """

    part: TopicPartition
    start: int
    end: int
    records: Sequence[ConsumerRecord]
    planned: Planned | None

    @property
    def plan(self) -> Planned:
        """The recorded bounds, else those of a new batch; the day is its first record's."""
        if self.planned is not None:
            return self.planned
        token = f"{self.part.topic}/{self.part.partition}/{self.start}-{self.end}"
        return Planned(self.end, token, _day(self.records[0].timestamp))


def _day(timestamp: int) -> date:
    clamped = min(max(timestamp, 0), _LAST_DAY)
    return datetime.fromtimestamp(clamped / 1000, UTC).date()


class _Part:
    """The buffer of one partition."""

    def __init__(self, start: int, planned: Planned | None) -> None:
        self.start = start
        self.planned = planned
        self.records: list[ConsumerRecord] = []
        self.size = 0
        self.since = 0.0


class Buffer:
    """Collects records by partition; bounded: what is full is stored before more is read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: dict[TopicPartition, _Part] = {}

    def take(self, part: TopicPartition, start: int, planned: Planned | None) -> None:
        """Start a partition at an offset, with the batch that must be repeated first."""
        self._parts[part] = _Part(start, planned)

    def drop(self, parts: Iterable[TopicPartition]) -> None:
        """Forget what was read of these partitions."""
        for part in parts:
            self._parts.pop(part, None)

    def add(self, part: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        """Append records in the order of their offsets."""
        held = self._parts[part]
        if not held.records:
            held.since = time.monotonic()
        held.records.extend(records)
        held.size += _size(records)

    def ready(self, now: float) -> list[Batch]:
        """Return the batches to store now: repetitions, full ones, and those that waited."""
        full = self._held_records >= 2 * self._limits.records or (
            sum(held.size for held in self._parts.values()) >= 2 * self._limits.bytes
        )
        batches = []
        for part, held in self._parts.items():
            if held.records and self._is_due(held, now, full):
                batches.append(self._cut(part, held))
        return batches

    def stored(self, batches: Iterable[Batch]) -> None:
        """Forget what was stored."""
        for batch in batches:
            held = self._parts[batch.part]
            held.start = batch.end
            held.planned = None
            held.records = held.records[len(batch.records) :]
            held.size = _size(held.records)
            held.since = time.monotonic()

    @property
    def _held_records(self) -> int:
        return sum(len(held.records) for held in self._parts.values())

    def _is_due(self, held: _Part, now: float, full: bool) -> bool:
        if held.planned is not None:
            return bool(held.records[-1].offset + 1 >= held.planned.end)
        return (
            full
            or len(held.records) >= self._limits.records
            or held.size >= self._limits.bytes
            or now - held.since >= self._limits.linger_s
        )

    def _cut(self, part: TopicPartition, held: _Part) -> Batch:
        if held.planned is not None:
            end = held.planned.end
            within = [record for record in held.records if record.offset < end]
            return Batch(part, held.start, end, within, held.planned)
        records = held.records
        if len(records) > self._limits.records or held.size > self._limits.bytes:
            records = _within(records, self._limits)
        return Batch(part, held.start, records[-1].offset + 1, records, None)


def _size(records: Iterable[ConsumerRecord]) -> int:
    return sum(len(record.value) for record in records if record.value is not None)


def _within(records: list[ConsumerRecord], limits: Limits) -> list[ConsumerRecord]:
    """Return the longest beginning within the limits, at least one record."""
    size = 0
    for number, record in enumerate(records[: limits.records]):
        size += len(record.value or b"")
        if size > limits.bytes and number:
            return records[:number]
    return records[: limits.records]
