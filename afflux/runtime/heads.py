"""The first fields of a value alone: for those who read a whole topic for one of them.

Avro writes fields one behind the other, so that what stands before a field is enough to read it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import fastavro

from afflux.kernel.events import Event
from afflux.runtime.schemas import registry

_FRAME = 5


class Heads:
    """Reads the fields of an event up to and including `field`, in every version of its schema."""

    def __init__(self, kind: type[Event], field: str) -> None:
        """Errors: ValueError where a version has no such field."""
        self._schemas: Mapping[int, Any] = {
            number: _head(schema.parsed, field)
            for number, schema in registry().by_id.items()
            if schema.event is kind
        }

    def read(self, value: bytes | None) -> dict[str, Any] | None:
        """Return the fields, or None for a value that is no event of this kind."""
        if value is None or len(value) < _FRAME or value[0] != 0:
            return None
        schema = self._schemas.get(int.from_bytes(value[1:_FRAME], "big"))
        if schema is None:
            return None
        try:
            found: Any = fastavro.schemaless_reader(io.BytesIO(value[_FRAME:]), schema, None)
        except Exception:  # noqa: BLE001 - fastavro raises whatever the bytes lead it to
            return None
        return dict(found)


def _head(schema: Any, field: str) -> Any:
    names = [one["name"] for one in schema["fields"]]
    if field not in names:
        raise ValueError(f"{schema['name']} has no field {field}")
    cut = {**schema, "fields": schema["fields"][: names.index(field) + 1]}
    return fastavro.parse_schema(cut, _write_hint=False)
