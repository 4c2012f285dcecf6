"""A second report that differs from the first in its status alone: an adjustment of the first.

Vendors' systems tell an approval that way: the same postback again with another status.
"""

from __future__ import annotations

from collections.abc import Collection

from afflux.kernel.events import Adjustment, AdjustmentKind, Channel, Conversion, Status
from afflux.kernel.ids import derive
from afflux.kernel.types import Id16
from services.tracking.domain.adjustments import adjustment_event_id
from services.tracking.domain.refusal import Refusal

KINDS = {Status.APPROVED: AdjustmentKind.APPROVE, Status.REJECTED: AdjustmentKind.REJECT}


def status_change(
    report: Conversion, before: Status, since: Collection[Status]
) -> Adjustment | Refusal | None:
    """Return what a report says that is new: its conversion was kept with the same body.

    `before` is the status of what was kept, `since` are those that later reports gave it. None:
    nothing; a browser has no say in the status. Refused is what goes back: to pending, and from
    rejected to approved, because an approval does not undo a rejection. A word that was taken
    before is the same adjustment again.
    """
    now = report.status
    if report.channel is Channel.PIXEL or now is before:
        return None
    rejected = Status.REJECTED in (before, *since)
    if now not in since and (now is Status.PENDING or rejected):
        known = Status.REJECTED if rejected else Status.APPROVED
        return Refusal("status_backwards", f"it is {known}, and not {now} again", "status")
    return _adjustment(report)


def word_id(key: Id16, status: Status) -> Id16:
    """Return the event id of the adjustment that gives a conversion this status."""
    return adjustment_event_id(key, _word(status))


def _word(status: Status) -> str:
    return f"status:{status}"


def _adjustment(report: Conversion) -> Adjustment:
    word = _word(report.status)
    return Adjustment(
        event_id=word_id(Id16(report.conversion_key), report.status),
        occurred_at=report.recorded_at,
        recorded_at=report.recorded_at,
        tenant_id=report.tenant_id,
        conversion_key=report.conversion_key,
        body_hash=derive("adjustment-body", word),
        advertiser_id=report.advertiser_id,
        goal=report.goal,
        transaction_id=report.transaction_id,
        kind=KINDS[report.status],
        adjustment_id=word,
        channel=report.channel,
        authentication=report.authentication,
        edge_id=report.edge_id,
        journal_position=0,
    )
