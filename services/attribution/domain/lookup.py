"""What the catalogue says to one conversion: true when it happened, known when it was reported."""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.catalog import (
    Advertiser,
    AttributionWeights,
    Catalog,
    Coupon,
    Offer,
    SignalOrder,
    coupon_id,
)
from afflux.kernel.types import Millis
from services.attribution.domain.window import OfferTerms, find_terms


class Goal(Struct, frozen=True):
    """Which goal of whose was reached, and when."""

    advertiser_id: int
    name: str
    occurred_at: Millis


class Lookup:
    """The catalogue when a goal was reached, as known at `known_at` (law A2)."""

    def __init__(self, catalog: Catalog, goal: Goal, known_at: Millis) -> None:
        self._catalog = catalog
        self._goal = goal
        self._known_at = known_at
        self._terms: dict[int, OfferTerms | str] = {}
        self._coupons: dict[int, bool] = {}

    def terms(self, offer_id: int) -> OfferTerms | str:
        """Return the terms of an offer for the goal, or why there are none."""
        found = self._terms.get(offer_id)
        if found is None:
            goal = self._goal
            found = find_terms(self._catalog, offer_id, goal.name, goal.occurred_at, self._known_at)
            self._terms[offer_id] = found
        return found

    def signals(self) -> SignalOrder:
        """Return which of the advertiser's signals comes first."""
        at = self._goal.occurred_at
        found = self._catalog.find(Advertiser, self._goal.advertiser_id, at, self._known_at)
        return SignalOrder.CLICK_FIRST if found is None else found.signals

    def coupon(self, code: str) -> Coupon | str:
        """Return the coupon that has this code at the conversion, or why there is none."""
        entity_id = coupon_id(self._goal.advertiser_id, code)
        at = self._goal.occurred_at
        found = self._catalog.find(Coupon, entity_id, at, self._known_at)
        if found is not None:
            return found
        for known in self._catalog.history(Coupon.kind, entity_id):
            if known.recorded_at <= self._known_at and known.entity is not None:
                return "coupon_expired"
        return "coupon_unknown"

    def only_offer(self) -> int | None:
        """Return the advertiser's only offer that has this goal, None if it has none
        or several."""
        advertiser_id = self._goal.advertiser_id
        having = [
            found.offer_id
            for number in self._catalog.related(Offer, advertiser_id)
            if isinstance(found := self.terms(int(number)), OfferTerms)
            and found.advertiser_id == advertiser_id
        ]
        return having[0] if len(having) == 1 else None

    def weights(self, weights_id: str) -> tuple[AttributionWeights, int] | None:
        """Return frozen weights and their version."""
        at = self._goal.occurred_at
        return self._catalog.find_version(AttributionWeights, weights_id, at, self._known_at)

    def has_coupon(self, partner_id: int) -> bool:
        """Return whether a coupon of the advertiser's leads to the partner."""
        known = self._coupons.get(partner_id)
        if known is None:
            known = self._coupons[partner_id] = self._leads_to(partner_id)
        return known

    def _leads_to(self, partner_id: int) -> bool:
        at = self._goal.occurred_at
        for entity_id in self._catalog.related(Coupon, self._goal.advertiser_id, partner_id):
            found = self._catalog.find(Coupon, entity_id, at, self._known_at)
            if found is not None and found.partner_id == partner_id:
                return True
        return False
