"""What the adjustments of a conversion add up to: a fold, in the order of the log.

Refunds and chargebacks add up and never go below nothing; a reject takes all of it; a reinstate
undoes every reject, refund and chargeback before it; an amend sets the order value. An approve
lets the money go, it does not undo a reject.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

from afflux.kernel.events import Adjustment, AdjustmentKind, Status
from services.payouts.domain.facts import Change, Sale, Standing

ALL, NOTHING = Fraction(1), Fraction(0)
MONEY_KINDS = frozenset({AdjustmentKind.REFUND, AdjustmentKind.CHARGEBACK, AdjustmentKind.AMEND})
REASONS = {
    AdjustmentKind.APPROVE: "hold_over",
    AdjustmentKind.REJECT: "advertiser_rejected",
    AdjustmentKind.REFUND: "refunded",
    AdjustmentKind.CHARGEBACK: "charged_back",
    AdjustmentKind.AMEND: "amended",
    AdjustmentKind.REINSTATE: "reinstated",
}


class Effects(Struct, frozen=True):
    """Order value in minor units of `currency`, what was given back of it, and the last words."""

    value_minor: int | None
    currency: str | None
    returned: int = 0
    returned_all: bool = False
    rejected: bool = False
    approved: bool = False

    @property
    def remaining(self) -> Fraction:
        """The part of the order that still stands, 0 to 1."""
        if self.rejected or self.returned_all:
            return NOTHING
        if not self.returned:
            return ALL
        value = self.value_minor or 0
        return Fraction(max(0, value - self.returned), value) if value else NOTHING


def effects(sale: Sale, changes: tuple[Change, ...]) -> Effects:
    """Return what is left of a sale after all that was said of it."""
    state = Effects(sale.value_minor, sale.currency, rejected=sale.status is Status.REJECTED)
    for change in changes:
        state = _after(state, change)
    return state


def _after(state: Effects, change: Change) -> Effects:
    value, currency, returned = state.value_minor, state.currency, state.returned
    everything, rejected, approved = state.returned_all, state.rejected, state.approved
    match change.kind:
        case AdjustmentKind.APPROVE:
            approved = True
        case AdjustmentKind.REJECT:
            rejected = True
        case AdjustmentKind.REFUND | AdjustmentKind.CHARGEBACK if change.value_minor is None:
            everything = True
        case AdjustmentKind.REFUND | AdjustmentKind.CHARGEBACK:
            returned += change.value_minor or 0
        case AdjustmentKind.AMEND:
            value, currency = change.value_minor, change.currency or currency
        case AdjustmentKind.REINSTATE:
            returned, everything, rejected = 0, False, False
    return Effects(value, currency, returned, everything, rejected, approved)


def flaw(standing: Standing, event: Adjustment) -> str | None:
    """Return what makes an adjustment inapplicable to its sale, as a sentence; None if nothing."""
    sale = standing.sale
    if sale is None:
        return None
    if event.advertiser_id != sale.advertiser_id:
        return f"the conversion is advertiser {sale.advertiser_id}'s, not {event.advertiser_id}'s"
    return _money_flaw(sale, standing.changes, event) if event.kind in MONEY_KINDS else None


def _money_flaw(sale: Sale, changes: tuple[Change, ...], event: Adjustment) -> str | None:
    if event.value_minor is None:
        return "an amend needs a value" if event.kind is AdjustmentKind.AMEND else None
    if event.value_minor < 0:
        return f"the value {event.value_minor} is negative"
    now = effects(sale, changes)
    if event.kind is not AdjustmentKind.AMEND and now.value_minor is None:
        return "a part cannot be given back of an order that has no value: send no value"
    if event.currency is not None and now.currency not in (None, event.currency):
        return f"the order is in {now.currency}, not in {event.currency}"
    if event.currency is None and now.currency is None:
        return "neither the order nor the adjustment names a currency"
    return None
