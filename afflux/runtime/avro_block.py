"""A batch of Avro datums as one container block, decoded by polars in one call."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import fastavro
import polars as pl
from msgspec.structs import fields

from afflux.kernel.events.common import LAST_INSTANT, LAST_MINOR, Binary16, Instant, Minor
from afflux.runtime.avro_sizes import datum_sizes
from afflux.runtime.schemas import Schema

_SYNC = b"afflux-sync-mark"
_MAGIC = b"Obj\x01"
_SENTINEL = b"\xa5" * 16


class BlockWriter:
    """Decodes blocks of one schema; `key_column` holds the record's Kafka key."""

    def __init__(self, schema: Schema, key_column: str) -> None:
        self.frame = b"\x00" + schema.schema_id.to_bytes(4, "big")
        self._key_column = key_column
        self._rules = _broken(schema)
        self._header = _MAGIC + _metadata(schema.plain) + _SYNC
        self._sentinel = _sentinel(schema.parsed)
        alone = self._read([self._sentinel])
        if alone is None:
            raise ValueError(f"polars cannot read blocks of {schema.name}/v{schema.version}")
        self._fields = json.loads(schema.plain)["fields"]
        if datum_sizes(alone, self._fields).tolist() != [len(self._sentinel)]:
            raise ValueError(f"the size of {schema.name}/v{schema.version} is not known")
        self._sentinel_row = alone.row(0)
        self._types = alone.schema
        self._defaults = _defaults(schema.parsed)

    def decode(
        self, values: Sequence[bytes | None], keys: Sequence[bytes | None]
    ) -> pl.DataFrame | None:
        """Return one row a framed value, or None unless every sign says the rows are right.

        `keys` are the Kafka keys of the values, in order.
        """
        frame, size = self.frame, len(self.frame)
        datums: list[bytes] = []
        for value in values:
            if value is None or value[:size] != frame:
                return None
            datums.append(value[size:])
        datums.append(self._sentinel)
        rows = self._read(datums)
        if rows is None or rows.height != len(datums) or rows.row(-1) != self._sentinel_row:
            return None
        rows = rows.head(-1)
        if datum_sizes(rows, self._fields).tolist() != list(map(len, datums[:-1])):
            return None
        if rows.get_column(self._key_column).to_list() != list(keys):
            return None
        return None if any(rows.select(self._rules).row(0)) else rows

    def align(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Return rows that an older schema wrote as this one has them, None if that cannot be:
        what the older one did not know has its default."""
        columns = []
        for name, kind in self._types.items():
            if name in rows.columns:
                columns.append(rows.get_column(name).cast(kind))
            elif name in self._defaults:
                columns.append(pl.Series(name, [self._defaults[name]] * rows.height, kind))
            else:
                return None
        return pl.DataFrame(columns)

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
    written = {field["name"] for field in schema.parsed["fields"]}
    return [
        field.name for field in fields(schema.event) if field.type == kind and field.name in written
    ]


def _broken(schema: Schema) -> list[pl.Expr]:
    """Return what says, of each column under a rule of the struct, whether a row breaks it."""
    ids = ((pl.col(name).bin.size() != 16).any() for name in _columns(schema, Binary16))
    bounds = [(name, LAST_INSTANT) for name in _columns(schema, Instant)]
    amounts = (*_columns(schema, Minor), *_columns(schema, Minor | None))
    bounds += [(name, LAST_MINOR) for name in amounts]
    numbers = ((~pl.col(name).is_between(0, limit)).any() for name, limit in bounds)
    return [*ids, *numbers]


def _defaults(parsed: Any) -> dict[str, Any]:
    """Return the value of each field that a writer may leave out."""
    return {field["name"]: field["default"] for field in parsed["fields"] if "default" in field}


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
