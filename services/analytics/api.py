"""The KPI API: read-only, for operators; it binds to the loopback address by default."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, HTTPException
from fastapi.params import Body
from pydantic import BaseModel

from afflux.runtime.pg import AsyncConnection
from services.analytics.bounds import positions
from services.analytics.domain.conservation import BUCKET, tally_sql
from services.analytics.domain.tables import TABLES
from services.analytics.warehouse import Warehouse

Reader = AsyncConnection[tuple[object, ...]]


class Ranges(BaseModel):
    """Offsets to look at: `topic/partition/start/end` each."""

    ranges: list[str]


def api_app(warehouse: Warehouse, reader: Reader) -> FastAPI:
    """Return the app over a warehouse and a connection that reads the sink's bounds."""
    app = FastAPI(title="afflux analytics", docs_url="/docs", redoc_url=None)

    @app.get("/v1/position")
    async def position() -> dict[str, dict[str, int]]:
        """Next offset by topic/partition: what lies below is stored."""
        stored = await positions(reader)
        return {"positions": {f"{p.topic}/{p.partition}": at for p, at in stored.items()}}

    @app.post("/v1/conservation")
    async def conservation(asked: Ranges) -> dict[str, list[dict[str, object]]]:
        """Count, XOR of hashes and sum of amounts of each bucket of 10,000 offsets (law K1)."""
        return {"buckets": await tallies(warehouse, asked.ranges)}

    return app


async def tallies(warehouse: Warehouse, ranges: list[str]) -> list[dict[str, object]]:
    """Return the buckets of these ranges; raises HTTPException 422 for a malformed one."""
    by_topic: dict[str, list[tuple[int, int, int]]] = {}
    for text in ranges:
        try:
            topic, partition, start, end = text.rsplit("/", 3)
            by_topic.setdefault(topic, []).append((int(partition), int(start), int(end)))
            TABLES[topic]
        except (ValueError, KeyError):
            raise HTTPException(422, f"{text!r} is no topic/partition/start/end") from None
    found: list[dict[str, object]] = []
    for topic, parts in sorted(by_topic.items()):
        answer = await warehouse.query(
            tally_sql(topic),
            {
                "topic": topic,
                "bucket": BUCKET,
                "partitions": [part for part, _, _ in parts],
                "starts": [start for _, start, _ in parts],
                "ends": [end for _, _, end in parts],
            },
        )
        found += [
            {
                "topic": topic,
                "partition": part,
                "bucket": bucket,
                "count": count,
                "xor": str(xor),
                "amount": str(amount),
            }
            for part, bucket, count, xor, amount in answer.rows
        ]
    return found
