"""The ledger in PostgreSQL: one transaction a batch, fenced, append-only, chained."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from afflux.kernel.catalog import FxRate
from afflux.kernel.events import Adjustment, AdjustmentKind, Assessment, Status
from afflux.kernel.types import Millis
from afflux.runtime import pg
from afflux.runtime.migrate import migrate_postgres
from services.payouts.domain.digest import balances_digest, fold
from services.payouts.domain.payout import NotPayable
from services.payouts.ledger import end_payout, instruct_payout
from services.payouts.queries import audit
from services.payouts.queries.rows import transfer_from
from services.payouts.queries.steps import Db, OwnershipLost
from services.payouts.verify import Chains
from tests.payouts_book import Book
from tests.payouts_log import facts
from tests.payouts_samples import (
    DAY,
    T0,
    adjustment,
    assessment,
    catalog,
    change,
    offer,
    partner,
    share,
)
from tests.payouts_stage import balances, database, feeding

HOLD = T0 + 30 * DAY
REFUND = AdjustmentKind.REFUND


@pytest.fixture
def ledger_dsn(fresh_postgres: str) -> Iterator[str]:
    migrate_postgres(fresh_postgres)
    yield fresh_postgres


async def test_L6_a_zombie_owner_s_write_fails_and_leaves_nothing(ledger_dsn: str) -> None:
    async with feeding(ledger_dsn) as zombie, database(ledger_dsn) as db:
        await zombie.feed(assessment("t1"), now=T0)
        positions, _ = await zombie.process([assessment("t2"), assessment("t3")], T0 + 1)
        async with feeding(ledger_dsn) as owner:
            assert owner.next == zombie.next
            with pytest.raises(OwnershipLost):
                await zombie.stage.commit(positions, Millis(T0 + 1))
            assert (await balances(db))["partner:100:pending EUR"] == 800
            await owner.feed(assessment("t2"), assessment("t3"), now=T0 + 2)
        assert (await balances(db))["partner:100:pending EUR"] == 2400


async def test_L6_a_batch_that_was_not_committed_is_taken_again_to_the_same_end(
    ledger_dsn: str,
) -> None:
    batch: list[Assessment | Adjustment] = [
        assessment("t1"),
        assessment("t2"),
        adjustment(REFUND, 5_000),
    ]
    async with feeding(ledger_dsn) as crashed:
        await crashed.process(batch, T0)
    async with feeding(ledger_dsn) as owner, database(ledger_dsn) as db:
        await owner.feed(*batch, now=T0 + 5)
        assert (await balances(db))["partner:100:pending EUR"] == 1200
        assert await owner.feed(now=T0 + 6) == []


async def test_the_store_ends_where_the_pure_functions_end(ledger_dsn: str) -> None:
    log, book = facts(300, seed=3), Book()
    async with feeding(ledger_dsn) as feeder, database(ledger_dsn) as db:
        for start in range(0, len(log), 50):
            await feeder.feed(*log[start : start + 50], now=T0)
        for event in log:
            book.take(event)
        await feeder.feed(now=HOLD)
        book.wake(HOLD)
        assert await balances(db) == book.balances
        await _assert_laws(db)


async def _assert_laws(db: Db) -> None:
    chains, transfers = Chains(), []
    async with db.transaction():
        async for number, entry in audit.entries(db):
            chains.take(entry)
            transfers.append(transfer_from(number, entry))
        stored = await audit.balances(db)
        assert await audit.excessive_reversals(db) == 0
    assert chains.verdict() == "whole"
    assert len(transfers) == sum(head.sequence for head in chains.heads.values())
    assert balances_digest(stored) == balances_digest(fold(transfers))
    assert sum(stored.values()) == 0


async def test_L2_the_database_refuses_to_change_or_remove_an_entry(ledger_dsn: str) -> None:
    async with feeding(ledger_dsn) as feeder, database(ledger_dsn) as db:
        await feeder.feed(assessment(), now=T0)
        for statement in (
            "UPDATE payouts.entries SET amount_minor = 1",
            "DELETE FROM payouts.entries",
            "TRUNCATE payouts.entries",
        ):
            with pytest.raises(pg.errors.RaiseException, match="append-only"):
                await db.execute(statement)


async def test_L3_the_clock_releases_what_is_due_and_records_whom_it_woke(ledger_dsn: str) -> None:
    async with feeding(ledger_dsn) as feeder, database(ledger_dsn) as db:
        await feeder.feed(assessment("t1"), assessment("t2", at=T0 + 1000), now=T0)
        await feeder.feed(now=HOLD - 1)
        assert "partner:100:available EUR" not in await balances(db)
        await feeder.feed(now=HOLD + 200)
        assert (await balances(db))["partner:100:available EUR"] == 800
        await feeder.feed(now=HOLD + 1200)
        assert (await balances(db))["partner:100:available EUR"] == 1600
        woken = [r.step.woken for r in await audit.recorded_steps(db) if r.step.woken]
        assert [len(keys) for keys in woken] == [1, 1]


async def test_L9_a_parked_conversion_is_posted_once_the_catalogue_knows_the_rate(
    ledger_dsn: str,
) -> None:
    view = catalog(partner(102, currency="USD"), offer())
    rate = FxRate(base="EUR", quote="USD", rate="1.5", source="ecb")
    async with feeding(ledger_dsn, view) as feeder, database(ledger_dsn) as db:
        await feeder.feed(assessment(shares=[share(102)]), now=T0)
        await feeder.feed(now=T0 + 200)
        assert (await balances(db), await audit.counts(db)) == ({}, {"waiting": 1})
        view.apply(change(rate, recorded_at=T0 + 1_200))
        await feeder.feed(now=T0 + 400)
        assert await balances(db) == {}
        await feeder.feed(now=T0 + 1_500)
        assert (await balances(db))["partner:102:pending USD"] == 1200
        assert await audit.counts(db) == {"pending": 1}


async def test_L3_a_refund_after_the_payment_goes_below_zero_and_is_netted(ledger_dsn: str) -> None:
    async with feeding(ledger_dsn) as feeder, database(ledger_dsn) as db:
        await feeder.feed(assessment("t1"), now=HOLD)
        with pytest.raises(NotPayable):
            await instruct_payout(db, 100, "2023-12", "EUR", 801, Millis(HOLD), 2)
        payout = await instruct_payout(db, 100, "2023-12", "EUR", 800, Millis(HOLD), 2)
        again = await instruct_payout(db, 100, "2023-12", "EUR", 800, Millis(HOLD), 2)
        assert again == payout
        await end_payout(db, payout.payout_id, paid=True, at=Millis(HOLD + 1), chains=2)
        await feeder.feed(adjustment(REFUND, 2_500), now=HOLD + DAY)
        found = await balances(db)
        assert found["partner:100:available EUR"] == -200
        assert found["partner:100:paid EUR"] == 800
        await feeder.feed(assessment("t2"), now=HOLD + DAY)
        assert (await balances(db))["partner:100:available EUR"] == 600
        await _assert_laws(db)


async def test_L8_a_failed_payout_is_available_again(ledger_dsn: str) -> None:
    async with feeding(ledger_dsn) as feeder, database(ledger_dsn) as db:
        await feeder.feed(assessment("t1"), now=HOLD)
        payout = await instruct_payout(db, 100, "2023-12", "EUR", 300, Millis(HOLD), 2)
        await end_payout(db, payout.payout_id, paid=False, at=Millis(HOLD + 1), chains=2)
        assert (await balances(db))["partner:100:available EUR"] == 800
        with pytest.raises(NotPayable):
            await end_payout(db, payout.payout_id, paid=True, at=Millis(HOLD + 2), chains=2)
        await _assert_laws(db)


async def test_I2_S1_refused_facts_are_dead_letters_with_their_bytes(ledger_dsn: str) -> None:
    parked = adjustment(REFUND, 100, currency="USD", identity="dollars")
    other = assessment(body="another", version=2, status=Status.PENDING)
    async with feeding(ledger_dsn) as feeder, database(ledger_dsn) as db:
        assert await feeder.feed(parked, now=T0) == []
        letters = await feeder.feed(assessment(), now=T0)
        letters += await feeder.feed(other, now=T0)
        assert [letter.reason for letter in letters] == ["field_invalid", "conflicting_report"]
        bytes_of = [feeder.codec.encode(event) for event in (parked, other)]
        assert [letter.origin_value for letter in letters] == bytes_of
        counts = await audit.counts(db)
        assert counts["refused:conflicting_report"] == counts["refused:field_invalid"] == 1
