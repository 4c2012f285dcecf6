"""A batch of Avro datums as one container block, decoded by polars in one call."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import fastavro
import polars as pl
from msgspec import Struct
from msgspec.structs import fields

from afflux.kernel.events.common import LAST_INSTANT, Binary16, Instant
from afflux.runtime.schemas import Schema

_SYNC = b"afflux-sync-mark"
_MAGIC = b"Obj\x01"
_SENTINEL = b"\xa5" * 16


class Block(Struct, frozen=True):
    """The framed values of a batch and their Kafka keys, in order."""

    frame: bytes
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]


class BlockWriter:
    """Decodes blocks of one schema; `key_column` holds the record's Kafka key."""

    def __init__(self, schema: Schema, key_column: str) -> None:
        self._key_column = key_column
        self._ids = _columns(schema, Binary16)
        self._instants = _columns(schema, Instant)
        self._header = _MAGIC + _metadata(schema.plain) + _SYNC
        self._sentinel = _sentinel(schema.parsed)
        alone = self._read([self._sentinel])
        if alone is None:
            raise ValueError(f"polars cannot read blocks of {schema.name}/v{schema.version}")
        self._sentinel_row = alone.row(0)

    def decode(self, block: Block) -> pl.DataFrame | None:
        """Return one row a value, or None unless every sign says the rows are right."""
        frame, size = block.frame, len(block.frame)
        datums: list[bytes] = []
        for value in block.values:
            if value is None or value[:size] != frame:
                return None
            datums.append(value[size:])
        datums.append(self._sentinel)
        rows = self._read(datums)
        if rows is None or rows.height != len(datums) or rows.row(-1) != self._sentinel_row:
            return None
        rows = rows.head(-1)
        if rows.get_column(self._key_column).to_list() != list(block.keys):
            return None
        sizes = rows.select((pl.col(name).bin.size() != 16).any() for name in self._ids)
        late = rows.select(
            (~pl.col(name).is_between(0, LAST_INSTANT)).any() for name in self._instants
        )
        return None if any(sizes.row(0)) or any(late.row(0)) else rows

    def _read(self, datums: Sequence[bytes]) -> pl.DataFrame | None:
        body = b"".join(datums)
        data = b"".join((self._header, _long(len(datums)), _long(len(body)), body, _SYNC))
        try:
            return pl.read_avro(io.BytesIO(data))
        except BaseException as error:  # polars panics derive from BaseException
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return None


def _columns(schema: Schema, kind: object) -> list[str]:
    """Name the columns under a rule of the struct, to check it on whole columns."""
    return [field.name for field in fields(schema.event) if field.type == kind]


def _sentinel(parsed: Any) -> bytes:
    """Return a datum of the schema whose every field has a value unlike the default."""
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, parsed, {f["name"]: _sample(f["type"]) for f in parsed["fields"]}
    )
    return out.getvalue()


def _sample(kind: Any) -> Any:
    match kind:
        case ["null", inner]:
            return _sample(inner)
        case {"type": "enum", "symbols": symbols}:
            return symbols[-1]
        case {"type": "array", "items": items}:
            return [_sample(items)]
        case {"type": "record", "fields": fields}:
            return {f["name"]: _sample(f["type"]) for f in fields}
        case "bytes":
            return _SENTINEL
        case "string":
            return "sentinel"
        case "boolean":
            return True
        case "int" | "long":
            return 77
        case _:
            raise ValueError(f"keep {kind!r} out of hot topics: polars cannot read it")


def _metadata(schema: str) -> bytes:
    pairs = (b"avro.codec", b"null"), (b"avro.schema", schema.encode())
    body = b"".join(_long(len(k)) + k + _long(len(v)) + v for k, v in pairs)
    return _long(len(pairs)) + body + b"\x00"


def _long(value: int) -> bytes:
    """Avro's zigzag variable-length integer."""
    number = value << 1 ^ value >> 63
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
