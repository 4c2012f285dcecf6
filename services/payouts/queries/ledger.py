"""Appending to the ledger: chain, entries, balances, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from afflux.kernel.events import LedgerEntry
from services.payouts.domain.accounts import chain_of
from services.payouts.domain.chain import Head, chained
from services.payouts.domain.digest import fold
from services.payouts.domain.payout import Payout, PayoutStatus
from services.payouts.domain.transfers import Transfer
from services.payouts.queries.rows import (
    ENTRY_COLUMNS,
    ENTRY_FIELDS,
    ENTRY_TYPES,
    Row,
    entry_from,
    entry_row,
)
from services.payouts.queries.steps import Db, copy_rows

_COPY_ENTRIES = f"COPY payouts.entries ({', '.join(ENTRY_COLUMNS)}) FROM STDIN (FORMAT binary)"
RELAY_LOCK = 0x616675785F
"""Advisory lock: one relay at a time in one database."""


async def append(db: Db, transfers: Sequence[Transfer], chains: int) -> None:
    """Chain the transfers behind the locked heads, write them, move heads and balances.

    Heads are locked in order of the chain, balances in order of the account, so that two writers
    wait for each other and never deadlock.
    """
    if not transfers:
        return
    numbers = [chain_of(transfer.partner_id, chains) for transfer in transfers]
    heads = await lock_heads(db, sorted(set(numbers)))
    rows: list[Row] = []
    for chain, transfer in zip(numbers, transfers, strict=True):
        values, heads[chain] = chained(heads[chain], transfer)
        rows.append(entry_row(transfer, values))
    await copy_rows(db, _COPY_ENTRIES, ENTRY_TYPES, rows)
    await db.execute(
        "UPDATE payouts.heads h SET sequence = n.sequence, hash = n.hash "
        "FROM unnest(%s::int[], %s::bigint[], %s::bytea[]) AS n (chain, sequence, hash) "
        "WHERE h.chain = n.chain",
        (
            [head.chain for head in heads.values()],
            [head.sequence for head in heads.values()],
            [head.hash for head in heads.values()],
        ),
    )
    await balance(db, transfers)


async def lock_heads(db: Db, chains: list[int]) -> dict[int, Head]:
    """Return the heads of these chains; nobody else appends to them until the transaction ends.

    Whoever locks more than heads locks them first.
    """
    await db.execute(
        "INSERT INTO payouts.heads (chain, sequence, hash) SELECT c, 0, %s FROM unnest(%s::int[]) c"
        " ORDER BY c ON CONFLICT DO NOTHING",
        (Head(0).hash, chains),
    )
    cursor = await db.execute(
        "SELECT chain, sequence, hash FROM payouts.heads WHERE chain = ANY(%s) "
        "ORDER BY chain FOR UPDATE",
        (chains,),
    )
    return {row[0]: Head(*row) for row in await cursor.fetchall()}


async def balance(db: Db, transfers: Sequence[Transfer]) -> None:
    """Add the transfers to the balances, in order of the account."""
    changes = sorted(item for item in fold(transfers).items() if item[1])
    await db.execute(
        "INSERT INTO payouts.balances AS b (account, currency, balance) "
        "SELECT * FROM unnest(%s::text[], %s::text[], %s::numeric[]) "
        "ON CONFLICT (account, currency) DO UPDATE SET balance = b.balance + excluded.balance",
        (
            [account for (account, _), _ in changes],
            [currency for (_, currency), _ in changes],
            [change for _, change in changes],
        ),
    )


async def lock_balance(db: Db, account: str, currency: str) -> int:
    """Return a balance and keep others from changing it until the transaction ends."""
    cursor = await db.execute(
        "SELECT balance FROM payouts.balances WHERE account = %s AND currency = %s FOR UPDATE",
        (account, currency),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def find_payout(db: Db, payout_id: bytes) -> Payout | None:
    """Return a payout, locked, or None."""
    cursor = await db.execute(
        "SELECT payout_id, partner_id, period, currency, amount, status FROM payouts.payouts "
        "WHERE payout_id = %s FOR UPDATE",
        (payout_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    identity, partner_id, period, currency, amount, status = row
    return Payout(identity, partner_id, period, currency, amount, PayoutStatus(status))


async def write_payout(db: Db, payout: Payout, at: int) -> None:
    """Write a payout that was instructed, or its end."""
    await db.execute(
        "INSERT INTO payouts.payouts (payout_id, partner_id, period, currency, amount, status, "
        "instructed_at) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (payout_id) DO UPDATE SET "
        "status = excluded.status, ended_at = excluded.instructed_at",
        (
            *(payout.payout_id, payout.partner_id, payout.period, payout.currency),
            *(payout.amount, payout.status.value, at),
        ),
    )


async def try_relay_lock(db: Db) -> bool:
    """Be the one relay of this database until the transaction ends; False: another one is."""
    cursor = await db.execute("SELECT pg_try_advisory_xact_lock(%s)", (RELAY_LOCK,))
    row = await cursor.fetchone()
    return bool(row and row[0])


async def unpublished(db: Db, limit: int) -> list[LedgerEntry]:
    """Return up to `limit` entries a chain that the outbox has not sent, in the chain's order."""
    columns = ", ".join(f"e.{name}" for name in ENTRY_FIELDS)
    query = (
        f"SELECT {columns} FROM payouts.heads h LEFT JOIN payouts.outbox o USING (chain) "
        "CROSS JOIN LATERAL (SELECT * FROM payouts.entries x WHERE x.chain = h.chain "
        "AND x.sequence > coalesce(o.published, 0) ORDER BY x.sequence LIMIT %s) e "
        "WHERE h.sequence > coalesce(o.published, 0) ORDER BY e.chain, e.sequence"
    )
    cursor = await db.execute(cast(Any, query), (limit,))
    return [entry_from(row) for row in await cursor.fetchall()]


async def mark_published(db: Db, entries: Sequence[LedgerEntry]) -> None:
    """Move the outbox behind these entries, which are acknowledged; it never moves back."""
    last = {entry.chain: entry.sequence for entry in entries}
    await db.execute(
        "INSERT INTO payouts.outbox AS o (chain, published) "
        "SELECT * FROM unnest(%s::int[], %s::bigint[]) "
        "ON CONFLICT (chain) DO UPDATE SET published = greatest(o.published, excluded.published)",
        (list(last), list(last.values())),
    )
