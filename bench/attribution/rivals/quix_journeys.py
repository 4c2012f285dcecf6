"""Clicks into journeys with Quix Streams: one process, state in RocksDB.

Runs in an environment of its own: python quix_journeys.py KAFKA TOPIC SCHEMA FOLDER RECORDS
changelog|plain GROUP. Prints one JSON line: seconds from the first record until `run` has returned,
which is after the last checkpoint. It has less to do than attribution: it keeps no log time and
sets without looking whether the click is there already.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import time
from pathlib import Path

import fastavro
from quixstreams import Application, State
from quixstreams.models import Deserializer, SerializationContext

_HEADER = 5
_ROW = struct.Struct(">qqqqqqq")
_TEXTS = ("ref_id", "source", "country", "device", "reason")


class Clicks(Deserializer):
    """Quix's own AvroDeserializer with a given schema, behind the five bytes of the frame."""

    def __init__(self, schema: object) -> None:
        super().__init__()
        self._schema = fastavro.parse_schema(schema)

    def __call__(self, value: bytes, ctx: SerializationContext) -> dict:
        stream = io.BytesIO(value)
        stream.seek(_HEADER)
        return fastavro.schemaless_reader(stream, self._schema, None)


class Watch:
    """When the first record, the half and the last one came."""

    def __init__(self, total: int) -> None:
        self.total, self.half, self.seen = total, total // 2, 0
        self.first_s = self.half_s = self.cpu_s = 0.0

    def tick(self) -> None:
        """Count one record."""
        if not self.seen:
            self.first_s, self.cpu_s = time.perf_counter(), time.process_time()
        self.seen += 1
        if self.seen == self.half:
            self.half_s = time.perf_counter()


def plain(schema: object) -> object:
    """Instants as integers: datetimes would only cost time."""
    if isinstance(schema, dict):
        if "logicalType" in schema:
            return schema["type"]
        return {key: plain(value) for key, value in schema.items()}
    return [plain(value) for value in schema] if isinstance(schema, list) else schema


def main(words: list[str]) -> None:
    """Keep every click of a topic under (visitor, click ulid): the ulid begins with the time."""
    kafka, topic, schema, folder, records, mode, group = words
    watch = Watch(int(records))
    app = Application(
        broker_address=kafka,
        consumer_group=group,
        auto_offset_reset="earliest",
        state_dir=folder,
        use_changelog_topics=mode == "changelog",
        commit_interval=5.0,  # the default, and what the other rival has
        loglevel="WARNING",
        # Larger fetches, and enough in the queue that the loop never waits.
        consumer_extra_config={
            "max.partition.fetch.bytes": 4 << 20,
            "queued.min.messages": 200_000,
        },
        # The changelog in large compressed batches.
        producer_extra_config={"compression.type": "lz4", "linger.ms": 50, "batch.size": 256 << 10},
    )
    clicks = app.topic(
        topic,
        key_deserializer="bytes",
        value_deserializer=Clicks(plain(json.loads(Path(schema).read_text()))),
    )

    # The state is that of the record's key, the visitor.
    def keep(click: dict, state: State) -> None:
        watch.tick()
        tags = "\0".join([*(click[name] or "" for name in _TEXTS), *click["sub"]])
        row = _ROW.pack(
            click["occurred_at"],
            click["recorded_at"],
            click["partner_id"],
            click["offer_id"],
            click["link_id"],
            click["advertiser_id"],
            click["journal_position"],
        )
        state.set_bytes(click["click_id"], row + tags.encode())

    app.dataframe(clicks).update(keep, stateful=True)
    app.run(count=watch.total, collect=False)
    ended = time.perf_counter()
    figures = {
        "records": watch.seen,
        "wall_s": round(ended - watch.first_s, 3),
        "second_half_s": round(ended - watch.half_s, 3),
        "cpu_s": round(time.process_time() - watch.cpu_s, 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
