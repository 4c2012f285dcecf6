"""Terms of an offer at a conversion, and the windows its touches have."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Goal, Lifetime, ModelTerms, Offer
from afflux.kernel.types import Millis

CLICK, IMPRESSION = "click", "impression"
"""Kinds of touches."""


class OfferTerms(Struct, frozen=True):
    """What an offer says of a goal, as it was when the goal was reached.

    `clicks_s` and `views_s` are the windows; `partners` has those of partners with their own.
    """

    offer_id: int
    advertiser_id: int
    version: int
    model: ModelTerms
    lifetime: Lifetime | None
    clicks_s: int
    views_s: int
    partners: Mapping[int, tuple[int, int]]

    def window_s(self, partner_id: int, kind: str) -> int:
        """Return the window in seconds of a partner's clicks or impressions."""
        own = self.partners.get(partner_id)
        clicks_s, views_s = (self.clicks_s, self.views_s) if own is None else own
        return clicks_s if kind == CLICK else views_s


def find_terms(
    catalog: Catalog, offer_id: int, goal: str, occurred_at: Millis, known_at: Millis
) -> OfferTerms | str:
    """Return the terms of an offer for a goal, or the reason code why there are none.

    True when the goal was reached, known at `known_at`: a later change of the catalogue cannot
    change an earlier decision (law A2).
    """
    found = catalog.find_version(Offer, offer_id, occurred_at, known_at)
    if found is None:
        return "offer_unknown"
    offer, version = found
    wanted = offer.goal(goal)
    return "goal_not_in_offer" if wanted is None else _terms(offer, version, wanted)


def _terms(offer: Offer, version: int, goal: Goal) -> OfferTerms:
    """Partners' own windows win over the goal's, that one over the offer's."""
    partners = [own.partner_id for own in offer.partner_windows]
    return OfferTerms(
        offer.id,
        offer.advertiser_id,
        version,
        offer.model_terms(goal),
        offer.lifetime,
        offer.window(goal),
        offer.view_window(goal),
        {partner_id: offer.windows_for(goal, partner_id) for partner_id in partners},
    )


def outside(elapsed_ms: int, kind: str, window_s: int) -> str | None:
    """Return why a touch this long before the goal is out of its window, or None.

    Both bounds are inclusive: 0 <= elapsed <= window. A view window of 0 lets no view earn
    anything.
    """
    if elapsed_ms < 0:
        return "after_conversion"
    if kind == CLICK:
        return "outside_window" if elapsed_ms > window_s * 1000 else None
    return "outside_view_window" if not window_s or elapsed_ms > window_s * 1000 else None
