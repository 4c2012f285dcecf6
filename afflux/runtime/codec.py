"""Events to bytes and back: Avro in the Confluent wire format, whole batches where it pays.

The fast path decodes a batch of values as one Avro container block with polars. A damaged datum
can shift others without an error, so a block is trusted only if it has as many rows as values,
every row takes exactly the bytes of its value, its key column equals the Kafka keys, and a
sentinel appended to it decodes to itself.
Everything else is decoded one by one, so that only the bad record is lost to the dead letters.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import fastavro
import msgspec

from afflux.kernel.events import BY_TOPIC, Event
from afflux.runtime.avro_writer import UNFIT, compile_writer
from afflux.runtime.schemas import Registry, Schema, registry
from afflux.runtime.topics import load_topics

if TYPE_CHECKING:
    import polars as pl

    from afflux.runtime.avro_block import BlockWriter

_FRAME = 5
_FAST_FROM = 8  # below this many values a block costs more than it saves


class Undecodable(Exception):
    """A value that is not what its topic promises; `reason` is a reason code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail[:500]


class Codec:
    """Encoder and decoder of all events."""

    def __init__(self, schemas: Registry) -> None:
        self._schemas = schemas
        self._frames = {
            kind: b"\x00" + schema.schema_id.to_bytes(4, "big")
            for kind, schema in schemas.newest.items()
        }
        self._writers = {
            kind: compile_writer(schema.parsed) for kind, schema in schemas.newest.items()
        }
        self._keys = {name: topic.key_column for name, topic in load_topics().items()}
        self._blocks: dict[int, BlockWriter] = {}

    @classmethod
    def load(cls) -> Codec:
        """Return a codec over schemas/registry.json."""
        return cls(registry())

    def newest(self, kind: type[Event]) -> Schema:
        """Return the schema that events of a kind are written with."""
        return self._schemas.newest[kind]

    def frame(self, kind: type[Event]) -> bytes:
        """Return what stands before the datum of an event: a zero and the schema's id."""
        return self._frames[kind]

    def encode(self, event: Event) -> bytes:
        """Return the framed Avro datum; raises ValueError for a field out of its schema."""
        kind = type(event)
        write = self._writers[kind]
        if write is not None:
            try:
                return self._frames[kind] + write(event)
            except UNFIT:
                pass  # fastavro says what is wrong, in its own words
        return self._encode_slowly(event, kind)

    def _encode_slowly(self, event: Event, kind: type[Event]) -> bytes:
        out = io.BytesIO()
        out.write(self._frames[kind])
        plain = msgspec.to_builtins(event, builtin_types=(bytes,))
        fastavro.schemaless_writer(out, self._schemas.newest[kind].parsed, plain)
        return out.getvalue()

    def decode(self, topic: str, value: bytes | None) -> Event:
        """Return the event in a value of `topic`; raises Undecodable."""
        schema = self._schema(topic, value)
        assert value is not None
        stream = io.BytesIO(value)
        stream.seek(_FRAME)
        newest = self._schemas.newest[schema.event]
        try:
            plain: Any = fastavro.schemaless_reader(stream, schema.parsed, newest.parsed)
        except Exception as error:  # noqa: BLE001 - fastavro raises whatever the bytes lead it to
            raise Undecodable("value_damaged", f"{type(error).__name__}: {error}") from None
        if stream.tell() != len(value):
            raise Undecodable("value_damaged", f"{len(value) - stream.tell()} bytes too many")
        return self._convert(plain, schema.event)

    def decode_batch(
        self, topic: str, values: Sequence[bytes | None], keys: Sequence[bytes | None]
    ) -> list[Event | Undecodable]:
        """Return, for each value, its event or why there is none; keys must agree with values."""
        frame = self.decode_frame(topic, values, keys)
        if frame is not None:
            kind = BY_TOPIC[topic]
            try:
                return [self._convert(row, kind) for row in frame.iter_rows(named=True)]
            except Undecodable:
                pass  # one row breaks a rule of the struct: find it one by one
        return [
            self._decode_one(topic, value, key) for value, key in zip(values, keys, strict=True)
        ]

    def decode_frame(
        self, topic: str, values: Sequence[bytes | None], keys: Sequence[bytes | None]
    ) -> pl.DataFrame | None:
        """Return the batch as a frame, one row a value, or None if it cannot be trusted."""
        column = self._keys.get(topic)
        if column is None or len(values) < _FAST_FROM:
            return None
        frames = {None if value is None else value[:_FRAME] for value in values}
        newest = self._writer(self._schemas.newest[BY_TOPIC[topic]], column)
        if frames == {newest.frame}:
            return newest.decode(values, keys)
        writers = {newest.frame: newest}
        for frame in frames - {newest.frame}:
            try:
                writer = self._writer(self._schema(topic, frame), column)
            except (Undecodable, ValueError):
                return None
            writers[writer.frame] = writer
        from afflux.runtime.avro_mixed import decode_mixed  # noqa: PLC0415

        return decode_mixed(newest, writers, values, keys)

    def _writer(self, schema: Schema, column: str) -> BlockWriter:
        # Only those who read hot topics pay for loading polars.
        from afflux.runtime.avro_block import BlockWriter  # noqa: PLC0415

        found = self._blocks.get(schema.schema_id)
        if found is None:
            found = self._blocks[schema.schema_id] = BlockWriter(schema, column)
        return found

    def _decode_one(
        self, topic: str, value: bytes | None, key: bytes | None
    ) -> Event | Undecodable:
        try:
            event = self.decode(topic, value)
        except Undecodable as error:
            return error
        if event.partition is None and event.key != key:
            shown = "none" if key is None else key.hex()[:64]
            return Undecodable(
                "key_mismatch", f"key {shown}, the value asks {event.key.hex()[:64]}"
            )
        return event

    def _schema(self, topic: str, value: bytes | None) -> Schema:
        if value is None:
            raise Undecodable("value_empty", "the record has no value")
        if len(value) < _FRAME or value[0] != 0:
            raise Undecodable("frame_damaged", f"starts with {value[:_FRAME].hex()}")
        schema_id = int.from_bytes(value[1:_FRAME], "big")
        schema = self._schemas.by_id.get(schema_id)
        if schema is None:
            raise Undecodable("schema_unknown", f"schema id {schema_id}")
        if schema.event.topic != topic:
            raise Undecodable("schema_foreign", f"{schema.name} does not belong to {topic}")
        return schema

    @staticmethod
    def _convert(plain: Any, kind: type[Event]) -> Event:
        try:
            return msgspec.convert(plain, kind, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            raise Undecodable("value_invalid", str(error)) from None
