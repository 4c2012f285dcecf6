"""What the ledger knows of one conversion: the report, what was said later, what is posted."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.events import (
    Adjustment,
    AdjustmentKind,
    Assessment,
    Result,
    Status,
    Verdict,
)
from afflux.kernel.types import Millis

# gc=False: these hold only plain values and each other, never a cycle, and there are many of them.

CLOCK = "clock"
"""Source topic of what no record but the passing of time has caused."""


class Source(Struct, frozen=True, array_like=True, gc=False):
    """The record that causes a transfer, or (`clock`, partition, step)."""

    topic: str
    partition: int
    offset: int


class Credit(Struct, frozen=True, array_like=True, gc=False):
    """A share of a conversion: numerator/denominator of it belongs to a partner's offer."""

    partner_id: int
    offer_id: int
    numerator: int
    denominator: int


class Sale(Struct, frozen=True, array_like=True):
    """What money needs of the latest assessment of a conversion.

    `occurred_at` is the order time, `known_at` when the report was recorded, or, of a conversion
    that was decided again, the knowledge of the catalogue it was decided with: the terms are those
    that were true at the first, as known at the second.
    """

    version: int
    decision_version: int
    body_hash: bytes
    verdict: Verdict
    advertiser_id: int
    goal: str
    occurred_at: Millis
    known_at: Millis
    value_minor: int | None
    currency: str | None
    status: Status
    credits: tuple[Credit, ...]


class Change(Struct, frozen=True, array_like=True):
    """An adjustment that was applied."""

    adjustment_id: str
    body_hash: bytes
    kind: AdjustmentKind
    value_minor: int | None
    currency: str | None


class Parked(Struct, frozen=True, array_like=True):
    """An adjustment that came before its sale, and where it stands in the log."""

    adjustment: Adjustment
    source: Source


class Slot(Struct, frozen=True, array_like=True, gc=False):
    """One line of a conversion's money: for whom, which leg of it, in which currency.

    `origin` is the currency of the terms, so that two converted parts stay apart.
    """

    partner_id: int
    offer_id: int
    leg: str
    currency: str
    origin: str


class Terms(Struct, frozen=True, array_like=True, gc=False):
    """Why a line has its amount: the rule and its version, and the exchange rate, if any."""

    rule_id: str | None = None
    rule_version: int | None = None
    fx_rate: str | None = None
    fx_version: int | None = None


class Open(Struct, frozen=True, array_like=True, gc=False):
    """A posted entry and what of it is not reversed."""

    entry_id: bytes
    amount: int


def _sum(entries: tuple[Open, ...]) -> int:
    if len(entries) == 1:
        return entries[0].amount
    return sum(entry.amount for entry in entries)


class Posting(Struct, frozen=True, array_like=True):
    """What a line has in the ledger: its entries, and the releases that made of it available."""

    slot: Slot
    terms: Terms
    entries: tuple[Open, ...]
    releases: tuple[Open, ...] = ()

    @property
    def total(self) -> int:
        """The amount posted and not reversed."""
        return _sum(self.entries)

    @property
    def available(self) -> int:
        """The part that is released."""
        return _sum(self.releases) if self.releases else 0

    @property
    def pending(self) -> int:
        """The part that is not released."""
        return self.total - self.available


class Rate(Struct, frozen=True, array_like=True, gc=False):
    """An exchange rate as it was first used for a conversion; it stays that one."""

    base: str
    quote: str
    rate: str
    version: int


class Standing(Struct, frozen=True, array_like=True):
    """All the ledger knows of one conversion.

    `waiting` names what its money waits for (a reason code); `waiting_reason` is the reason its
    transfers will carry. `due_at` is when its hold is over, None when no clock will release it.
    `transfers` counts its entries: their ids derive from it.
    """

    key: bytes
    sale: Sale | None = None
    changes: tuple[Change, ...] = ()
    parked: tuple[Parked, ...] = ()
    postings: tuple[Posting, ...] = ()
    rates: tuple[Rate, ...] = ()
    transfers: int = 0
    waiting: str | None = None
    waiting_reason: str | None = None
    due_at: Millis | None = None

    @property
    def status(self) -> str:
        """Where the conversion stands, for people."""
        if self.sale is None:
            return "parked"
        if self.waiting:
            return "waiting"
        lines = [p for p in self.postings if p.total]
        if not lines:
            return "reversed" if self.transfers else "nothing_due"
        commissions = [p for p in lines if p.slot.leg == COMMISSION]
        return "pending" if any(p.pending for p in commissions) else "available"


REVENUE = "revenue"
COMMISSION = "commission"
FX_LEG = "fx"


def sale_of(event: Assessment) -> Sale:
    """Return what money needs of an assessment."""
    decision = event.decision
    shares = decision.shares if decision.result is Result.ATTRIBUTED else []
    return Sale(
        version=event.version,
        decision_version=event.decision_version,
        body_hash=decision.body_hash,
        verdict=event.verdict,
        advertiser_id=decision.advertiser_id,
        goal=decision.goal,
        occurred_at=decision.occurred_at,
        known_at=max(decision.reported_at, decision.terms_known_at or decision.reported_at),
        value_minor=decision.value_minor,
        currency=decision.currency,
        status=decision.status,
        credits=tuple(
            Credit(share.partner_id, share.offer_id, share.numerator, share.denominator)
            for share in shares
        ),
    )
