"""Column stores for tests: chDB in a folder of its own, and a server where there is one."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date

from msgspec import Struct

from afflux.kernel.events import Event
from afflux.runtime.clickhouse import open_clickhouse
from afflux.runtime.codec import Codec
from services.analytics.domain.tables import UNDECODABLE, table_of
from services.analytics.process import rows_of
from services.analytics.warehouse import Insert, Warehouse

DAY = date(2026, 1, 1)
SERVER = os.environ.get("AFFLUX_TEST_CLICKHOUSE", "")


class Sent(Struct, frozen=True):
    """A record as Kafka would give it."""

    offset: int
    key: bytes | None
    value: bytes | None


@asynccontextmanager
async def open_warehouse(server: str = "") -> AsyncIterator[Warehouse]:
    """Open an empty, migrated warehouse; on a server it is a database of its own."""
    if not server:
        with tempfile.TemporaryDirectory(prefix="afflux-chdb-") as folder:
            async with _opened(f"chdb://{folder}/store") as warehouse:
                yield warehouse
        return
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = open_clickhouse(server)
    admin.command(f"CREATE DATABASE {name}")
    try:
        async with _opened(f"{server.rsplit('/', 1)[0]}/{name}") as warehouse:
            yield warehouse
    finally:
        admin.command(f"DROP DATABASE {name}")
        admin.close()


@asynccontextmanager
async def _opened(dsn: str) -> AsyncIterator[Warehouse]:
    warehouse = Warehouse(dsn)
    await warehouse.open()
    try:
        yield warehouse
    finally:
        await warehouse.close()


def sent(codec: Codec, events: Sequence[Event], first: int = 0) -> list[Sent]:
    """Return events as records with offsets from `first`."""
    return [
        Sent(first + place, event.key or None, codec.encode(event))
        for place, event in enumerate(events)
    ]


def inserts(codec: Codec, topic: str, records: Sequence[Sent], partition: int = 0) -> list[Insert]:
    """Return the inserts of one batch of records."""
    token = f"{topic}/{partition}/{uuid.uuid4().hex}"
    rows = rows_of(codec, table_of(topic), partition, DAY, records)
    found = []
    if rows.decoded is not None:
        found.append(Insert(table_of(topic).name, token, rows.decoded))
    if rows.undecodable is not None:
        found.append(Insert(UNDECODABLE, token, rows.undecodable))
    return found


async def fill(warehouse: Warehouse, codec: Codec, events: Sequence[Event]) -> None:
    """Insert events, each topic as one batch."""
    by_topic: dict[str, list[Event]] = {}
    for event in events:
        by_topic.setdefault(event.topic, []).append(event)
    for topic, some in by_topic.items():
        await warehouse.insert(inserts(codec, topic, sent(codec, some)))


async def empty(warehouse: Warehouse) -> None:
    """Remove all rows; the tokens of earlier inserts stay known."""
    answer = await warehouse.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND engine LIKE '%MergeTree' AND name != 'afflux_migrations' AND total_rows > 0"
    )
    writer = warehouse._writer
    assert writer is not None
    for (name,) in answer.rows:
        writer.command(f"TRUNCATE TABLE {name}")


async def scalar(warehouse: Warehouse, sql: str, values: Mapping[str, object] | None = None) -> int:
    """Return the one number of a query."""
    answer = await warehouse.query(sql, values)
    return int(answer.rows[0][0])
