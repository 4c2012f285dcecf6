"""A writer of one schema's datums straight from the fields of a struct.

fastavro takes an event as nested dicts and tries the branches of every union; a decision with ten
touches costs it three times what a list of ready field writers costs. The bytes are fastavro's. A
value that a field cannot hold raises one of `UNFIT`: the caller asks fastavro then, whose word on
what is wrong stands.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from afflux.runtime.avro_pieces import SIZES, counting, long, sized

UNFIT = (TypeError, AttributeError, KeyError, ValueError)
"""What a writer raises for a value out of its field's type."""

Write = Callable[[Any], bytes]


def compile_writer(schema: Any) -> Write | None:
    """Return what writes a value of a schema, or None where it holds a type not known here."""
    try:
        return _writer(schema, {})
    except NotImplementedError:
        return None


def _writer(schema: Any, named: dict[str, Write]) -> Write:
    match schema:
        case str() if schema in _SIMPLE:
            return _SIMPLE[schema]
        case str() if schema in named:
            return named[schema]
        case ["null", one]:
            return _optional(_writer(one, named))
        case {"type": "record", "name": str(name), "fields": list(fields)}:
            named[name] = _record(fields, named)
            return named[name]
        case {"type": "enum", "name": str(name), "symbols": list(symbols)}:
            named[name] = {symbol: long(place) for place, symbol in enumerate(symbols)}.__getitem__
            return named[name]
        case {"type": "array", "items": items}:
            return _array(_writer(items, named))
        case {"type": str(inner)}:
            return _writer(inner, named)
    raise NotImplementedError(schema)


def _record(fields: list[Any], named: dict[str, Write]) -> Write:
    names = [field["name"] for field in fields]
    writers = [_writer(field["type"], named) for field in fields]
    values = attrgetter(*names)
    if len(names) == 1:
        only = writers[0]
        return lambda event: only(values(event))
    return lambda event: b"".join(
        [write(value) for write, value in zip(writers, values(event), strict=True)]
    )


def _optional(write: Write) -> Write:
    return lambda value: b"\x00" if value is None else b"\x02" + write(value)


def _array(write: Write) -> Write:
    def items(values: Any) -> bytes:
        if not values:
            return b"\x00" if isinstance(values, (list, tuple)) else _unfit(values)
        return long(len(values)) + b"".join([write(value) for value in values]) + b"\x00"

    return items


def _boolean(value: Any) -> bytes:
    return b"\x01" if value is True else b"\x00" if value is False else _unfit(value)


def _integer(bits: int) -> Write:
    limit = 1 << (bits - 1)

    def integer(value: Any) -> bytes:
        if 0 <= value < limit:
            return counting(value)
        return long(value) if -limit <= value < 0 else _unfit(value)

    return integer


def _text(value: Any) -> bytes:
    data: bytes = value.encode()
    size = len(data)
    return SIZES[size] + data if size < 4_096 else sized(data)


def _unfit(value: Any) -> bytes:
    raise ValueError(f"{value!r} is out of the field's type")


_SIMPLE: dict[str, Write] = {
    "boolean": _boolean,
    "int": _integer(32),
    "long": _integer(64),
    "string": _text,
    "bytes": sized,
}
