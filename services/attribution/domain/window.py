"""Terms of an offer at a conversion, and the window a click has."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.events import Conversion
from afflux.kernel.types import Millis


class OfferTerms(Struct, frozen=True):
    """What an offer says of a goal, as it was when the goal was reached."""

    offer_id: int
    advertiser_id: int
    version: int
    window_s: int
    model: str


def find_terms(catalog: Catalog, conversion: Conversion, offer_id: int) -> OfferTerms | str:
    """Return the terms, or the reason code why there are none.

    True at the conversion's `occurred_at`, known at its `recorded_at`: a later change of the
    catalogue cannot change an earlier decision (law A2).
    """
    found = catalog.find_version(Offer, offer_id, conversion.occurred_at, conversion.recorded_at)
    if found is None:
        return "offer_unknown"
    offer, version = found
    goal = offer.goal(conversion.goal)
    if goal is None:
        return "goal_not_in_offer"
    return OfferTerms(
        offer.id, offer.advertiser_id, version, offer.window(goal), offer.model_terms(goal).name
    )


def outside(clicked_at: Millis, occurred_at: Millis, window_s: int) -> str | None:
    """Return why a click is out of the window, or None.

    From click to goal, both bounds inclusive: 0 <= occurred_at - clicked_at <= window.
    """
    if clicked_at > occurred_at:
        return "after_conversion"
    if occurred_at - clicked_at > window_s * 1000:
        return "outside_window"
    return None
