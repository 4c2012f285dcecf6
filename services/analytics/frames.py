"""Events of one topic as a frame with the columns of its raw table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct

from afflux.kernel.events import Event
from services.analytics.domain.tables import Column, Layout, Table, table_of

Cell = Any  # a value of some column: what it is stands in the column's type

_PLAIN: dict[str, pl.DataType] = {
    "Int32": pl.Int32(),
    "Int64": pl.Int64(),
    "UInt64": pl.UInt64(),
    "Bool": pl.Boolean(),
    "Date": pl.Date(),
    "String": pl.String(),
}


def dtype(kind: str) -> pl.DataType:
    """Return the polars type that becomes the ClickHouse type `kind` through Arrow."""
    for wrapper in ("Nullable(", "LowCardinality("):
        if kind.startswith(wrapper):
            return dtype(kind[len(wrapper) : -1])
    if kind.startswith("Array("):
        return pl.List(dtype(kind[6:-1]))
    if kind.startswith("FixedString("):
        return pl.Binary()
    if kind.startswith("DateTime64("):
        return pl.Datetime("ms", "UTC")
    return _PLAIN[kind]


def column_dtype(column: Column, event: type[Event]) -> pl.DataType:
    """Return the polars type of a column; bytes stand in ClickHouse Strings too."""
    if column.type in ("String", "Nullable(String)") and _is_bytes(column, event):
        return pl.Binary()
    return dtype(column.type)


def frame_of_events(table: Table, events: Sequence[Event]) -> pl.DataFrame:
    """Return one row an event; instants become timestamps, nested records JSON text."""
    series = []
    for column, kind, cell in _plan(table.topic):
        values = [cell(event) for event in events]
        series.append(pl.Series(column.name, values, dtype=_storage(kind)).cast(kind))
    return pl.DataFrame(series)


def frame_of_block(table: Table, block: pl.DataFrame) -> pl.DataFrame:
    """Return the decoded Avro block with the types of the table (the fast path of flat events)."""
    return block.select(pl.col(column.name).cast(kind) for column, kind, _ in _plan(table.topic))


def _storage(kind: pl.DataType) -> pl.DataType:
    """Instants are built as integers and cast once, which is faster than row by row."""
    if isinstance(kind, pl.Datetime):
        return pl.Int64()
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Datetime):
        return pl.List(pl.Int64())
    return kind


@lru_cache(maxsize=32)
def _plan(topic: str) -> tuple[tuple[Column, pl.DataType, Callable[[Event], Cell]], ...]:
    table = table_of(topic)
    return tuple(
        (column, column_dtype(column, table.event), _cell(column)) for column in table.columns
    )


def _cell(column: Column) -> Callable[[Event], Cell]:
    """Return how to read the column's value from an event."""
    match column.layout:
        case Layout.JSON:
            whole = attrgetter(".".join(column.path))
            return lambda event: json_text(whole(event))
        case Layout.ARRAY:
            records, part = attrgetter(".".join(column.path[:-1])), attrgetter(column.path[-1])
            return lambda event: [part(record) for record in records(event)]
        case _:
            read = attrgetter(".".join(column.path))
            return lambda event: _plain(read(event))


def _plain(value: Cell) -> Cell:
    return value.value if isinstance(value, Enum) else value


def json_text(value: Cell) -> str:
    """Return JSON with bytes as hexadecimal text."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    return msgspec.json.encode(_hex(plain)).decode()


def _hex(value: Cell) -> Cell:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: _hex(item) for key, item in value.items()}
        case list():
            return [_hex(item) for item in value]
        case _:
            return value


def _is_bytes(column: Column, event: type[Struct]) -> bool:
    owner: Any = event
    for part in column.path[:-1]:
        owner = next(f.type for f in msgspec.structs.fields(owner) if f.name == part)
    if column.layout is not Layout.PLAIN:
        return False
    hint = next(f.type for f in msgspec.structs.fields(owner) if f.name == column.path[-1])
    return hint is bytes or hint == bytes | None
