"""KPIs over a warehouse: each equals a count made in Python; a scope is never left (law K4)."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator
from fractions import Fraction

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.kernel.events import (
    Adjustment,
    AdjustmentKind,
    Assessment,
    Click,
    ClickFlag,
    ClickOutcome,
    Event,
    Impression,
    LedgerEntry,
    Verdict,
)
from afflux.kernel.money import major
from afflux.runtime.codec import Codec
from services.analytics.domain.filters import (
    IDS,
    Dimension,
    Every,
    Filter,
    Is,
    Not,
    Refusal,
    Scope,
    Some,
    parse_where,
)
from services.analytics.domain.kpis import chosen
from services.analytics.domain.query import Query, compile_query
from services.analytics.kpi import Result, run_query
from services.analytics.layout import as_csv
from services.analytics.warehouse import Warehouse
from tests.analytics_money import START, adjustment
from tests.analytics_samples import assessment, click, conversion, decision, world
from tests.support.warehouses import fill, inserts, open_warehouse, sent

D = Dimension
CODEC = Codec.load()
WORLD = world(600, seed=11)
ALL = chosen("all", for_partner=False)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def warehouse() -> AsyncIterator[Warehouse]:
    async with open_warehouse() as opened:
        await fill(opened, CODEC, [*WORLD, *_said_twice()])
        yield opened


def _said_twice() -> list[Event]:
    """What at-least-once publishing may repeat: no KPI may change by it."""
    repeated = [
        e for e in WORLD if isinstance(e, ClickFlag | Assessment | LedgerEntry | Adjustment)
    ]
    # other bytes in another batch: the same events after one that never was before
    return [event for event in repeated if hash(event.event_id) % 3 == 0]


def rows_of(result: Result) -> list[dict[str, object]]:
    names = [d.value for d in result.table.dimensions] + list(result.table.kpis)
    return [dict(zip(names, (*row.key, *row.cells), strict=True)) for row in result.table.rows]


def of_type(kind: type[Event]) -> list:  # type: ignore[type-arg]
    return [event for event in WORLD if type(event) is kind]


SENT_ON = [
    c for c in of_type(Click) if c.outcome in (ClickOutcome.REDIRECTED, ClickOutcome.FALLBACK)
]
FLAGGED = {f.click_id for f in of_type(ClickFlag)}


async def test_K3_clicks_by_partner_and_day_equal_a_count_in_python(warehouse: Warehouse) -> None:
    gross: dict[tuple[int, int], int] = defaultdict(int)
    invalid: dict[tuple[int, int], int] = defaultdict(int)
    visitors: dict[tuple[int, int], set[bytes]] = defaultdict(set)
    for one in SENT_ON:
        key = (one.partner_id, (one.occurred_at - START) // 86_400_000)
        gross[key] += 1
        invalid[key] += one.click_id in FLAGGED
        visitors[key].add(one.visitor_key)
    found = rows_of(await run_query(warehouse, Query((D.PARTNER, D.DAY)), ALL))
    seen = {}
    for row in found:
        day = int(str(row["day"])[-2:]) - 1
        seen[row["partner"], day] = (
            row["clicks_gross"],
            row["clicks_invalid"],
            row["clicks_unique"],
        )
    for key, count in gross.items():
        assert seen[key] == (count, invalid[key], len(visitors[key]))
        assert any(row["clicks_valid"] == count - invalid[key] for row in found)


async def test_K3_impressions_and_their_rates_equal_a_count_in_python(
    warehouse: Warehouse,
) -> None:
    views = [i for i in of_type(Impression) if i.reason is None]
    assert 0 < len(views) < len(of_type(Impression))
    found = rows_of(await run_query(warehouse, Query((D.PARTNER,)), ALL))
    for row in found:
        count = sum(i.partner_id == row["partner"] for i in views)
        assert row["impressions"] == count
        assert row["ctr"] == round(row["clicks_valid"] / count, 6)
        thousand = Fraction(1000) * Fraction(row["commission"]) / count
        assert abs(Fraction(row["ecpm"]) - thousand) <= Fraction(1, 10**6)
    german = Query((D.PARTNER,), where=Is(D.COUNTRY, ("DE",)))
    for row in rows_of(await run_query(warehouse, german, ALL)):
        of_partner = [i for i in views if i.partner_id == row["partner"] and i.country == "DE"]
        assert row["impressions"] == len(of_partner)
    (total, *_) = rows_of(await run_query(warehouse, Query((D.SUB1,)), ALL))
    assert total["impressions"] == sum(not i.sub for i in views)


async def test_K3_the_aggregate_and_the_raw_rows_give_the_same_table(warehouse: Warehouse) -> None:
    by = (D.PARTNER, D.COUNTRY, D.SOURCE)
    fast = Query(by)
    slow = Query(by, end=START + 10**11 + 1)  # no whole hour: only raw rows can answer
    assert "clicks_hourly" in compile_query(fast)[0].sql
    assert "clicks_hourly" not in compile_query(slow)[0].sql
    assert (await run_query(warehouse, fast, ALL)).table == (
        await run_query(warehouse, slow, ALL)
    ).table


async def test_conversions_stand_in_the_state_of_their_newest_assessment(
    warehouse: Warehouse,
) -> None:
    (row, *_) = rows_of(await run_query(warehouse, Query(), ALL))
    latest = of_type(Assessment)
    assert row["conversions"] == len(latest)
    assert row["conversions_rejected"] == sum(a.verdict is Verdict.REJECT for a in latest)
    assert row["conversions_held"] == sum(a.verdict is Verdict.HOLD for a in latest)
    assert row["conversions_approved"] == sum(a.verdict is Verdict.PASS for a in latest)
    assert row["conversions_refunded"] == len(of_type(Adjustment))
    times = sorted(a.decision.occurred_at - a.decision.shares[0].clicked_at for a in latest)
    assert row["ctit_p50"] == times[len(times) // 2]


async def test_money_is_net_by_currency_and_an_entry_counts_once(warehouse: Warehouse) -> None:
    revenue: dict[tuple[int, str], int] = defaultdict(int)
    commission: dict[tuple[int, str], int] = defaultdict(int)
    for entry in of_type(LedgerEntry):
        key = (entry.partner_id, entry.currency)
        revenue[key] += entry.amount_minor * entry.debit.startswith("advertiser:")
        commission[key] += entry.amount_minor * entry.credit.startswith("partner:")
    found = rows_of(await run_query(warehouse, Query((D.PARTNER,)), ALL))
    assert {currency for _, currency in revenue} == {"EUR", "USD"}
    for row in found:
        key = (row["partner"], row["currency"])
        assert row["revenue"] == major(revenue[key], key[1])
        assert row["commission"] == major(commission[key], key[1])
        assert row["margin"] == major(revenue[key] - commission[key], key[1])
        each = Fraction(commission[key], row["clicks_valid"])
        assert abs(Fraction(row["epc"]) * 100 - each) <= Fraction(1, 10_000)


async def test_money_can_be_split_by_what_only_the_click_knows(warehouse: Warehouse) -> None:
    whole = rows_of(await run_query(warehouse, Query(), ALL))
    split = rows_of(await run_query(warehouse, Query((D.DEVICE, D.SOURCE, D.SUB1)), ALL))
    for total in whole:
        parts = [row for row in split if row["currency"] == total["currency"]]
        for kpi in ("revenue", "commission", "margin", "order_value"):
            cents = sum(round(float(row[kpi]) * 100) for row in parts if row[kpi] is not None)
            assert cents == round(float(total[kpi]) * 100), kpi


async def test_a_condition_on_a_goal_leaves_clicks_whole(warehouse: Warehouse) -> None:
    everything = rows_of(await run_query(warehouse, Query(), ALL))
    sales = rows_of(await run_query(warehouse, Query(where=parse_where(["goal=sale"])), ALL))
    none = rows_of(await run_query(warehouse, Query(where=parse_where(["goal=lead"])), ALL))
    assert sales == everything
    assert none[0]["clicks_gross"] == everything[0]["clicks_gross"]
    assert none[0]["conversions"] == 0


async def test_from_is_within_and_to_is_not(warehouse: Warehouse) -> None:
    one = SENT_ON[0]
    for start, end, expected in ((0, 1, 1), (1, 2, 0), (-1, 0, 0)):
        query = Query(
            where=Is(D.LINK, (one.link_id,)),
            start=one.occurred_at + start,
            end=one.occurred_at + end,
        )
        (row, *_) = rows_of(await run_query(warehouse, query, ALL))
        assert row["clicks_gross"] == expected


async def test_a_rejection_is_undone_by_reinstating(warehouse: Warehouse) -> None:
    one = click(random.Random(1), 10**6, partner_id=99)
    sale = conversion(one, 10**6)
    said = [adjustment(sale, AdjustmentKind.REJECT, 0)]

    async def tell(events: list[Event], first: int) -> tuple[object, object]:
        for event in events:
            batch = inserts(CODEC, event.topic, sent(CODEC, [event], first), partition=3)
            await warehouse.insert(batch)
        query = Query(where=Is(D.PARTNER, (99,)))
        row = rows_of(await run_query(warehouse, query, ALL))[0]
        return row["conversions_rejected"], row["conversions_approved"]

    assert await tell([assessment(decision(sale, one)), *said], 0) == (1, 0)
    assert await tell([adjustment(sale, AdjustmentKind.REINSTATE, 1)], 1) == (0, 1)
    # A later version of the assessment replaces the earlier one.
    second = assessment(decision(sale, one, version=2), Verdict.REJECT)
    assert await tell([second], 2) == (1, 0)


async def test_names_stand_beside_ids_in_csv(warehouse: Warehouse) -> None:
    result = await run_query(
        warehouse, Query((D.PARTNER,)), chosen("clicks_gross", for_partner=False)
    )
    lines = as_csv(result).splitlines()
    assert lines[0].startswith("partner,partner_name,")
    assert lines[1].startswith("1,Partner 1,")


# --- law K4 ---------------------------------------------------------------------------------------

TEXTS = st.sampled_from(
    ["", "DE", "desktop", "mail", "a", "b'\\{x}", "' OR 1 = 1 --", "sale", "EUR"]
)


def _leaf(dimension: Dimension) -> st.SearchStrategy[Filter]:
    values = st.integers(0, 120) if dimension in IDS else TEXTS
    return st.lists(values, max_size=3).map(lambda found: Is(dimension, tuple(found)))


EVERYWHERE = [d for d in Dimension if d not in (D.GOAL, D.CURRENCY)]
TREES = st.recursive(
    st.sampled_from(EVERYWHERE).flatmap(_leaf),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(lambda parts: Every(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Some(tuple(parts))),
    ),
    max_leaves=6,
)


@settings(max_examples=10)
@given(
    where=TREES,
    by=st.lists(st.sampled_from(EVERYWHERE), unique=True, max_size=2),
    mine=st.sets(st.integers(1, 6), max_size=2),
)
async def test_K4_a_partner_sees_its_own_rows_only(
    warehouse: Warehouse, where: Filter, by: list[Dimension], mine: set[int]
) -> None:
    scope = Scope(tuple(sorted(mine)))
    split = tuple(dict.fromkeys((*by, D.PARTNER)))
    kpis = chosen("all", for_partner=True)
    result = await run_query(warehouse, Query(split, where, scope=scope), kpis)
    assert {row["partner"] for row in rows_of(result)} <= mine
    # and what is not split by partner is what an operator gets by asking for these partners
    scoped = await run_query(warehouse, Query(tuple(by), where, scope=scope), kpis)
    own = Every(
        (*(where.parts if isinstance(where, Every) else (where,)), Is(D.PARTNER, scope.partner_ids))
    )
    assert scoped.table == (await run_query(warehouse, Query(tuple(by), own), kpis)).table


def test_K4_what_the_network_earns_is_not_for_partners() -> None:
    assert {"revenue", "margin", "network_epc", "roi"}.isdisjoint(
        kpi.name for kpi in chosen("all", for_partner=True)
    )
    with pytest.raises(Refusal, match="margin"):
        chosen("commission,margin", for_partner=True)
