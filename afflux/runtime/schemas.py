"""Avro schemas by id and by event type, from schemas/.

Instants stay integers: the `timestamp-millis` annotation is for readers elsewhere and is taken out
before decoding here, because the kernel counts in milliseconds.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import fastavro
from msgspec import Struct

from afflux.kernel.events import BY_SCHEMA, Event
from afflux.runtime.paths import SCHEMAS

Json = Any  # a schema is JSON of any depth; fastavro takes it as it is


class Schema(Struct, frozen=True):
    """One version of one event's schema; `plain` is its JSON without logical types or defaults."""

    schema_id: int
    name: str
    version: int
    event: type[Event]
    parsed: Json
    plain: str


class Registry(Struct, frozen=True):
    """Every schema version by id, and the newest by event type."""

    by_id: dict[int, Schema]
    newest: dict[type[Event], Schema]


@lru_cache(maxsize=1)
def registry(root: Path = SCHEMAS) -> Registry:
    """Load schemas/registry.json and the schemas it names."""
    named: dict[str, str] = json.loads((root / "registry.json").read_text())
    by_id: dict[int, Schema] = {}
    newest: dict[type[Event], Schema] = {}
    for text, path in named.items():
        schema = _load(root, int(text), path)
        by_id[schema.schema_id] = schema
        known = newest.get(schema.event)
        if known is None or known.version < schema.version:
            newest[schema.event] = schema
    return Registry(by_id, newest)


def _load(root: Path, schema_id: int, path: str) -> Schema:
    name, version = path.split("/v")
    raw = json.loads((root / "avro" / f"{path}.avsc").read_text())
    plain = without_logical_types(raw)
    parsed = fastavro.parse_schema(plain, _write_hint=False)
    return Schema(
        schema_id, name, int(version), BY_SCHEMA[name], parsed, json.dumps(_without_defaults(plain))
    )


def without_logical_types(schema: Json) -> Json:
    """Return the schema with `{"type": "long", "logicalType": ...}` as plain `"long"`."""
    match schema:
        case {"logicalType": _, "type": inner}:
            return without_logical_types(inner)
        case dict():
            return {key: without_logical_types(value) for key, value in schema.items()}
        case list():
            return [without_logical_types(value) for value in schema]
        case _:
            return schema


def _without_defaults(schema: Json) -> Json:
    """A writer's schema needs no defaults, and polars refuses those that are not null."""
    match schema:
        case dict():
            kept = {key: value for key, value in schema.items() if key != "default"}
            return {key: _without_defaults(value) for key, value in kept.items()}
        case list():
            return [_without_defaults(value) for value in schema]
        case _:
            return schema
