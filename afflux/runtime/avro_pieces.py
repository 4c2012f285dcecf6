"""Avro datums joined from pieces that were encoded before.

A record's encoding is that of its fields, one behind the other. Where runs of fields take few
distinct values over many records (a link's ids, a user agent and what it says), each run is
encoded once, by fastavro, and joined from then on; only what is new with each record is encoded by
hand. `Layout` hands out the fields in the order of the schema and refuses any other, so that a new
version of a schema is a loud error and never a shifted datum.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import fastavro

from afflux.runtime.schemas import Schema

MEMO_LIMIT = 65_536
BOOLEAN, BYTES, LONG, TEXT = "boolean", "bytes", "long", "string"
OPTIONAL_TEXT, TEXTS = ["null", "string"], {"type": "array", "items": "string"}

Run = Callable[[Sequence[object]], bytes]
"""Encodes the values of a run of fields."""


class Memo(dict[Any, bytes]):
    """Encodings by value, made on first use; emptied when it holds `limit` of them."""

    def __init__(self, make: Callable[[Any], bytes], limit: int = MEMO_LIMIT) -> None:
        super().__init__()
        self._make = make
        self._limit = limit

    def __missing__(self, key: Any) -> bytes:
        if len(self) >= self._limit:
            self.clear()
        made = self[key] = self._make(key)
        return made


class Layout:
    """The fields of a schema, handed out in order."""

    def __init__(self, schema: Schema) -> None:
        self._name = f"{schema.name}/v{schema.version}"
        self._left: list[Any] = list(schema.parsed["fields"])

    def hot(self, kind: object, *names: str) -> None:
        """Take the next fields, which the caller encodes by hand as `kind`.

        Errors: ValueError unless they are the next ones and of that type.
        """
        for field in self._take(names):
            if field["type"] != kind:
                raise ValueError(f"{self._name}: {field['name']} is {field['type']}, not {kind}")

    def run(self, *names: str) -> Run:
        """Take the next fields and return what encodes their values, in order.

        Errors: ValueError unless they are the next ones; what is returned raises whatever fastavro
        does for a value out of the schema.
        """
        fields = self._take(names)
        parsed = fastavro.parse_schema(
            {"type": "record", "name": "Run", "namespace": "afflux.pieces", "fields": fields}
        )

        def encode(values: Sequence[object]) -> bytes:
            out = io.BytesIO()
            fastavro.schemaless_writer(out, parsed, dict(zip(names, values, strict=True)))
            return out.getvalue()

        return encode

    def done(self) -> None:
        """Raise ValueError if there are fields that nobody took."""
        if self._left:
            raise ValueError(f"{self._name}: nobody encodes {[f['name'] for f in self._left]}")

    def _take(self, names: Sequence[str]) -> list[Any]:
        taken, self._left = self._left[: len(names)], self._left[len(names) :]
        if [field["name"] for field in taken] != list(names):
            found = [field["name"] for field in taken]
            raise ValueError(f"{self._name}: the next fields are {found}, not {list(names)}")
        return taken


def long(value: int) -> bytes:
    """Return Avro's zigzag variable-length integer of a signed 64-bit one."""
    return _varint(value << 1 ^ value >> 63)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


SIZES = [long(size) for size in range(4_096)]
"""Of what is longer than anything that a visit holds, `long` tells the size."""
_LOW = [bytes((low & 127 | 128, low >> 7 | 128)) for low in range(1 << 14)]
_high = Memo(_varint, limit=1_024)


def counting(value: int) -> bytes:
    """Return `long(value)`, fast for numbers that follow each other; `value` is not negative."""
    number = value << 1
    high = number >> 14
    return _LOW[number & 16_383] + _high[high] if high else long(value)


def sized(data: bytes) -> bytes:
    """Return Avro's bytes: size and content."""
    size = len(data)
    return (SIZES[size] if size < 4_096 else long(size)) + data


def optional_text(value: str | None) -> bytes:
    """Return the union of null and string."""
    return b"\x00" if value is None else b"\x02" + sized(value.encode())


def texts(values: Sequence[str]) -> bytes:
    """Return an array of strings, as one block."""
    if not values:
        return b"\x00"
    out, sizes = [long(len(values))], SIZES
    for value in values:
        data = value.encode()
        size = len(data)
        out.append(sizes[size] if size < 4_096 else long(size))
        out.append(data)
    out.append(b"\x00")
    return b"".join(out)
