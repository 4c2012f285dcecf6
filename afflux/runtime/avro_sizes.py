"""How many bytes each row of a frame takes as an Avro datum.

A damaged datum shifts those behind it, and may do so for a few fields only: a number swallows the
shift, and all is well again before the row ends. Only if every row takes exactly the bytes of its
own datum has none read those of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Sizes = npt.NDArray[np.int64]
_LIMITS = np.array([1 << (7 * n) for n in range(1, 10)], np.uint64)
_ENUM_LIMIT = 64
_MEASURED = ("string", "bytes", ["null", "string"], ["null", "bytes"])
_NULL = 2**32 - 1
"""Stands for the length of a text that is not there: none is that long."""


def datum_sizes(rows: pl.DataFrame, fields: Sequence[Any]) -> Sizes:
    """Return the size of each row's datum: its numbers as short as they can be, an array as one
    block, as every writer here does. `fields` are those of the schema, in order.

    Errors: ValueError for a type that polars does not read.
    """
    total = np.zeros(rows.height, np.int64)
    lengths = _lengths(rows, fields)
    for field in fields:
        name, kind = field["name"], field["type"]
        if name in lengths:
            total += lengths[name]
        else:
            total += _sizes(rows.get_column(name), kind)
    return total


def _lengths(rows: pl.DataFrame, fields: Sequence[Any]) -> dict[str, Sizes]:
    """Return the sizes of the columns of texts and bytes, which polars measures in one go."""
    kinds = {field["name"]: field["type"] for field in fields if field["type"] in _MEASURED}
    measured = rows.select(
        (
            pl.col(name).str.len_bytes()
            if "string" in (kind, kind[-1])
            else pl.col(name).bin.size()
        ).fill_null(_NULL)
        for name, kind in kinds.items()
    )
    return {
        column.name: _measured(column.to_numpy(), isinstance(kinds[column.name], list))
        for column in measured
    }


def _measured(lengths: npt.NDArray[np.uint32], optional: bool) -> Sizes:
    known = lengths.astype(np.int64)
    if not optional:
        return known + _number(known)
    there = known != _NULL
    known[~there] = 0
    sizes: Sizes = 1 + there * (known + _number(known))
    return sizes


def _sizes(values: pl.Series, kind: Any) -> Sizes:
    match kind:
        case "string":
            return _with_length(values.str.len_bytes())
        case "bytes":
            return _with_length(values.bin.size())
        case "int" | "long":
            return _number(values.to_numpy().astype(np.int64, copy=False))
        case "boolean":
            return np.ones(len(values), np.int64)
        case ["null", inner]:
            return _optional(values, inner)
        case {"type": "enum", "symbols": symbols} if len(symbols) <= _ENUM_LIMIT:
            return np.ones(len(values), np.int64)
        case {"type": "array", "items": items}:
            return _array(values, items)
        case {"type": "record", "fields": fields}:
            return datum_sizes(values.struct.unnest(), fields)
        case _:
            raise ValueError(f"the size of {kind!r} is not known")


def _optional(values: pl.Series, inner: Any) -> Sizes:
    sizes = np.ones(len(values), np.int64)
    nulls = values.null_count()
    if nulls == 0:
        return sizes + _sizes(values, inner)
    if nulls < len(values):
        there = values.is_not_null()
        sizes[there.to_numpy()] += _sizes(values.filter(there), inner)
    return sizes


def _array(values: pl.Series, items: Any) -> Sizes:
    sizes = np.ones(len(values), np.int64)
    counts = values.list.len().to_numpy().astype(np.int64)
    filled = counts > 0
    if filled.any():
        counts = counts[filled]
        each = _sizes(values.filter(pl.Series(filled)).explode(), items)
        starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
        sizes[filled] += _number(counts) + np.add.reduceat(each, starts)
    return sizes


def _with_length(lengths: pl.Series) -> Sizes:
    known = lengths.to_numpy().astype(np.int64)
    return known + _number(known)


def _number(values: Sizes) -> Sizes:
    """Return the size of numbers in Avro's zigzag variable-length form."""
    turned = ((values << 1) ^ (values >> 63)).view(np.uint64)
    if not len(turned):
        return np.zeros(0, np.int64)
    least, most = _size_of(int(turned.min())), _size_of(int(turned.max()))
    sizes = np.full(len(values), least, np.int64)
    for limit in _LIMITS[least - 1 : most - 1]:
        sizes += turned >= limit
    return sizes


def _size_of(turned: int) -> int:
    return max(1, (turned.bit_length() + 6) // 7)
