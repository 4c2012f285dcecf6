"""Decoding a damaged value as far as it goes, for people who look at it."""

from __future__ import annotations

import io
from typing import Any

import fastavro
from msgspec import Struct

from afflux.runtime.schemas import Registry

_FRAME = 5


class Partial(Struct, frozen=True):
    """What could be read: the schema, the fields before the damage, and what stopped it."""

    schema: str | None
    fields: dict[str, Any]
    stopped_at: str | None
    problem: str | None
    left_bytes: int


def decode_partially(value: bytes | None, schemas: Registry) -> Partial:
    """Return what can be read of a framed Avro datum, the longest run of fields that decodes."""
    if not value:
        return Partial(None, {}, None, "the record has no value", 0)
    schema_id = int.from_bytes(value[1:_FRAME], "big")
    schema = schemas.by_id.get(schema_id) if len(value) >= _FRAME and value[0] == 0 else None
    if schema is None:
        head = value[:_FRAME].hex()
        return Partial(None, {}, None, f"{head} is not the frame of a known schema", len(value))
    name = f"{schema.name}/v{schema.version}"
    all_fields = schema.parsed["fields"]
    problem: str | None = None
    for count in range(len(all_fields), -1, -1):
        start = {**schema.parsed, "fields": all_fields[:count]}
        stream = io.BytesIO(value)
        stream.seek(_FRAME)
        try:
            fields: Any = fastavro.schemaless_reader(stream, start, None)
        except Exception as error:  # noqa: BLE001 - fastavro raises whatever the bytes lead it to
            problem = f"{type(error).__name__}: {error}".rstrip(": ")
            continue
        break
    left = len(value) - stream.tell()
    stopped_at = all_fields[count]["name"] if count < len(all_fields) else None
    if stopped_at is None and left:
        problem = f"{left} bytes too many"
    return Partial(name, fields, stopped_at, problem, left)
