"""Events that the ledger emits."""

from __future__ import annotations

from typing import ClassVar

from afflux.kernel.events.common import Binary16, Currency, Event, Instant, Minor, int_key


class LedgerEntry(Event, frozen=True, kw_only=True):
    """One transfer of the double-entry ledger: `amount_minor` > 0 from `debit` to `credit`.

    `sequence` is gapless per partition of the topic and `previous_hash` chains the entries of that
    partition (laws L5, L7). `source_*` is the record that caused it, or a step of the clock.
    """

    topic: ClassVar[str] = "payouts.commissions"
    schema: ClassVar[str] = "ledger-entry"

    chain: int
    sequence: int
    previous_hash: bytes
    hash: bytes
    kind: str
    debit: str
    credit: str
    amount_minor: Minor
    currency: Currency
    partner_id: int | None = None
    advertiser_id: int | None = None
    offer_id: int | None = None
    goal: str | None = None
    conversion_key: Binary16 | None = None
    payout_id: Binary16 | None = None
    converted_at: Instant | None = None
    rule_id: str | None = None
    rule_version: int | None = None
    decision_version: int | None = None
    assessment_version: int | None = None
    fx_rate: str | None = None
    fx_version: int | None = None
    state_before: str
    state_after: str
    reason: str
    corrects: Binary16 | None = None
    source_topic: str
    source_partition: int
    source_offset: int

    @property
    def key(self) -> bytes:
        return int_key(self.partner_id or 0)

    @property
    def partition(self) -> int | None:
        return self.chain
