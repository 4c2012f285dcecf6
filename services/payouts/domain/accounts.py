"""Names of the accounts, and the chain that an entry belongs to.

An account holds balances per currency. A credit adds to it, a debit takes from it, so that all
balances of a currency sum to zero (law L1). What the advertisers owe is therefore negative, what
the network owes its partners positive.
"""

from __future__ import annotations

from functools import lru_cache

from afflux.kernel.ids import derive

MARGIN = "network:margin"
"""Revenue minus commission."""
FX = "network:fx"
"""Between the currency of a commission's terms and the one its partner is paid in."""


def receivable(advertiser_id: int) -> str:
    """Return what an advertiser owes the network."""
    return f"advertiser:{advertiser_id}:receivable"


def pending(partner_id: int) -> str:
    """Return the commission of a partner that may still be held or refused."""
    return f"partner:{partner_id}:pending"


def available(partner_id: int) -> str:
    """Return what the next payout may take; below zero after a clawback."""
    return f"partner:{partner_id}:available"


def in_payout(partner_id: int) -> str:
    """Return what a payout under way has taken."""
    return f"partner:{partner_id}:in_payout"


def paid(partner_id: int) -> str:
    """Return what the bank has paid to a partner in all."""
    return f"partner:{partner_id}:paid"


@lru_cache(maxsize=65_536)
def chain_of(partner_id: int | None, chains: int) -> int:
    """Return the chain (= partition of payouts.commissions) of a partner's entries."""
    return int.from_bytes(derive("chain", partner_id or 0)[:8], "big") % chains
