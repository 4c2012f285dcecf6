"""One conversion: take in what is said of it, then make the ledger say the same."""

from __future__ import annotations

from fractions import Fraction

import msgspec
from msgspec import Struct

from afflux.kernel.events import Adjustment, Assessment, Verdict
from afflux.kernel.types import Millis
from services.payouts.domain.accrual import RateMissing, Target, Unknown, World, target
from services.payouts.domain.effects import REASONS, effects, flaw
from services.payouts.domain.facts import (
    COMMISSION,
    Change,
    Parked,
    Sale,
    Source,
    Standing,
    sale_of,
)
from services.payouts.domain.transfers import Cause, Transfer, Writer, difference, hold, release


class Refusal(Struct, frozen=True):
    """A fact that is not applied: kept for review, its bytes go to the dead letters."""

    source: Source
    event: Assessment | Adjustment
    reason: str
    detail: str


class Settled(Struct, frozen=True):
    """What became of one fact: the standing, new transfers, refusals, and why it was dropped."""

    standing: Standing
    transfers: tuple[Transfer, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    dropped: str | None = None


def assess(
    standing: Standing, event: Assessment, source: Source, world: World, as_of: Millis
) -> Settled:
    """Take in an assessment: a later version replaces, a repeat is dropped.

    One whose decision carries another report under the same key is refused (law I2).
    """
    known, sale = standing.sale, sale_of(event)
    if known is not None and known.body_hash != sale.body_hash:
        detail = f"the report accrued is {known.body_hash.hex()}, this is {sale.body_hash.hex()}"
        return _refused(standing, event, source, "conflicting_report", detail)
    if known is not None and sale.version <= known.version:
        return Settled(standing, dropped="repeated_assessment")
    if not _whole(sale):
        detail = "the shares of the decision do not sum to 1"
        return _refused(standing, event, source, "unprocessable", detail)
    with_sale = msgspec.structs.replace(standing, sale=sale)
    cause = Cause(source, event.occurred_at, _assessment_reason(known, sale), as_of)
    settled = settle(with_sale, cause, world)
    if isinstance(settled, Unknown):
        return _refused(standing, event, source, settled.reason, settled.detail)
    return settled if known is not None else _unpark(settled, world, as_of)


def adjust(
    standing: Standing, event: Adjustment, source: Source, world: World, as_of: Millis
) -> Settled:
    """Take in an adjustment, once by its id; before its sale it is parked."""
    known = [(c.adjustment_id, c.body_hash) for c in standing.changes]
    known += [
        (p.adjustment.adjustment_id, p.adjustment.body_hash)
        for p in standing.parked
        if p.adjustment.advertiser_id == event.advertiser_id
    ]
    for adjustment_id, body_hash in known:
        if adjustment_id == event.adjustment_id:
            if body_hash == event.body_hash:
                return Settled(standing, dropped="repeated_adjustment")
            detail = f"another adjustment {adjustment_id!r} of this conversion came before"
            return _refused(standing, event, source, "conflicting_report", detail)
    if standing.sale is None:
        parked = (*standing.parked, Parked(event, source))
        return Settled(msgspec.structs.replace(standing, parked=parked))
    problem = flaw(standing, event)
    if problem is not None:
        return _refused(standing, event, source, "field_invalid", problem)
    change = Change(
        event.adjustment_id, event.body_hash, event.kind, event.value_minor, event.currency
    )
    changed = msgspec.structs.replace(standing, changes=(*standing.changes, change))
    cause = Cause(source, event.occurred_at, REASONS[event.kind], as_of)
    settled = settle(changed, cause, world)
    if isinstance(settled, Unknown):
        return _refused(standing, event, source, settled.reason, settled.detail)
    return settled


def wake(standing: Standing, source: Source, world: World, as_of: Millis) -> Settled:
    """Look again because time has passed: release what is due, retry what waits."""
    if standing.sale is None:
        return Settled(standing)
    reason = standing.waiting_reason or "hold_over"
    settled = settle(standing, Cause(source, as_of, reason, as_of), world)
    return Settled(standing) if isinstance(settled, Unknown) else settled


def settle(standing: Standing, cause: Cause, world: World) -> Settled | Unknown:
    """Post the difference between what the conversion should have and what it has, then release."""
    sale = standing.sale
    assert sale is not None
    goal = target(sale, effects(sale, standing.changes), standing.rates, world, cause.as_of)
    if isinstance(goal, Unknown):
        return goal
    if isinstance(goal, RateMissing):
        reason = standing.waiting_reason or cause.reason
        waiting = msgspec.structs.replace(
            standing, waiting="fx_rate_missing", waiting_reason=reason, due_at=None
        )
        return Settled(waiting)
    writer = Writer(standing, cause)
    reason = standing.waiting_reason or cause.reason
    postings = difference(standing.postings, goal.lines, writer, sale.advertiser_id, reason)
    due_at = _due(sale, goal)
    if due_at is not None and due_at <= cause.as_of:
        postings = release(postings, writer)
    else:
        postings = hold(postings, writer)
    held = any(p.pending for p in postings if p.slot.leg == COMMISSION)
    after = msgspec.structs.replace(
        standing,
        postings=tuple(p for p in postings if p.entries),
        rates=goal.rates,
        transfers=writer.count,
        waiting=None,
        waiting_reason=None,
        due_at=due_at if held else None,
    )
    return Settled(after, tuple(writer.transfers))


def _due(sale: Sale, goal: Target) -> Millis | None:
    """When the clock may release: never without a pass and an approval (laws L3, F4)."""
    if sale.verdict is not Verdict.PASS or not goal.approved:
        return None
    return goal.hold_until


def _unpark(settled: Settled, world: World, as_of: Millis) -> Settled:
    """Apply the adjustments that came before their sale, in the order of the log."""
    waiting = settled.standing.parked
    standing = msgspec.structs.replace(settled.standing, parked=())
    transfers, refusals = settled.transfers, settled.refusals
    for parked in waiting:
        one = adjust(standing, parked.adjustment, parked.source, world, as_of)
        standing = one.standing
        transfers += one.transfers
        refusals += one.refusals
    return Settled(standing, transfers, refusals)


def _assessment_reason(known: Sale | None, sale: Sale) -> str:
    if sale.verdict is Verdict.REJECT:
        return "fraud_rejected"
    return "conversion_accrued" if known is None else "decision_superseded"


def _whole(sale: Sale) -> bool:
    parts = sale.credits
    if any(part.denominator <= 0 or part.numerator < 0 for part in parts):
        return False
    if len(parts) == 1:
        return parts[0].numerator == parts[0].denominator
    return not parts or sum(Fraction(p.numerator, p.denominator) for p in parts) == 1


def _refused(
    standing: Standing, event: Assessment | Adjustment, source: Source, reason: str, detail: str
) -> Settled:
    return Settled(standing, refusals=(Refusal(source, event, reason, detail),))
