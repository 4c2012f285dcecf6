"""What a decision tells of each touch."""

from __future__ import annotations

from fractions import Fraction

from afflux.kernel.events import Share, Touch, TouchOutcome
from services.attribution.domain.journey import Step
from services.attribution.domain.window import CLICK


def touch_of(step: Step, outcome: TouchOutcome, reason: str | None) -> Touch:
    """Return a touch with what it got, and why it got nothing."""
    seen = step.seen
    return Touch(
        click_id=seen.click_id,
        partner_id=seen.partner_id,
        offer_id=seen.offer_id,
        link_id=seen.link_id,
        occurred_at=seen.occurred_at,
        kind=seen.kind,
        flags=step.signals,
        invalid=step.invalid,
        outcome=outcome,
        reason=reason,
    )


def share_of(step: Step, share: Fraction) -> Share:
    """Return a touch's share, with what the partner had put into the click.

    A view has no `clicked_at`: nothing was clicked, and rules on the time from click to goal do not
    concern it.
    """
    seen, tags = step.seen, step.seen.tags
    return Share(
        partner_id=seen.partner_id,
        offer_id=seen.offer_id,
        link_id=seen.link_id,
        click_id=seen.click_id,
        clicked_at=seen.occurred_at if seen.kind == CLICK else None,
        numerator=share.numerator,
        denominator=share.denominator,
        ref_id=tags.ref_id,
        source=tags.source,
        sub=list(tags.sub),
        country=tags.country,
        device=tags.device,
    )
