"""Entities of attribution: coupons, customers bound by a person, frozen weights, shadow models."""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from afflux.kernel.catalog.attribution_terms import ModelTerms, normal_code
from afflux.kernel.catalog.entity import Entity


class Coupon(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code that leads to a partner, in the time it is valid; without `offer_id` for whatever
    offer of the advertiser's it is used with.

    One code is one partner's at a time: its id is the advertiser and the code.
    """

    kind: ClassVar[str] = "coupon"

    advertiser_id: int
    code: str
    partner_id: int
    offer_id: int | None = None

    @property
    def entity_id(self) -> str:
        return coupon_id(self.advertiser_id, self.code)


def coupon_id(advertiser_id: int, code: str) -> str:
    """Return the id of an advertiser's coupon."""
    return f"{advertiser_id}:{normal_code(code)}"


class CustomerBinding(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's word on whose a customer is; it wins over what a first conversion said.

    `customer` is the customer key in 32 hex digits; without `partner_id` it is nobody's.
    """

    kind: ClassVar[str] = "customer_binding"

    advertiser_id: int
    customer: str
    partner_id: int | None = None
    offer_id: int | None = None

    @property
    def entity_id(self) -> str:
        return binding_id(self.advertiser_id, self.customer)


def binding_id(advertiser_id: int, customer: str) -> str:
    """Return the id of the binding of an advertiser's customer, by its key in hex."""
    return f"{advertiser_id}:{customer.lower()}"


class AttributionWeights(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights (decimal text) by partner id, computed from history by `model` and frozen."""

    kind: ClassVar[str] = "attribution_weights"

    id: str
    model: str
    weights: dict[str, str]

    @property
    def entity_id(self) -> str:
        return self.id

    def weight(self, partner_id: int) -> Fraction:
        """Return a partner's weight, 0 if it has none."""
        return Fraction(self.weights.get(str(partner_id), "0"))


class ShadowModel(Entity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that runs beside an offer's own, to compare; it has no effect on money."""

    kind: ClassVar[str] = "shadow_model"

    offer_id: int
    model: ModelTerms
    goal: str | None = None

    @property
    def entity_id(self) -> str:
        names = [str(self.offer_id), *([] if self.goal is None else [self.goal]), self.model.name]
        return ":".join(names)
