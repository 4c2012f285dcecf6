"""What could lead to a person is kept no longer than its setting says; the counts stay."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator

import msgspec
import pytest_asyncio

from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.settings import Settings
from services.analytics.conservation import tallies
from services.analytics.retention import keep_retention
from services.analytics.warehouse import Warehouse
from tests.analytics_samples import click, flag
from tests.support.warehouses import inserts, open_warehouse, scalar, sent

CODEC = Codec.load()
DAY_MS = 86_400_000
PERSONAL = ("user_agent", "referrer_path", "ip_prefix", "ip_hash", "sub", "ref_id", "visitor_key")


@pytest_asyncio.fixture(loop_scope="session")
async def warehouse() -> AsyncIterator[Warehouse]:
    async with open_warehouse() as opened:
        yield opened


async def filled(warehouse: Warehouse) -> dict[str, list[int]]:
    """Return, for each personal column, the offsets of rows with a value, under the mask too."""
    found = {}
    for name in PERSONAL:
        empty = (
            f"empty({name})"
            if name == "sub"
            else f"replaceAll(assumeNotNull({name}), '\\0', '') = ''"
        )
        answer = await warehouse.query(
            f"SELECT kafka_offset FROM raw_tracking_clicks WHERE NOT {empty} ORDER BY 1"
        )
        found[name] = [row[0] for row in answer.rows]
    return found


async def test_T5_expired_values_are_emptied_and_K1_holds(warehouse: Warehouse) -> None:
    now = Millis(int(time.time() * 1000))
    ages = (1, 45, 500)
    some = [
        msgspec.structs.replace(
            click(random.Random(age), number),
            recorded_at=Millis(now - age * DAY_MS),
            referrer_path="/a",
            sub=["s"],
            ref_id="r",
        )
        for number, age in enumerate(ages)
    ]
    await keep_retention(warehouse, Settings(retention_agent_days=0))
    await warehouse.insert(inserts(CODEC, "tracking.clicks", sent(CODEC, some)))
    flags = [flag(one) for one in some]
    await warehouse.insert(inserts(CODEC, "fraud.click-flags", sent(CODEC, flags)))
    before = await tallies(warehouse, ["tracking.clicks/0/0/10"])
    assert await keep_retention(warehouse, Settings()) == 4  # of agents: clicks and impressions
    assert await keep_retention(warehouse, Settings()) == 0
    for table in ("raw_tracking_clicks", "raw_fraud_click_flags"):
        await warehouse.run([f"OPTIMIZE TABLE {table} FINAL"])
    kept = await filled(warehouse)
    assert kept["user_agent"] == kept["referrer_path"] == [0]
    assert kept["ip_prefix"] == kept["ip_hash"] == [0]
    assert kept["sub"] == kept["ref_id"] == kept["visitor_key"] == [0, 1]
    of_flags = "SELECT sum(kafka_offset + 1) FROM raw_fraud_click_flags WHERE "
    held = "assumeNotNull(visitor_key) != toFixedString('', 16)"
    assert await scalar(warehouse, of_flags + held) == 1 + 2
    assert await tallies(warehouse, ["tracking.clicks/0/0/10"]) == before
    assert await scalar(warehouse, "SELECT sum(clicks) FROM clicks_hourly") == len(ages)
