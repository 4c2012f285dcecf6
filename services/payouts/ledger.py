"""The ledger's own interface for payouts: each call is one transaction (laws L1, L3, L8)."""

from __future__ import annotations

from afflux.kernel.types import Millis
from services.payouts.domain import accounts
from services.payouts.domain import payout as transitions
from services.payouts.domain.payout import NotPayable, Payout
from services.payouts.queries import ledger
from services.payouts.queries.steps import Db


async def instruct_payout(
    db: Db, partner_id: int, period: str, currency: str, amount: int, at: Millis, chains: int
) -> Payout:
    """Take `amount` minor units of a partner's available money into a payout.

    The same partner, period and currency is one payout: a repeat returns it as it stands, another
    amount raises NotPayable, as does more than is available.
    """
    async with db.transaction():
        identity = transitions.payout_id(partner_id, period, currency)
        await ledger.lock_heads(db, [accounts.chain_of(partner_id, chains)])
        balance = await ledger.lock_balance(db, accounts.available(partner_id), currency)
        known = await ledger.find_payout(db, identity)
        if known is not None:
            if known.amount != amount:
                raise NotPayable(f"the payout of {period} has {known.amount}, not {amount}")
            return known
        payout, transfer = transitions.instruct(partner_id, period, currency, amount, balance, at)
        await ledger.write_payout(db, payout, at)
        await ledger.append(db, [transfer], chains)
    return payout


async def end_payout(db: Db, payout_id: bytes, *, paid: bool, at: Millis, chains: int) -> Payout:
    """Record what the bank says: paid, or failed and available again. Raises NotPayable."""
    async with db.transaction():
        known = await ledger.find_payout(db, payout_id)
        if known is None:
            raise NotPayable(f"there is no payout {payout_id.hex()}")
        payout, transfer = (transitions.settle if paid else transitions.fail)(known, at)
        await ledger.write_payout(db, payout, at)
        await ledger.append(db, [transfer], chains)
    return payout
