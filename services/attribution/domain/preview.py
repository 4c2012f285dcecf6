"""What a conversion would be decided to with later knowledge of the catalogue, as far as its
decision tells: every touch stands in it, but not what was dropped since, nor what of its customer.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.events import Conversion, CreditSignal, Decision, Touch
from afflux.kernel.types import Millis
from services.attribution.domain.decision import decide
from services.attribution.domain.journey import Journey, Note, Seen, Step
from services.attribution.domain.lifetimes import Lifetimes

_OF_TERMS = frozenset(
    (
        "after_conversion",
        "outside_window",
        "outside_view_window",
        "other_advertiser",
        "other_offer",
        "offer_unknown",
        "goal_not_in_offer",
        "flagged_invalid",
    )
)
"""Reasons that follow from the catalogue and the conversion; others are the touch's own."""


class Prospect(StrEnum):
    """What a redecision would do to one conversion."""

    CHANGES = "changes"
    STAYS = "stays"
    CUSTOMER = "up to its customer"


class Preview(Struct, frozen=True):
    """One conversion, its decision now, and what it would be."""

    conversion: Conversion
    now: Decision
    then: Decision
    prospect: Prospect


def preview(conversion: Conversion, now: Decision, catalog: Catalog, known_at: Millis) -> Preview:
    """Return what `now` would become if it were decided as known at `known_at`."""
    journey = _journey(conversion, now, catalog)
    screened_to = 1 if now.screened else 0
    then = decide(conversion, journey, catalog, screened_to, known_at=known_at)
    bound = now.signal is CreditSignal.CUSTOMER
    if bound or Lifetimes(catalog).has_say(conversion, known_at):
        prospect = Prospect.CUSTOMER
    elif said(now) == said(then):
        prospect = Prospect.STAYS
    else:
        prospect = Prospect.CHANGES
    return Preview(conversion, now, then, prospect)


def said(decision: Decision) -> tuple[object, ...]:
    """Return what a decision says about money: who gets which part, by which offer, or why not."""
    parts = sorted(
        (share.partner_id, share.offer_id, share.numerator, share.denominator)
        for share in decision.shares
    )
    return tuple(parts), decision.reason


def _journey(conversion: Conversion, decision: Decision, catalog: Catalog) -> Journey:
    steps = tuple(_step(touch, catalog) for touch in decision.touches)
    named = [step for step in steps if step.seen.click_id == conversion.click_id]
    return Journey(steps, named[0] if named else None)


def _step(touch: Touch, catalog: Catalog) -> Step:
    own = touch.reason if touch.reason and touch.outcome == "none" else None
    seen = Seen(
        click_id=touch.click_id,
        occurred_at=touch.occurred_at,
        recorded_at=touch.occurred_at,
        log_time=Millis(0),
        offset=0,
        partner_id=touch.partner_id,
        offer_id=touch.offer_id,
        link_id=touch.link_id,
        advertiser_id=_advertiser(touch.offer_id, catalog),
        no_touch=None if own in _OF_TERMS else own,
        kind=touch.kind,
    )
    names = touch.flags or (["invalid"] if touch.invalid else [])
    return Step(seen, tuple(Note(name, touch.invalid, Millis(0)) for name in names))


def _advertiser(offer_id: int, catalog: Catalog) -> int:
    found = (version.entity for version in catalog.history(Offer.kind, str(offer_id)))
    return next((offer.advertiser_id for offer in found if isinstance(offer, Offer)), 0)
