"""What can be wrong with how conversions are attributed, in one entity and between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from afflux.kernel.catalog.attribution_entities import (
    AttributionWeights,
    Coupon,
    CustomerBinding,
    ShadowModel,
)
from afflux.kernel.catalog.attribution_terms import WEIGHTED_MODELS, ModelTerms
from afflux.kernel.catalog.entity import Entity
from afflux.kernel.catalog.offers import Offer

Entities = Mapping[tuple[str, str], Entity]


def offer_models(offer: Offer) -> list[ModelTerms]:
    """Return the models of an offer and of its goals."""
    return [offer.model_terms(None), *(offer.model_terms(goal) for goal in offer.goals)]


def attribution_problems(entity: Entity) -> Iterator[str]:
    """Yield what is wrong within one entity."""
    match entity:
        case Offer():
            models = offer_models(entity)
            yield from dict.fromkeys(each for model in models for each in _of_model(model))
            partners = [window.partner_id for window in entity.partner_windows]
            for partner_id in sorted({one for one in partners if partners.count(one) > 1}):
                yield f"partner {partner_id} has two windows"
        case ShadowModel():
            yield from _of_model(entity.model)
        case AttributionWeights():
            if not sum(map(Fraction, entity.weights.values())):
                yield "all weights are 0"
        case _:
            return


def crossed_problems(entity: Entity, after: Entities) -> Iterator[tuple[str, str]]:
    """Yield field and sentence for what an entity breaks with others; absent ones are reported
    elsewhere."""
    match entity:
        case Offer():
            for model in offer_models(entity):
                yield from _weights_of_another(model, after)
        case ShadowModel():
            yield from _weights_of_another(entity.model, after)
            offer = after.get((Offer.kind, str(entity.offer_id)))
            if isinstance(offer, Offer) and entity.goal and offer.goal(entity.goal) is None:
                yield "goal", f"offer {offer.id} has no goal {entity.goal!r}"
        case Coupon() | CustomerBinding():
            offer = after.get((Offer.kind, str(entity.offer_id)))
            if isinstance(offer, Offer) and offer.advertiser_id != entity.advertiser_id:
                yield "offer", f"offer {offer.id} is advertiser {offer.advertiser_id}'s"
        case _:
            return


def _of_model(model: ModelTerms) -> Iterator[str]:
    if model.half_life_s <= 0:
        yield "the half-life must be longer than 0"
    if not 0 < model.first_part + model.last_part <= 1:
        yield "first and last together are above 0 and at most 1"
    if (model.name in WEIGHTED_MODELS) != (model.weights is not None):
        wanted = "needs" if model.weights is None else "takes no"
        yield f"the model {model.name} {wanted} weights"


def _weights_of_another(model: ModelTerms, after: Entities) -> Iterator[tuple[str, str]]:
    found = after.get((AttributionWeights.kind, str(model.weights)))
    if isinstance(found, AttributionWeights) and found.model != model.name:
        yield "model", f"the weights {found.id} are those of the model {found.model}"
