"""Transfers: from what is posted to what should be, one difference a line.

A line that grows is posted; one that shrinks is reversed, the newest entry first, each reversal
naming the entry it corrects and never taking more than is left of it (law L2). Commission comes out
of pending as far as it goes, then out of available, which may fall below zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from services.payouts.domain import accounts
from services.payouts.domain.accrual import Line
from services.payouts.domain.facts import (
    COMMISSION,
    FX_LEG,
    REVENUE,
    Open,
    Posting,
    Slot,
    Source,
    Standing,
    Terms,
)


class Transfer(Struct, frozen=True, gc=False):
    """One entry of the ledger before it is chained: `amount` > 0 moves from debit to credit.

    `number` counts the entries of its subject (a conversion or a payout), from 0 without gaps; the
    entry's id derives from both (law I3).
    """

    entry_id: bytes
    number: int
    kind: str
    debit: str
    credit: str
    amount: int
    currency: str
    occurred_at: Millis
    recorded_at: Millis
    state_before: str
    state_after: str
    reason: str
    source: Source
    partner_id: int
    advertiser_id: int | None = None
    offer_id: int | None = None
    goal: str | None = None
    conversion_key: bytes | None = None
    payout_id: bytes | None = None
    converted_at: Millis | None = None
    terms: Terms = Terms()
    decision_version: int | None = None
    assessment_version: int | None = None
    corrects: bytes | None = None


class Cause(Struct, frozen=True):
    """What makes a conversion's money change: the record, its time, the reason, and the step's
    instant."""

    source: Source
    occurred_at: Millis
    reason: str
    as_of: Millis


class Move(Struct, frozen=True, gc=False):
    """One transfer of a slot, without what all transfers of the conversion share."""

    kind: str
    debit: str
    credit: str
    amount: int
    before: str
    after: str
    corrects: bytes | None = None


class Writer:
    """Collects the transfers of one conversion within one settlement."""

    def __init__(self, standing: Standing, cause: Cause) -> None:
        self._standing = standing
        self._cause = cause
        self._number = standing.transfers
        self.transfers: list[Transfer] = []

    @property
    def count(self) -> int:
        """How many transfers the conversion has had in all."""
        return self._number

    def write(self, slot: Slot, terms: Terms, move: Move, reason: str) -> bytes:
        """Add a transfer and return its id."""
        sale, cause, key = self._standing.sale, self._cause, self._standing.key
        assert sale is not None
        entry_id = transfer_id(key, self._number, move, slot.currency)
        self.transfers.append(
            Transfer(
                entry_id=entry_id,
                number=self._number,
                kind=move.kind,
                debit=move.debit,
                credit=move.credit,
                amount=move.amount,
                currency=slot.currency,
                occurred_at=cause.occurred_at,
                recorded_at=cause.as_of,
                state_before=move.before,
                state_after=move.after,
                reason=reason,
                source=cause.source,
                partner_id=slot.partner_id,
                advertiser_id=sale.advertiser_id,
                offer_id=slot.offer_id,
                goal=sale.goal,
                conversion_key=key,
                converted_at=sale.occurred_at,
                terms=terms,
                decision_version=sale.decision_version,
                assessment_version=sale.version,
                corrects=move.corrects,
            )
        )
        self._number += 1
        return entry_id


def transfer_id(subject: bytes, number: int, move: Move, currency: str) -> bytes:
    """Return the id of the `number`-th transfer of a conversion or payout (law I3)."""
    what = f"{move.kind} {move.amount} {currency} {move.debit} {move.credit}"
    return derive("transfer", subject, number, what)


def difference(
    postings: Iterable[Posting], lines: Iterable[Line], writer: Writer, advertiser: int, reason: str
) -> tuple[Posting, ...]:
    """Post what makes `postings` equal to `lines`; return the postings as they are then.

    What shrinks comes first, so that a partner loses before another gains.
    """
    posted = {posting.slot: posting for posting in postings}
    wanted = {line.slot: line for line in lines}
    for slot, posting in posted.items():
        excess = posting.total - (wanted[slot].amount if slot in wanted else 0)
        if excess > 0:
            posted[slot] = _reverse(posting, excess, writer, advertiser, reason)
    for slot, line in wanted.items():
        before = posted.get(slot, Posting(slot, line.terms, ()))
        if line.amount > before.total:
            posted[slot] = _post(before, line, writer, advertiser, reason)
    return tuple(posted.values())


def release(postings: Iterable[Posting], writer: Writer) -> tuple[Posting, ...]:
    """Make all pending commission available."""
    return tuple(_release(posting, writer) for posting in postings)


def _release(posting: Posting, writer: Writer) -> Posting:
    slot, amount = posting.slot, posting.pending
    if slot.leg != COMMISSION or not amount:
        return posting
    sides = accounts.pending(slot.partner_id), accounts.available(slot.partner_id)
    move = Move("release", *sides, amount, "pending", "available")
    entry = Open(writer.write(slot, posting.terms, move, "hold_over"), amount)
    return Posting(slot, posting.terms, posting.entries, (*posting.releases, entry))


def hold(postings: Iterable[Posting], writer: Writer) -> tuple[Posting, ...]:
    """Make all available commission pending again, correcting the releases.

    Where the pipeline's two topics meet is chance; this makes the outcome depend on the facts
    alone: a hold that comes after a release ends as one that came before it.
    """
    return tuple(_hold(posting, writer) for posting in postings)


def _hold(posting: Posting, writer: Writer) -> Posting:
    slot = posting.slot
    if not posting.releases:
        return posting
    sides = accounts.available(slot.partner_id), accounts.pending(slot.partner_id)
    for entry in reversed(posting.releases):
        move = Move("hold", *sides, entry.amount, "available", "pending", entry.entry_id)
        writer.write(slot, posting.terms, move, "held_again")
    return Posting(slot, posting.terms, posting.entries)


def _post(before: Posting, line: Line, writer: Writer, advertiser: int, reason: str) -> Posting:
    debit, credit = _sides(line.slot, advertiser)
    amount = line.amount - before.total
    after = "owed" if line.slot.leg == REVENUE else "pending"
    move = Move(line.slot.leg, debit, credit, amount, "decided", after)
    entry = Open(writer.write(line.slot, line.terms, move, reason), amount)
    return Posting(line.slot, line.terms, (*before.entries, entry), before.releases)


def _reverse(
    posting: Posting, amount: int, writer: Writer, advertiser: int, reason: str
) -> Posting:
    slot, left = posting.slot, posting.entries
    releases = posting.releases
    for entry_id, part, source in _pieces(posting, amount):
        debit, credit = _sides(slot, advertiser)
        taken = accounts.available(slot.partner_id) if source == "available" else credit
        move = Move(f"{slot.leg}_reversal", taken, debit, part, source, "reversed", entry_id)
        writer.write(slot, posting.terms, move, reason)
        left = _less(left, part)
        if source == "available":
            releases = _less(releases, part)
    return Posting(slot, posting.terms, left, releases)


def _less(entries: tuple[Open, ...], amount: int) -> tuple[Open, ...]:
    """Take an amount off the newest entries."""
    left = list(entries)
    while amount:
        last = left.pop()
        if last.amount > amount:
            left.append(Open(last.entry_id, last.amount - amount))
        amount -= min(amount, last.amount)
    return tuple(left)


def _pieces(posting: Posting, amount: int) -> Iterator[tuple[bytes, int, str]]:
    """Split a reversal: newest entries first, out of pending first."""
    commission = posting.slot.leg == COMMISSION
    pending = posting.pending if commission else 0
    for entry in reversed(posting.entries):
        take = min(entry.amount, amount)
        amount -= take
        if not commission:
            if take:
                state = "owed" if posting.slot.leg == REVENUE else "pending"
                yield entry.entry_id, take, state
            continue
        held = min(take, pending)
        pending -= held
        if held:
            yield entry.entry_id, held, "pending"
        if take > held:
            yield entry.entry_id, take - held, "available"


def _sides(slot: Slot, advertiser: int) -> tuple[str, str]:
    """Return the accounts (debit, credit) of a slot's accrual."""
    if slot.leg == REVENUE:
        return accounts.receivable(advertiser), accounts.MARGIN
    if slot.leg == FX_LEG:
        return accounts.MARGIN, accounts.FX
    converted = slot.origin != slot.currency
    return accounts.FX if converted else accounts.MARGIN, accounts.pending(slot.partner_id)
