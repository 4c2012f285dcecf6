"""Records in, rows out: what one batch of a topic writes. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import polars as pl
from msgspec import Struct
from xxhash import xxh3_64_intdigest

from afflux.kernel.events import Event
from afflux.runtime.codec import Codec, Undecodable
from services.analytics.domain.tables import Table
from services.analytics.frames import frame_of_block, frame_of_events


class Raw(Protocol):
    """A Kafka record as it came."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Rows(Struct, frozen=True):
    """What a batch writes: rows of the raw table, and rows for what cannot be decoded."""

    decoded: pl.DataFrame | None
    undecodable: pl.DataFrame | None

    @property
    def good(self) -> int:
        """How many records were decoded."""
        return 0 if self.decoded is None else self.decoded.height

    @property
    def bad(self) -> int:
        """How many records could not be decoded."""
        return 0 if self.undecodable is None else self.undecodable.height


def rows_of(codec: Codec, table: Table, partition: int, day: date, records: Sequence[Raw]) -> Rows:
    """Return the rows of a batch of one partition; every record becomes exactly one (law K1)."""
    values = [record.value for record in records]
    keys = [record.key for record in records]
    block = codec.decode_frame(table.topic, values, keys)
    if block is not None:
        return Rows(_placed(frame_of_block(table, block), partition, day, records), None)
    good: list[tuple[Raw, Event]] = []
    bad: list[tuple[Raw, Undecodable]] = []
    for record, event in zip(records, codec.decode_batch(table.topic, values, keys), strict=True):
        if isinstance(event, Undecodable):
            bad.append((record, event))
        else:
            good.append((record, event))
    decoded = undecodable = None
    if good:
        frame = frame_of_events(table, [event for _, event in good])
        decoded = _placed(frame, partition, day, [record for record, _ in good])
    if bad:
        undecodable = _placed(
            _undecodable(table.topic, bad), partition, day, [record for record, _ in bad]
        )
    return Rows(decoded, undecodable)


def row_hash(value: bytes | None) -> int:
    """Return the xxh3-64 of a Kafka value; that of an absent value is that of no bytes."""
    return xxh3_64_intdigest(value or b"")


def _placed(frame: pl.DataFrame, partition: int, day: date, records: Sequence[Raw]) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(partition, pl.Int32).alias("kafka_partition"),
        pl.Series("kafka_offset", [record.offset for record in records], pl.Int64),
        pl.lit(day, pl.Date).alias("kafka_day"),
        pl.Series("row_hash", [row_hash(record.value) for record in records], pl.UInt64),
    )


def _undecodable(topic: str, bad: Sequence[tuple[Raw, Undecodable]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "topic": [topic] * len(bad),
            "reason": [error.reason for _, error in bad],
            "detail": [error.detail for _, error in bad],
            "size": [len(record.value or b"") for record, _ in bad],
        }
    )
