"""What the catalogue said of a decision: its model with parameters, the windows of its touches.

Looked up as the decision knew it: true at the conversion's `occurred_at`, known when it was
reported, or at `terms_known_at` where it was decided again with later knowledge (law A2).
"""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.catalog import AttributionWeights, Catalog, ModelTerms, Offer
from afflux.kernel.events import Decision, Touch
from afflux.kernel.types import Millis

CLICK = "click"


class Model(Struct, frozen=True, omit_defaults=True):
    """The model a decision used, and the parameters that this model reads."""

    name: str
    half_life_s: int | None = None
    first: str | None = None
    last: str | None = None
    weights: str | None = None
    weights_version: int | None = None


def known_at(decision: Decision) -> Millis:
    """Return as of when the decision knew the catalogue."""
    return decision.reported_at if decision.terms_known_at is None else decision.terms_known_at


def offer_of(catalog: Catalog, decision: Decision, offer_id: int | None) -> Offer | None:
    """Return an offer as the decision knew it."""
    if offer_id is None:
        return None
    return catalog.find(Offer, offer_id, decision.occurred_at, known_at(decision))


def model_of(catalog: Catalog, decision: Decision) -> Model:
    """Return the decision's model with its parameters; the name alone where the terms are gone."""
    offer = offer_of(catalog, decision, decision.offer_id)
    terms = None if offer is None else offer.model_terms(offer.goal(decision.goal))
    if terms is None or terms.name != decision.model:
        return Model(decision.model)
    return described(catalog, decision, terms)


def described(catalog: Catalog, decision: Decision, terms: ModelTerms) -> Model:
    """Return a model's terms with the version of its weights."""
    match terms.name:
        case "time_decay":
            return Model(terms.name, half_life_s=terms.half_life_s)
        case "position":
            return Model(terms.name, first=terms.first, last=terms.last)
    if terms.weights is None:
        return Model(terms.name)
    found = catalog.find_version(
        AttributionWeights, terms.weights, decision.occurred_at, known_at(decision)
    )
    version = None if found is None else found[1]
    return Model(terms.name, weights=terms.weights, weights_version=version)


def window_of(catalog: Catalog, decision: Decision, touch: Touch) -> int | None:
    """Return the window in seconds of a touch's kind and partner; None for an unknown offer."""
    offer = offer_of(catalog, decision, touch.offer_id)
    if offer is None:
        return None
    click_s, view_s = offer.windows_for(offer.goal(decision.goal), touch.partner_id)
    return click_s if touch.kind == CLICK else view_s
