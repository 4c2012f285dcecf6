"""Reading the whole ledger: for its verification and for people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from msgspec import Struct

from afflux.kernel.events import LedgerEntry
from afflux.kernel.types import Millis
from services.payouts.domain.payout import Payout, PayoutStatus
from services.payouts.process import Step
from services.payouts.queries.rows import ENTRY_FIELDS, entry_from, keys_of
from services.payouts.queries.steps import Db

_FIELDS = ", ".join(ENTRY_FIELDS)
_ITERSIZE = 5_000


class Recorded(Struct, frozen=True):
    """A step as it was recorded: offset ranges [from, to) of assessments, then of adjustments."""

    step: Step
    assessments: tuple[int, int]
    adjustments: tuple[int, int]


class PayoutRow(Struct, frozen=True):
    """A payout with its instants."""

    payout: Payout
    instructed_at: Millis
    ended_at: Millis | None


async def freeze(db: Db) -> None:
    """Make all reads of the open transaction see one state."""
    await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


async def recorded_steps(db: Db) -> list[Recorded]:
    """Return every step, by number, then partition."""
    cursor = await db.execute(
        "SELECT partition, number, as_of, woken, assessments_from, assessments_to, "
        "adjustments_from, adjustments_to FROM payouts.steps ORDER BY number, partition"
    )
    return [
        Recorded(Step(row[0], row[1], row[2], keys_of(row[3])), row[4:6], row[6:8])
        for row in await cursor.fetchall()
    ]


async def positions(db: Db) -> dict[int, tuple[int, int, int]]:
    """Return (step, next assessment, next adjustment) by partition."""
    cursor = await db.execute(
        "SELECT partition, step, assessments, adjustments FROM payouts.partitions"
    )
    return {row[0]: tuple(row[1:]) for row in await cursor.fetchall()}


async def entries(db: Db, partner_id: int | None = None) -> AsyncIterator[tuple[int, LedgerEntry]]:
    """Yield (number, entry), all by chain and sequence or those of one partner."""
    where = "" if partner_id is None else "WHERE partner_id = %s "
    query = f"SELECT number, {_FIELDS} FROM payouts.entries {where}ORDER BY chain, sequence"
    async with db.cursor(name="entries") as cursor:
        cursor.itersize = _ITERSIZE
        await cursor.execute(query, [partner_id] if where else None)
        async for row in cursor:
            yield row[0], entry_from(row[1:])


async def standings(db: Db) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield key and stored form of every conversion."""
    async with db.cursor(name="standings") as cursor:
        cursor.itersize = _ITERSIZE
        await cursor.execute("SELECT key, standing FROM payouts.conversions")
        async for row in cursor:
            yield row[0], row[1]


async def balances(db: Db) -> dict[tuple[str, str], int]:
    """Return every balance by (account, currency)."""
    cursor = await db.execute(
        "SELECT account, currency, balance FROM payouts.balances ORDER BY account, currency"
    )
    return {(row[0], row[1]): int(row[2]) for row in await cursor.fetchall()}


async def published(db: Db) -> dict[int, int]:
    """Return the last sequence that the outbox has sent, by chain."""
    cursor = await db.execute("SELECT chain, published FROM payouts.outbox")
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def unpublished(db: Db) -> int:
    """Return how many entries the outbox has not sent yet."""
    cursor = await db.execute(
        "SELECT coalesce(sum(heads.sequence - coalesce(outbox.published, 0)), 0) "
        "FROM payouts.heads LEFT JOIN payouts.outbox USING (chain)"
    )
    return _number(await cursor.fetchone())


async def due_before(db: Db, instant: Millis) -> int:
    """Return how many conversions wait for an instant before this one."""
    cursor = await db.execute(
        "SELECT count(*) FROM payouts.conversions WHERE due_at < %s", (instant,)
    )
    return _number(await cursor.fetchone())


async def excessive_reversals(db: Db) -> int:
    """Return how many entries are corrected by more than they are, or do not exist (law L2)."""
    cursor = await db.execute(
        "SELECT count(*) FROM (SELECT corrects, currency, sum(amount_minor) AS total "
        "FROM payouts.entries WHERE corrects IS NOT NULL GROUP BY 1, 2) r "
        "LEFT JOIN payouts.entries e ON e.event_id = r.corrects AND e.currency = r.currency "
        "WHERE e.event_id IS NULL OR r.total > e.amount_minor"
    )
    return _number(await cursor.fetchone())


async def payout_rows(db: Db) -> list[PayoutRow]:
    """Return every payout."""
    cursor = await db.execute(
        "SELECT payout_id, partner_id, period, currency, amount, status, instructed_at, ended_at "
        "FROM payouts.payouts ORDER BY payout_id"
    )
    found = []
    for row in await cursor.fetchall():
        identity, partner_id, period, currency, amount, status, instructed_at, ended_at = row
        payout = Payout(identity, partner_id, period, currency, amount, PayoutStatus(status))
        found.append(PayoutRow(payout, instructed_at, ended_at))
    return found


async def counts(db: Db) -> dict[str, int]:
    """Return how many conversions stand where, and how many facts were refused, by name."""
    cursor = await db.execute(
        "SELECT status, count(*) FROM payouts.conversions GROUP BY 1 UNION ALL "
        "SELECT 'refused:' || reason, count(*) FROM payouts.refusals GROUP BY 1 ORDER BY 1"
    )
    return {row[0]: row[1] for row in await cursor.fetchall()}


def _number(row: Any) -> int:
    return cast(int, row[0])
