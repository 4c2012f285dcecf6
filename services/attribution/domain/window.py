"""Terms of an offer at a conversion, and the windows its touches have."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.catalog import Catalog, Goal, ModelTerms, Offer
from afflux.kernel.types import Millis

CLICK, IMPRESSION = "click", "impression"
"""Kinds of touches."""


class OfferTerms(Struct, frozen=True):
    """What an offer says of a goal, as it was when the goal was reached."""

    version: int
    offer: Offer
    goal: Goal

    @property
    def offer_id(self) -> int:
        """The offer's id."""
        return self.offer.id

    @property
    def advertiser_id(self) -> int:
        """Whose offer it is."""
        return self.offer.advertiser_id

    @property
    def model(self) -> ModelTerms:
        """The model with its parameters; the goal's own wins over the offer's."""
        return self.offer.model_terms(self.goal)

    def window_s(self, partner_id: int, kind: str) -> int:
        """Return the window in seconds of a partner's clicks or impressions; the partner's own
        wins over the goal's, that over the offer's."""
        clicks, views = self.offer.windows_for(self.goal, partner_id)
        return clicks if kind == CLICK else views


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
    return "goal_not_in_offer" if wanted is None else OfferTerms(version, offer, wanted)


def outside(touched_at: Millis, occurred_at: Millis, kind: str, window_s: int) -> str | None:
    """Return why a touch is out of its window, or None.

    From touch to goal, both bounds inclusive: 0 <= occurred_at - touched_at <= window. A view
    window of 0 lets no view earn anything.
    """
    elapsed = occurred_at - touched_at
    if elapsed < 0:
        return "after_conversion"
    if kind == CLICK:
        return "outside_window" if elapsed > window_s * 1000 else None
    return "outside_view_window" if not window_s or elapsed > window_s * 1000 else None
