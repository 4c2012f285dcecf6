"""Ledger entries and adjustments for the tests of analytics."""

from __future__ import annotations

from afflux.kernel.events import (
    Adjustment,
    AdjustmentKind,
    Authentication,
    Channel,
    Conversion,
    Decision,
    LedgerEntry,
)
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis

START = Millis(1_767_225_600_000)  # 2026-01-01T00:00:00Z
HOUR = 3_600_000


def entries(of: Decision, sequence: int, revenue: int, commission: int) -> list[LedgerEntry]:
    """Revenue and commission of a conversion in its currency."""
    partner = of.shares[0].partner_id
    legs = [
        (f"advertiser:{of.advertiser_id}:receivable", "network:margin", revenue),
        ("network:margin", f"partner:{partner}:pending", commission),
    ]
    return [
        entry(of, sequence + place, debit, credit, amount)
        for place, (debit, credit, amount) in enumerate(legs)
    ]


def entry(of: Decision, sequence: int, debit: str, credit: str, amount: int) -> LedgerEntry:
    """One transfer about a conversion."""
    return LedgerEntry(
        event_id=derive("entry", of.conversion_key, sequence),
        occurred_at=Millis(of.occurred_at + 5 * 24 * HOUR),
        recorded_at=Millis(of.occurred_at + 5 * 24 * HOUR),
        chain=0,
        sequence=sequence,
        previous_hash=b"",
        hash=b"h",
        kind="accrual",
        debit=debit,
        credit=credit,
        amount_minor=amount,
        currency=of.currency or "EUR",
        partner_id=of.shares[0].partner_id,
        advertiser_id=of.advertiser_id,
        offer_id=of.shares[0].offer_id,
        goal=of.goal,
        conversion_key=of.conversion_key,
        converted_at=of.occurred_at,
        state_before="decided",
        state_after="pending",
        reason="conversion_accrued",
        source_topic="fraud.assessments",
        source_partition=0,
        source_offset=0,
    )


def adjustment(of: Conversion, kind: AdjustmentKind, number: int = 0) -> Adjustment:
    """A later word on a conversion."""
    return Adjustment(
        event_id=derive("adjustment", of.conversion_key, kind.value, number),
        occurred_at=Millis(of.occurred_at + (number + 1) * HOUR),
        recorded_at=Millis(of.occurred_at + (number + 1) * HOUR),
        conversion_key=of.conversion_key,
        body_hash=of.body_hash,
        advertiser_id=of.advertiser_id,
        goal=of.goal,
        transaction_id=of.transaction_id,
        kind=kind,
        adjustment_id=str(number),
        channel=Channel.API,
        authentication=Authentication.HMAC,
        edge_id="edge-1",
        journal_position=number,
    )
