"""Erasing visitors in the column store: the rows go, the counts and law K1 stay, in any order."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from datetime import date

import pytest
import pytest_asyncio

from afflux.kernel.events import (
    Click,
    Conversion,
    Event,
)
from afflux.runtime.codec import Codec
from afflux.runtime.migrate import read_migrations
from afflux.runtime.paths import SCHEMAS
from services.analytics.conservation import tallies
from services.analytics.domain.filters import Dimension
from services.analytics.domain.kpis import chosen
from services.analytics.domain.query import Query
from services.analytics.domain.tables import TOPICS, table_of
from services.analytics.eraser import Eraser
from services.analytics.kpi import run_query
from services.analytics.process import rows_of
from services.analytics.warehouse import Insert, Warehouse
from tests.analytics_money import START
from tests.analytics_personal import WHO, WORLD, ids_of
from tests.analytics_samples import erasure
from tests.support.traces import traces
from tests.support.warehouses import DAY, empty, open_warehouse, scalar, sent

CODEC = Codec.load()


HELD = {"raw_privacy_erasures.visitor_key"}
"""What may name an erased visitor: who is refused must be known (docs/privacy.md)."""
PERSONAL = {
    "raw_tracking_clicks.visitor_key",
    "raw_tracking_clicks.click_id",
    "raw_tracking_clicks.event_id",
    "raw_tracking_impressions.visitor_key",
    "raw_fraud_click_flags.visitor_key",
    "raw_fraud_click_flags.click_id",
    "flagged_clicks.click_id",
    "raw_tracking_conversions.visitor_key",
    "raw_tracking_conversions.click_id",
    "raw_tracking_conversions.customer_key",
    "raw_attribution_decisions.bound_by",
    "raw_attribution_decisions.customer_key",
    "raw_attribution_decisions.share_click_id",
    "raw_attribution_decisions.shares",
    "raw_attribution_decisions.touches",
    "raw_fraud_assessments.decided_bound_by",
    "raw_fraud_assessments.decided_customer_key",
    "raw_fraud_assessments.decided_share_click_id",
    "raw_fraud_assessments.decided_shares",
    "raw_fraud_assessments.decided_touches",
    "raw_fraud_assessments.reasons",
    "assessments_current.share_click_id",
}
"""Where such a world names a visitor that nobody erased."""
ALL = chosen("impressions,clicks_gross,clicks_valid,clicks_invalid", for_partner=False)
D = Dimension


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def store() -> AsyncIterator[Warehouse]:
    async with open_warehouse() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def warehouse(store: Warehouse) -> Warehouse:
    await empty(store)
    return store


class Sink:
    """The sink in miniature: insert under a token, then erase; a batch can be repeated."""

    def __init__(self, warehouse: Warehouse, salt: str) -> None:
        self.warehouse = warehouse
        self.eraser = Eraser(warehouse)
        self.salt = salt
        self._next: dict[str, int] = {}

    async def store(self, events: Sequence[Event], day: date = DAY, crash: bool = False) -> None:
        """Store events as one batch of their topic; a crash comes before the erasing."""
        topic = events[0].topic
        first = self._next.get(topic, 0)
        self._next[topic] = first + len(events)
        await self.batch(topic, first, events, day, crash)

    async def batch(
        self, topic: str, first: int, events: Sequence[Event], day: date, crash: bool = False
    ) -> None:
        rows = rows_of(CODEC, table_of(topic), 0, day, sent(CODEC, events, first))
        assert rows.decoded is not None
        token = f"{self.salt}/{topic}/{first}"
        await self.warehouse.insert([Insert(table_of(topic).name, token, rows.decoded)])
        if not crash:
            await self.eraser.after(topic, rows.decoded)


def by_topic() -> dict[str, list[Event]]:
    """The world's events, each topic in order."""
    found: dict[str, list[Event]] = {}
    for event in WORLD:
        found.setdefault(event.topic, []).append(event)
    return found


async def kpis(warehouse: Warehouse) -> list[object]:
    """What reports say, from the aggregates and from raw rows."""
    whole = await run_query(warehouse, Query((D.PARTNER, D.COUNTRY)), ALL)
    odd = await run_query(warehouse, Query((D.PARTNER, D.COUNTRY), start=START + 1), ALL)
    assert whole.totals == (await run_query(warehouse, Query(), ALL)).totals
    return [whole.table, odd.table]


async def k1(warehouse: Warehouse) -> list[tuple[str, int, str, str]]:
    """What law K1 compares, of every topic."""
    found = await tallies(warehouse, [f"{topic}/0/0/100000" for topic in TOPICS])
    return [(b.topic, b.count, b.xor, b.amount) for b in found]


async def test_T5_an_erasure_leaves_no_row_of_the_visitor_and_every_count_as_it_was(
    warehouse: Warehouse,
) -> None:
    sink = Sink(warehouse, "one")
    for events in by_topic().values():
        await sink.store(events)
    before, sums = await kpis(warehouse), await k1(warehouse)
    assert set(await traces(warehouse, ids_of(WHO))) == PERSONAL
    rows = await scalar(warehouse, "SELECT count() FROM raw_tracking_clicks")
    own = sum(isinstance(e, Click) and e.visitor_key == WHO for e in WORLD)
    await sink.store([erasure(WHO)])
    assert set(await traces(warehouse, ids_of(WHO))) == HELD
    assert await scalar(warehouse, "SELECT count() FROM raw_tracking_clicks") == rows - own > 0
    assert await kpis(warehouse) == before
    assert [one for one in await k1(warehouse) if one[0] != "privacy.erasures"] == sums


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_T5_the_order_in_which_topics_are_stored_does_not_matter(
    warehouse: Warehouse, seed: int
) -> None:
    batches = [[erasure(WHO)], *by_topic().values()]
    random.Random(seed).shuffle(batches)
    sink = Sink(warehouse, f"order-{seed}")
    for events in batches:
        half = len(events) // 2
        for part in (events[:half], events[half:]):
            if part:
                await sink.store(part)
    assert set(await traces(warehouse, ids_of(WHO))) == HELD
    for topic, count, _, _ in await k1(warehouse):
        assert count == (1 if topic == "privacy.erasures" else len(by_topic()[topic]))


async def test_K2_a_crash_before_the_erasing_is_mended_by_the_repetition(
    warehouse: Warehouse,
) -> None:
    sink = Sink(warehouse, "crash")
    for events in by_topic().values():
        await sink.store(events)
    sums, before = await k1(warehouse), await kpis(warehouse)
    for topic in ("privacy.erasures", *by_topic()):
        events = [erasure(WHO)] if topic == "privacy.erasures" else by_topic()[topic]
        await sink.batch(topic, 0, events, DAY, crash=topic == "privacy.erasures")
        await sink.batch(topic, 0, events, DAY)
    assert set(await traces(warehouse, ids_of(WHO))) == HELD
    assert await kpis(warehouse) == before
    assert [one for one in await k1(warehouse) if one[0] != "privacy.erasures"] == sums


async def test_T5_an_erasure_that_stopped_between_two_statements_is_completed(
    warehouse: Warehouse,
) -> None:
    sink = Sink(warehouse, "stop")
    for events in by_topic().values():
        await sink.store(events)
    sums, before = await k1(warehouse), await kpis(warehouse)
    real, left = warehouse.run, 0

    async def run_some(statements: Sequence[str]) -> None:
        for statement in statements:
            nonlocal left
            if left == 0:
                raise InterruptedError
            left -= 1
            await real([statement])

    erased = False
    for attempt in range(1, 40):
        left = attempt
        warehouse.run = run_some  # type: ignore[method-assign]
        try:
            await sink.batch("privacy.erasures", 0, [erasure(WHO)], DAY)
            erased = True
        except InterruptedError:
            continue
        finally:
            warehouse.run = real  # type: ignore[method-assign]
        break
    assert erased
    assert attempt > 3
    assert set(await traces(warehouse, ids_of(WHO))) == HELD
    assert await kpis(warehouse) == before
    assert [one for one in await k1(warehouse) if one[0] != "privacy.erasures"] == sums


async def test_T5_what_an_earlier_erasure_left_under_null_is_removed(warehouse: Warehouse) -> None:
    sink = Sink(warehouse, "masked")
    sales = [e for e in WORLD if isinstance(e, Conversion) and e.visitor_key == WHO]
    await sink.store(sales)
    mask = "UPDATE visitor_key = NULL, click_id = NULL, customer_key = NULL WHERE kafka_offset >= 0"
    keys = ", ".join(f"(unhex('{sale.conversion_key.hex()}'))" for sale in sales)
    await warehouse.run(
        [
            f"ALTER TABLE raw_tracking_conversions {mask} SETTINGS mutations_sync = 2",
            f"INSERT INTO erased_conversions VALUES {keys}",
        ]
    )
    columns = {f"raw_tracking_conversions.{c}" for c in ("visitor_key", "click_id", "customer_key")}
    assert columns <= set(await traces(warehouse, ids_of(WHO)))
    (mend,) = (one for one in read_migrations(SCHEMAS / "clickhouse") if "under_null" in one.name)
    await warehouse.run(mend.statements)
    assert await traces(warehouse, ids_of(WHO)) == {}
