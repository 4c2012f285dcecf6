"""Structs, Avro schemas and topics say the same, and every version can read every older one."""

from __future__ import annotations

import io
import json
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import fastavro
import fastavro.utils
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from afflux.kernel.events import BY_SCHEMA, BY_TOPIC, EVENT_TYPES, Event
from afflux.kernel.reasons import REASONS
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.paths import SCHEMAS
from afflux.runtime.schemas import registry
from afflux.runtime.topics import load_topics

CODEC = Codec.load()


def newest(kind: type[Event]) -> dict[str, Any]:
    schema = registry().newest[kind]
    path = SCHEMAS / "avro" / schema.name / f"v{schema.version}.avsc"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def as_python(kind: Any, named: dict[str, Any]) -> str:
    """Spell an Avro type the way `of_hint` spells a Python one."""
    match kind:
        case str() if kind in named:
            return as_python(named[kind], named)
        case "long" | "int":
            return "int"
        case "string":
            return "str"
        case "boolean":
            return "bool"
        case "bytes":
            return "bytes"
        case ["null", inner]:
            return f"{as_python(inner, named)}?"
        case {"type": "array", "items": items}:
            return f"[{as_python(items, named)}]"
        case {"type": "enum", "name": name, "symbols": symbols}:
            named[name] = kind
            return f"enum({','.join(symbols)})"
        case {"type": "record", "name": name, "fields": parts}:
            named[name] = kind
            return f"{{{','.join(p['name'] + ':' + as_python(p['type'], named) for p in parts)}}}"
        case {"type": inner}:
            return as_python(inner, named)
        case _:
            raise AssertionError(f"unknown Avro type {kind!r}")


def of_hint(hint: Any) -> str:
    """Spell a Python type hint."""
    if get_origin(hint) is Annotated:
        return of_hint(get_args(hint)[0])
    if hasattr(hint, "__supertype__"):
        return of_hint(hint.__supertype__)
    if get_origin(hint) is list:
        return f"[{of_hint(get_args(hint)[0])}]"
    if type(None) in get_args(hint):
        return of_hint(next(arg for arg in get_args(hint) if arg is not type(None))) + "?"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return f"enum({','.join(hint)})"
    if isinstance(hint, type) and issubclass(hint, Struct):
        hints = get_type_hints(hint, include_extras=True)
        return f"{{{','.join(f.name + ':' + of_hint(hints[f.name]) for f in fields(hint))}}}"
    return str(hint.__name__)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.schema)
def test_each_struct_matches_its_schema_field_by_field(kind: type[Event]) -> None:
    schema = newest(kind)
    named: dict[str, Any] = {}
    hints = get_type_hints(kind, include_extras=True)
    ours = [(f.name, of_hint(hints[f.name])) for f in fields(kind)]
    theirs = [(part["name"], as_python(part["type"], named)) for part in schema["fields"]]
    assert ours == theirs
    for field, part in zip(fields(kind), schema["fields"], strict=True):
        optional = field.default is not NODEFAULT or field.default_factory is not NODEFAULT
        assert optional == ("default" in part), f"{field.name}: a default on one side only"


def test_every_event_has_a_topic_and_every_topic_an_event() -> None:
    assert {name: topic.schema for name, topic in load_topics().items()} == {
        kind.topic: kind.schema for kind in EVENT_TYPES
    }
    assert len(BY_TOPIC) == len(BY_SCHEMA) == len(EVENT_TYPES)


def test_every_schema_file_is_registered_once() -> None:
    files = {f"{path.parent.name}/{path.stem}" for path in (SCHEMAS / "avro").glob("*/v*.avsc")}
    registered = json.loads((SCHEMAS / "registry.json").read_text())
    assert set(registered.values()) == files
    assert len(set(registered.values())) == len(registered)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.schema)
def test_backward_transitive_every_version_reads_every_older_one(kind: type[Event]) -> None:
    versions = sorted(
        (schema for schema in registry().by_id.values() if schema.event is kind),
        key=lambda schema: schema.version,
    )
    assert [schema.version for schema in versions] == list(range(1, len(versions) + 1))
    for index, reader in enumerate(versions):
        for writer in versions[:index]:
            for sample in fastavro.utils.generate_many(writer.parsed, 20):
                out = io.BytesIO()
                fastavro.schemaless_writer(out, writer.parsed, sample)
                out.seek(0)
                fastavro.schemaless_reader(out, writer.parsed, reader.parsed)


def test_keys_of_hot_topics_are_columns() -> None:
    for name, topic in load_topics().items():
        if topic.key_column is not None:
            assert topic.key_column in {field.name for field in fields(BY_TOPIC[name])}


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.schema)
def test_every_event_survives_the_wire(kind: type[Event]) -> None:
    for event in samples(kind, 20):
        value = CODEC.encode(event)
        assert value[:1] == b"\x00"
        assert CODEC.decode(kind.topic, value) == event


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.schema)
def test_a_batch_decodes_like_its_records(kind: type[Event]) -> None:
    events = samples(kind, 64)
    values = [CODEC.encode(event) for event in events]
    assert CODEC.decode_batch(kind.topic, values, [event.key for event in events]) == events


def samples(kind: type[Event], count: int) -> list[Event]:
    """Return events of a kind made from its schema by fastavro's generator."""
    made = []
    for plain in fastavro.utils.generate_many(registry().newest[kind].parsed, count):
        made.append(msgspec.convert(_sixteen(plain, kind), kind, builtin_types=(bytes,)))
    return made


def _sixteen(plain: Any, kind: Any) -> Any:
    """fastavro's bytes have any length and its texts too: give ids and currencies their size."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        text, value = repr(hints[field.name]), plain.get(field.name)
        if isinstance(value, bytes) and "min_length=16" in text:
            plain[field.name] = (value * 16)[:16].ljust(16, b"\x01")
        if isinstance(value, str) and "min_length=3" in text:
            plain[field.name] = "EUR"
        if isinstance(value, int) and "ge=0" in text:
            plain[field.name] = value % 10**12
        for arg in (hints[field.name], *get_args(hints[field.name])):
            if isinstance(arg, type) and issubclass(arg, Struct):
                parts = value if isinstance(value, list) else [value]
                for part in parts:
                    if part is not None:
                        _sixteen(part, arg)
    return plain


CLICKS = BY_TOPIC["tracking.clicks"]


@pytest.mark.parametrize("instant", [-1, 2**62])
def test_S1_an_instant_that_is_none_is_damage_not_a_time(instant: int) -> None:
    events = samples(CLICKS, 24)
    wrong = msgspec.structs.replace(events[5], recorded_at=instant)
    values = [CODEC.encode(event) for event in [*events[:5], wrong, *events[6:]]]
    decoded = CODEC.decode_batch("tracking.clicks", values, [event.key for event in events])
    assert [i for i, e in enumerate(decoded) if isinstance(e, Undecodable)] == [5]
    assert CODEC.decode_frame("tracking.clicks", values, [e.key for e in events]) is None


@given(st.data())
def test_S1_damage_in_a_batch_costs_only_the_damaged_record(data: st.DataObject) -> None:
    events = samples(CLICKS, 24)
    values: list[bytes | None] = [CODEC.encode(event) for event in events]
    keys: list[bytes | None] = [event.key for event in events]
    at = data.draw(st.integers(0, 23))
    good = values[at] or b""
    damage = data.draw(
        st.sampled_from(
            [
                *(good[: len(good) // 2], good[:-1], good[:3], b"", None),  # cut
                *(good + b"\x00", good + good[5:]),  # lengthened
                *(b"\x00\x00\x00\x03\xe7" + good[5:], b"\x01" + good[1:]),  # unknown frames
            ]
        )
    )
    values[at] = damage
    decoded = CODEC.decode_batch("tracking.clicks", values, keys)
    assert isinstance(decoded[at], Undecodable)
    assert decoded[at].reason in REASONS  # type: ignore[union-attr]
    assert [e for i, e in enumerate(decoded) if i != at] == [
        e for i, e in enumerate(events) if i != at
    ]


@given(st.integers(0, 23))
def test_S1_a_wrong_key_in_a_batch_costs_only_that_record(at: int) -> None:
    events = samples(CLICKS, 24)
    keys: list[bytes | None] = [event.key for event in events]
    keys[at] = b"\x00" * 16 if keys[at] != b"\x00" * 16 else b"\x01" * 16
    decoded = CODEC.decode_batch("tracking.clicks", [CODEC.encode(e) for e in events], keys)
    assert [i for i, e in enumerate(decoded) if isinstance(e, Undecodable)] == [at]
    assert decoded[at].reason == "key_mismatch"  # type: ignore[union-attr]


@given(st.integers(0, 23), st.integers(0, 10_000), st.integers(1, 255))
def test_S1_a_flipped_byte_never_changes_another_record(at: int, where: int, mask: int) -> None:
    events = samples(CLICKS, 24)
    values = [bytearray(CODEC.encode(event)) for event in events]
    values[at][where % len(values[at])] ^= mask
    keys: list[bytes | None] = [event.key for event in events]
    decoded = CODEC.decode_batch("tracking.clicks", [bytes(v) for v in values], keys)
    assert [e for i, e in enumerate(decoded) if i != at] == [
        e for i, e in enumerate(events) if i != at
    ]


def test_versions_of_a_schema_have_growing_ids() -> None:
    for kind in EVENT_TYPES:
        ids = [s.schema_id for s in registry().by_id.values() if s.event is kind]
        assert all(a < b for a, b in pairwise(ids))
