"""Balances as ClickHouse adds them up: a credit adds to an account, a debit takes from it."""

from __future__ import annotations

from services.analytics.warehouse import Warehouse

# An entry is counted once although the outbox may send it twice (law L7).
_BALANCES = """
SELECT account, currency, sum(minor) FROM (
    SELECT credit AS account, currency, toInt128(amount_minor) AS minor
    FROM (SELECT DISTINCT event_id, credit, currency, amount_minor FROM raw_payouts_commissions)
    UNION ALL
    SELECT debit AS account, currency, -toInt128(amount_minor) AS minor
    FROM (SELECT DISTINCT event_id, debit, currency, amount_minor FROM raw_payouts_commissions)
) GROUP BY account, currency ORDER BY account, currency
"""


async def accounts(warehouse: Warehouse) -> list[dict[str, str]]:
    """Return account, currency and minor units (as text: they may pass 2^53)."""
    answer = await warehouse.query(_BALANCES, {})
    return [
        {"account": str(account), "currency": str(currency), "minor": str(minor)}
        for account, currency, minor in answer.rows
    ]
