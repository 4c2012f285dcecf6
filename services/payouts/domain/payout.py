"""What a payout does to a partner's money: available -> in payout -> paid, or back.

Pure: the caller says what is available and keeps the payout's own record.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.payouts.domain import accounts
from services.payouts.domain.facts import CLOCK, Source
from services.payouts.domain.transfers import Move, Transfer, transfer_id


class PayoutStatus(StrEnum):
    """Where a payout stands."""

    INSTRUCTED = "instructed"
    PAID = "paid"
    FAILED = "failed"


class Payout(Struct, frozen=True):
    """One payment to a partner for a period and currency."""

    payout_id: bytes
    partner_id: int
    period: str
    currency: str
    amount: int
    status: PayoutStatus


class NotPayable(ValueError):
    """The payout cannot make this step; the message says why."""


def payout_id(partner_id: int, period: str, currency: str) -> bytes:
    """Return what identifies a payout for ever (law L8)."""
    return derive("payout", partner_id, period, currency)


def instruct(
    partner_id: int, period: str, currency: str, amount: int, balance: int, at: Millis
) -> tuple[Payout, Transfer]:
    """Take `amount` minor units out of available; raises NotPayable for more than `balance`."""
    if amount <= 0:
        raise NotPayable(f"a payout needs an amount above zero, got {amount}")
    if amount > balance:
        raise NotPayable(f"partner {partner_id} has {balance} {currency} available, not {amount}")
    identity = payout_id(partner_id, period, currency)
    payout = Payout(identity, partner_id, period, currency, amount, PayoutStatus.INSTRUCTED)
    sides = accounts.available(partner_id), accounts.in_payout(partner_id)
    return payout, _transfer(
        payout, 0, Move("payout", *sides, amount, "available", "in_payout"), at
    )


def settle(payout: Payout, at: Millis) -> tuple[Payout, Transfer]:
    """The bank has paid; raises NotPayable unless the payout is under way."""
    sides = accounts.in_payout(payout.partner_id), accounts.paid(payout.partner_id)
    move = Move("payment", *sides, payout.amount, "in_payout", "paid")
    return _end(payout, PayoutStatus.PAID), _transfer(payout, 1, move, at)


def fail(payout: Payout, at: Millis) -> tuple[Payout, Transfer]:
    """The bank has not paid: all of it is available again (law L8)."""
    sides = accounts.in_payout(payout.partner_id), accounts.available(payout.partner_id)
    corrects = _transfer(payout, 0, _taken(payout), at).entry_id
    move = Move("payout_failed", *sides, payout.amount, "in_payout", "available", corrects)
    return _end(payout, PayoutStatus.FAILED), _transfer(payout, 1, move, at)


def _taken(payout: Payout) -> Move:
    sides = accounts.available(payout.partner_id), accounts.in_payout(payout.partner_id)
    return Move("payout", *sides, payout.amount, "available", "in_payout")


def _end(payout: Payout, status: PayoutStatus) -> Payout:
    if payout.status is not PayoutStatus.INSTRUCTED:
        raise NotPayable(f"payout {payout.payout_id.hex()} is {payout.status.value} already")
    return Payout(
        payout.payout_id, payout.partner_id, payout.period, payout.currency, payout.amount, status
    )


def _transfer(payout: Payout, number: int, move: Move, at: Millis) -> Transfer:
    return Transfer(
        entry_id=transfer_id(payout.payout_id, number, move, payout.currency),
        number=number,
        kind=move.kind,
        debit=move.debit,
        credit=move.credit,
        amount=move.amount,
        currency=payout.currency,
        occurred_at=at,
        recorded_at=at,
        state_before=move.before,
        state_after=move.after,
        reason=f"payout_{_WORDS[move.kind]}",
        source=Source(CLOCK, 0, at),
        partner_id=payout.partner_id,
        payout_id=payout.payout_id,
        corrects=move.corrects,
    )


_WORDS = {"payout": "instructed", "payment": "paid", "payout_failed": "failed"}
