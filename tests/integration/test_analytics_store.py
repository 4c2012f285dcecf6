"""The column store's conformance suite: the same laws on chDB and, where there is one, a server."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from afflux.runtime.codec import Codec
from afflux.runtime.migrate import EditedHistory, migrate_clickhouse
from afflux.runtime.paths import SCHEMAS
from services.analytics.domain.tables import KAFKA_COLUMNS, TABLES
from services.analytics.warehouse import Insert, Warehouse
from tests.analytics_samples import clicks, world
from tests.support.engines import docker_answers
from tests.support.warehouses import SERVER, empty, fill, inserts, open_warehouse, scalar, sent

CODEC = Codec.load()
TARGETS = (
    "SELECT sum(clicks) FROM clicks_hourly",
    "SELECT uniqMerge(visitors) FROM clicks_hourly",
    "SELECT count() FROM raw_tracking_clicks",
)


STORES = ["chdb", "server"] if SERVER or docker_answers() else ["chdb"]


STORES = ["chdb", "server"] if SERVER or docker_answers() else ["chdb"]


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=STORES)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Warehouse]:
    server = ""
    if request.param == "server":
        server = SERVER or request.getfixturevalue("engines").clickhouse
    async with open_warehouse(server) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def warehouse(store: Warehouse) -> Warehouse:
    """The module's warehouse, emptied; tokens of a test are never those of another."""
    await empty(store)
    return store


async def test_raw_tables_are_those_of_the_event_types(warehouse: Warehouse) -> None:
    answer = await warehouse.query(
        "SELECT table, name, type FROM system.columns "
        "WHERE database = currentDatabase() AND startsWith(table, 'raw_') ORDER BY table, position"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for table, name, kind in answer.rows:
        found.setdefault(table, []).append((name, kind))
    found.pop("raw_undecodable")
    found.pop("raw_erased")
    assert found == {
        table.name: [*KAFKA_COLUMNS, *((column.name, column.type) for column in table.columns)]
        for table in TABLES.values()
    }


async def test_every_table_has_what_K2_rests_on(warehouse: Warehouse) -> None:
    answer = await warehouse.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() "
        "AND engine LIKE '%MergeTree' AND name != 'afflux_migrations'"
    )
    assert len(answer.rows) > len(TABLES)
    for name, statement in answer.rows:
        assert "non_replicated_deduplication_window = 10000" in statement, name
        assert "fsync_after_insert = 1" in statement, name
        assert ("PARTITION BY kafka_day" in statement) == name.startswith("raw_"), name


async def test_K1_each_record_is_a_row_with_all_its_fields(warehouse: Warehouse) -> None:
    one = clicks(1, seed=9)[0]
    await warehouse.insert(inserts(CODEC, one.topic, sent(CODEC, [one], first=41)))
    row = (await warehouse.query("SELECT * FROM raw_tracking_clicks")).dicts()[0]
    assert (row["kafka_partition"], row["kafka_offset"]) == (0, 41)
    assert row["click_id"] == one.click_id
    assert row["visitor_key"] == one.visitor_key
    assert row["sub"] == one.sub
    assert row["source"] == one.source
    assert row["outcome"] == one.outcome.value
    at = await scalar(
        warehouse, "SELECT toUnixTimestamp64Milli(occurred_at) FROM raw_tracking_clicks"
    )
    assert at == one.occurred_at


async def test_K1_fast_and_slow_decoding_give_the_same_rows(warehouse: Warehouse) -> None:
    some = clicks(50, seed=3)
    records = sent(CODEC, some)
    await warehouse.insert(inserts(CODEC, "tracking.clicks", records))
    for start in range(0, 50, 5):  # below eight values the codec decodes one by one
        part = records[start : start + 5]
        await warehouse.insert(inserts(CODEC, "tracking.clicks", part, partition=1))
    differing = await scalar(
        warehouse,
        "SELECT count() FROM (SELECT * EXCEPT kafka_partition, count() AS n "
        "FROM raw_tracking_clicks GROUP BY ALL HAVING n != 2)",
    )
    assert differing == 0
    assert await scalar(warehouse, "SELECT count() FROM raw_tracking_clicks") == 100


async def test_K2_a_repeated_batch_changes_nothing(warehouse: Warehouse) -> None:
    batch = inserts(CODEC, "tracking.clicks", sent(CODEC, clicks(500)))
    await warehouse.insert(batch)
    before = [await scalar(warehouse, sql) for sql in TARGETS]
    for _ in range(3):
        await warehouse.insert(batch)
    assert [await scalar(warehouse, sql) for sql in TARGETS] == before
    assert before[2] == 500


async def test_K2_the_same_rows_under_another_token_are_other_rows(warehouse: Warehouse) -> None:
    (batch,) = inserts(CODEC, "tracking.clicks", sent(CODEC, clicks(500)))
    await warehouse.insert([batch, Insert(batch.table, "another", batch.rows)])
    assert await scalar(warehouse, TARGETS[2]) == 1000
    assert await scalar(warehouse, TARGETS[0]) == 1000


async def test_K2_a_view_that_missed_its_part_heals(warehouse: Warehouse) -> None:
    batch = inserts(CODEC, "tracking.clicks", sent(CODEC, clicks(500)))
    writer = warehouse._writer
    assert writer is not None
    # What a kill between the table's part and the view's part leaves behind.
    writer.command("RENAME TABLE clicks_hourly_view TO aside")
    writer.command("DETACH TABLE aside")
    await warehouse.insert(batch)
    writer.command("ATTACH TABLE aside")
    writer.command("RENAME TABLE aside TO clicks_hourly_view")
    assert await scalar(warehouse, TARGETS[0]) == 0
    await warehouse.insert(batch)
    assert await scalar(warehouse, TARGETS[0]) == 500
    assert await scalar(warehouse, TARGETS[2]) == 500


async def test_K2_a_batch_is_one_part(warehouse: Warehouse) -> None:
    await warehouse.insert(inserts(CODEC, "tracking.clicks", sent(CODEC, clicks(20_000))))
    parts = (
        "SELECT count() FROM system.parts "
        "WHERE active AND database = currentDatabase() AND table = {table:String}"
    )
    for table in ("raw_tracking_clicks", "clicks_hourly"):
        assert await scalar(warehouse, parts, {"table": table}) == 1


async def test_K3_aggregates_equal_the_query_over_raw_rows(warehouse: Warehouse) -> None:
    await fill(warehouse, CODEC, world(2000, seed=5))
    differing = await scalar(
        warehouse,
        """SELECT count() FROM (
            SELECT k, sum(n) AS total, sum(u) AS visitors FROM (
                SELECT (hour, partner_id, offer_id, advertiser_id, link_id, country, device, os,
                        browser, source, outcome) AS k,
                       toInt64(sum(clicks)) AS n, toInt64(uniqMerge(visitors)) AS u
                FROM clicks_hourly GROUP BY k
                UNION ALL
                SELECT (toStartOfHour(toDateTime(occurred_at, 'UTC')), partner_id, offer_id,
                        advertiser_id, link_id, ifNull(country, ''), device, os, browser,
                        ifNull(source, ''), outcome) AS k,
                       -toInt64(count()) AS n, -toInt64(uniq(visitor_key)) AS u
                FROM raw_tracking_clicks GROUP BY k
            ) GROUP BY k HAVING total != 0 OR visitors != 0)""",
    )
    assert differing == 0
    flags = "SELECT uniqExactMerge(clicks) FROM flags_hourly"
    raw = "SELECT uniqExact(click_id) FROM raw_fraud_click_flags"
    assert await scalar(warehouse, flags) == await scalar(warehouse, raw) > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/x', 'LineAsString')",
        "INSERT INTO raw_undecodable (kafka_offset) VALUES (1)",
        "DROP TABLE raw_undecodable",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
async def test_K4_the_reader_cannot_write_nor_reach_the_host(
    warehouse: Warehouse, sql: str
) -> None:
    with pytest.raises(Exception, match=r"(?i)readonly"):
        await warehouse.query(sql)


async def test_edited_migrations_are_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(SCHEMAS / "clickhouse", folder)
    writer = warehouse._writer
    assert writer is not None
    assert migrate_clickhouse(writer, folder) == []
    first, *_, last = sorted(folder.iterdir())
    text = first.read_text()
    first.write_text(text + "-- edited\n")
    with pytest.raises(EditedHistory, match=first.name):
        migrate_clickhouse(writer, folder)
    first.write_text(text)
    last.unlink()
    with pytest.raises(EditedHistory, match=last.name):
        migrate_clickhouse(writer, folder)
