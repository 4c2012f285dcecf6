"""What the catalogue's entities refer to."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from afflux.kernel.catalog.attribution_check import offer_models
from afflux.kernel.catalog.attribution_entities import (
    AttributionWeights,
    Coupon,
    CustomerBinding,
    ShadowModel,
)
from afflux.kernel.catalog.entities import (
    Advertiser,
    CommissionRule,
    Entity,
    Link,
    Offer,
    OfferGroup,
    Partner,
)


class Reference(Struct, frozen=True):
    """A field of an entity that names another."""

    field: str
    kind: str
    entity_id: str


def references(entity: Entity) -> Iterator[Reference]:
    """Yield what an entity refers to, by the names of the file."""
    match entity:
        case Offer():
            yield from _of_offer(entity)
        case OfferGroup():
            yield from _named("fallback_offer", Offer, entity.fallback_offer_id)
        case Link():
            yield from _named("partner", Partner, entity.partner_id)
            yield from _named("offer", Offer, entity.offer_id)
        case Partner():
            for offer_id in sorted({o for each in entity.postbacks for o in each.offers}):
                yield from _named("postbacks", Offer, offer_id)
        case CommissionRule():
            yield from _named("partner", Partner, entity.partner_id)
            yield from _named("offer", Offer, entity.offer_id)
        case Coupon() | CustomerBinding():
            yield from _named("advertiser", Advertiser, entity.advertiser_id)
            yield from _named("partner", Partner, entity.partner_id)
            yield from _named("offer", Offer, entity.offer_id)
        case ShadowModel():
            yield from _named("offer", Offer, entity.offer_id)
            yield from _named("model", AttributionWeights, entity.model.weights)
        case _:
            return


def _of_offer(offer: Offer) -> Iterator[Reference]:
    yield from _named("advertiser", Advertiser, offer.advertiser_id)
    yield from _named("group", OfferGroup, offer.group)
    yield from _named("fallback_offer", Offer, offer.fallback_offer_id)
    for partner_id in (*offer.targeting.partners, *offer.targeting.not_partners):
        yield from _named("targeting", Partner, partner_id)
    for window in offer.partner_windows:
        yield from _named("partner_windows", Partner, window.partner_id)
    for weights in sorted({model.weights for model in offer_models(offer) if model.weights}):
        yield from _named("model", AttributionWeights, weights)


def _named(field: str, kind: type[Entity], entity_id: int | str | None) -> Iterator[Reference]:
    if entity_id is not None:
        yield Reference(field, kind.kind, str(entity_id))
