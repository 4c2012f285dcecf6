"""Kafka to ClickHouse to the API and the command line; bounds and their owners."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from typer.testing import CliRunner

from afflux.cli.main import build
from afflux.kernel.events import Assessment, Click, Conversion
from afflux.runtime.codec import Codec
from afflux.runtime.migrate import migrate_postgres
from afflux.runtime.pg import connect_async
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.sink_loop import Batch, TopicPartition
from services.analytics.bounds import Bounds, Fenced, positions
from services.analytics.conservation import compare_with_log, wait_until_drained
from tests.analytics_samples import world
from tests.conftest import StackMaker

CODEC = Codec.load()
WORLD = world(400, seed=21)
POISON = [
    Raw("tracking.clicks", b"k", b"junk", partition=0),
    Raw("tracking.clicks", b"k", None, partition=0),
    Raw("tracking.conversions", b"k", b"\x00\x00\x00\x00\x63xx", partition=0),
]


async def test_K1_every_record_arrives_and_the_api_answers(make_stack: StackMaker) -> None:
    stack = make_stack(["analytics"])
    settings = stack.settings
    publisher = Publisher(settings, CODEC, "test")
    await publisher.start()
    half = len(WORLD) // 2
    await publisher.publish(WORLD[:half])
    await publisher.publish_raw(POISON)
    await publisher.publish(WORLD[half:])
    await publisher.stop()
    await wait_until_drained(settings)
    report = await compare_with_log(settings)
    assert report.clean, [mismatch.text() for mismatch in report.mismatches]
    counts = {topic.topic: topic.clickhouse.count for topic in report.topics}
    assert counts["tracking.clicks"] == sum(type(e) is Click for e in WORLD) + 2

    # A restart goes on where it was: nothing is stored twice.
    await asyncio.to_thread(stack.restart, "analytics")
    assert await compare_with_log(settings) == report
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=60) as client:
        await _kpi_answers(client)
        await _trace_is_whole(client)
    _command_line(str(stack.home))


async def _kpi_answers(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/kpi", params={"by": "partner,day", "kpis": "all"})).json()
    assert answer["dimensions"] == ["partner", "day", "currency"]
    assert {row["partner_name"] for row in answer["rows"]} == {f"Partner {n}" for n in range(1, 6)}
    conversions = sum(type(event) is Assessment for event in WORLD)
    assert answer["totals"][0]["conversions"] == conversions
    csv = await client.get("/v1/kpi", params={"by": "offer", "format": "csv"})
    assert csv.headers["content-type"].startswith("text/csv")
    for wrong in (
        {"by": "nobody"},
        {"where": "partner=x"},
        {"from": "yesterday"},
        {"kpis": "luck"},
    ):
        refused = await client.get("/v1/kpi", params=wrong)
        assert refused.status_code == 422, wrong
        assert refused.json()["error"] == "refused"


async def _trace_is_whole(client: httpx.AsyncClient) -> None:
    sale = next(event for event in WORLD if type(event) is Conversion)
    found = (await client.get(f"/v1/trace/{sale.conversion_key.hex()}")).json()
    assert [row["click_id"] for row in found["clicks"]] == [sale.click_id.hex()]
    for stage in ("conversions", "decisions", "assessments"):
        assert [row["conversion_key"] for row in found[stage]] == [sale.conversion_key.hex()]
    assert (await client.get("/v1/trace/zz")).status_code == 422


def _command_line(home: str) -> None:
    runner, app = CliRunner(), build(["kpi", "status"])
    asked = ["kpi", "--by", "partner", "--home", home]
    table = runner.invoke(app, asked)
    assert table.exit_code == 0, table.output
    assert "total" in table.output
    shown = json.loads(runner.invoke(app, [*asked, "--json"]).output)
    lines = runner.invoke(app, [*asked, "--format", "csv"]).output.strip().splitlines()
    assert len(lines) == len(shown["rows"]) + 1
    wrong = runner.invoke(app, ["kpi", "--by", "nobody", "--home", home])
    assert wrong.exit_code == 2


async def test_K2_who_lost_a_partition_can_change_no_bounds(fresh_postgres: str) -> None:
    migrate_postgres(fresh_postgres)
    part = TopicPartition("tracking.clicks", 0)
    batch = Batch(part, 0, 10, [_Stamped()], None)
    first_link = await connect_async(fresh_postgres, autocommit=True)
    second_link = await connect_async(fresh_postgres, autocommit=True)
    try:
        first, second = Bounds(first_link), Bounds(second_link)
        assert (await first.take([part]))[part].next_offset == 0
        await first.plan([batch])
        resume = (await second.take([part]))[part]
        assert resume.planned == batch.plan
        with pytest.raises(Fenced):
            await first.done([batch])
        again = Batch(part, 0, 10, batch.records, resume.planned)
        await second.plan([again])
        assert await positions(second_link) == {part: 0}
        await second.done([again])
        assert await positions(second_link) == {part: 10}
        with pytest.raises(Fenced):
            await first.plan([Batch(part, 10, 12, batch.records, None)])
    finally:
        await first_link.close()
        await second_link.close()


class _Stamped:
    timestamp = 1_767_225_600_000
