"""A batch of one topic's partition as columns: what a stage takes instead of a record a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aiokafka import ConsumerRecord
from msgspec import Struct

from afflux.runtime.codec import Codec

if TYPE_CHECKING:
    import polars as pl


class Columns(Struct, frozen=True):
    """Decoded values, one row of `frame` each, with their offsets and Kafka keys in order.

    Every rule of the event's struct holds for every row, as if it had been decoded alone.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    keys: Sequence[bytes]
    frame: pl.DataFrame


@runtime_checkable
class TakesColumns(Protocol):
    """A stage that wants some of its topics as columns, where a batch can be trusted.

    `take_columns` is called before the `process` of the same batch, which then acts on both. The
    records of a batch with a bad value come to `process` one by one, the bad ones to the dead
    letters.
    """

    column_topics: tuple[str, ...]

    def take_columns(self, columns: Columns) -> None:
        """Keep a batch for `process`."""
        ...


def columns_of(
    codec: Codec, topic: str, partition: int, raws: Sequence[ConsumerRecord]
) -> Columns | None:
    """Return a batch as columns, or None if its values have to be looked at one by one."""
    keys = [raw.key for raw in raws]
    frame = codec.decode_frame(topic, [raw.value for raw in raws], keys)
    if frame is None:
        return None
    return Columns(topic, partition, [raw.offset for raw in raws], keys, frame)
