"""Batches that several versions of a schema wrote, and batches with a damaged value."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import fastavro
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Click
from afflux.runtime.codec import Codec, Undecodable
from afflux.runtime.schemas import Registry, Schema, registry
from tests.attribution_events import click

OLDER = 900
LATER_FIELDS = ("sub", "ref_id", "cost_minor", "device")
"""Fields with defaults that the older writer does not know yet."""


def older(newest: Schema) -> Schema:
    """The schema as it was before LATER_FIELDS."""
    fields = [f for f in newest.parsed["fields"] if f["name"] not in LATER_FIELDS]
    plain = json.loads(newest.plain)
    plain["fields"] = [f for f in plain["fields"] if f["name"] not in LATER_FIELDS]
    parsed: Any = {**newest.parsed, "fields": fields}
    return Schema(OLDER, newest.name, 0, Click, parsed, json.dumps(plain))


def both() -> tuple[Codec, Schema]:
    """A codec that knows both versions, and the older one."""
    known = registry()
    old = older(known.newest[Click])
    return Codec(Registry({**known.by_id, OLDER: old}, known.newest)), old


def written(event: Click, schema: Schema) -> bytes:
    """The event as the older writer writes it."""
    out = io.BytesIO(b"\x00" + schema.schema_id.to_bytes(4, "big"))
    out.seek(5)
    plain = msgspec.to_builtins(event, builtin_types=(bytes,))
    fastavro.schemaless_writer(out, schema.parsed, plain)
    return out.getvalue()


CODEC, OLD = both()
EVENTS = [msgspec.structs.replace(click(n, n, n % 7), country="DE") for n in range(40)]
KEYS: list[bytes | None] = [event.key for event in EVENTS]


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_batch_of_two_versions_is_one_frame_of_the_newest(old: list[bool]) -> None:
    values: list[bytes | None] = [
        written(event, OLD) if is_old else CODEC.encode(event)
        for event, is_old in zip(EVENTS, old, strict=True)
    ]
    frame = CODEC.decode_frame(Click.topic, values, KEYS)
    assert frame is not None
    alone = [CODEC.decode(Click.topic, value) for value in values]
    rows = [
        msgspec.convert(row, Click, builtin_types=(bytes,)) for row in frame.iter_rows(named=True)
    ]
    assert rows == alone == EVENTS


@given(st.integers(0, 39), st.integers(0, 2**32))
def test_S1_a_damaged_value_costs_nobody_else_its_row(at: int, seed: int) -> None:
    dice = random.Random(seed)
    values: list[bytes | None] = [
        written(event, OLD) if n % 3 == 0 else CODEC.encode(event) for n, event in enumerate(EVENTS)
    ]
    damaged = bytearray(values[at] or b"")
    if dice.random() < 0.5:
        del damaged[dice.randrange(5, len(damaged)) :]
    else:
        damaged.insert(dice.randrange(5, len(damaged)), dice.randrange(256))
    values[at] = bytes(damaged)
    decoded = CODEC.decode_batch(Click.topic, values, KEYS)
    for n, event in enumerate(decoded):
        if n != at:
            assert event == EVENTS[n]
        else:
            assert isinstance(event, Undecodable) or event.key == KEYS[at]


def test_an_amount_out_of_bounds_is_not_trusted_in_a_frame() -> None:
    out = io.BytesIO()
    plain = msgspec.to_builtins(EVENTS[3], builtin_types=(bytes,)) | {"cost_minor": -1}
    fastavro.schemaless_writer(out, CODEC.newest(Click).parsed, plain)
    values: list[bytes | None] = [CODEC.encode(event) for event in EVENTS]
    values[3] = CODEC.frame(Click) + out.getvalue()
    assert CODEC.decode_frame(Click.topic, values, KEYS) is None
    decoded = CODEC.decode_batch(Click.topic, values, KEYS)
    assert [n for n, event in enumerate(decoded) if isinstance(event, Undecodable)] == [3]


def test_a_version_that_nobody_knows_is_looked_at_alone() -> None:
    values: list[bytes | None] = [CODEC.encode(event) for event in EVENTS]
    values[5] = b"\x00\x00\x00\x77\x77" + (values[5] or b"")[5:]
    assert CODEC.decode_frame(Click.topic, values, KEYS) is None
    decoded = CODEC.decode_batch(Click.topic, values, KEYS)
    (bad,) = [event for event in decoded if isinstance(event, Undecodable)]
    assert bad.reason == "schema_unknown"
