"""What other models would have given for a decision: from its own touches and the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from msgspec import Struct

from afflux.kernel.catalog import WEIGHTED_MODELS, Catalog, ModelTerms
from afflux.kernel.events import Decision, Share, Touch, TouchOutcome
from services.attribution.domain.lookup import Goal, Lookup
from services.attribution.domain.models import MODELS, Case, apply
from services.attribution.domain.window import CLICK, OfferTerms

Shares = tuple[Share, ...]
"""Shares of one conversion, oldest touch first; empty where no touch was eligible."""


class Shadow(Struct, frozen=True):
    """What a model would have given, and its name as a decision would say it."""

    model: str
    shares: Shares


def alternatives(decision: Decision, catalog: Catalog) -> Mapping[str, Shares]:
    """Return what each model would have given over the touches that were eligible, by its name.

    The offer's model is among them, with its own parameters. The others have the default ones;
    models of frozen weights are there only if the offer names their weights. Nothing where no
    touch was eligible. Where a coupon or a customer decided, it is what the touches alone would
    have got. Shares are as in the decision, without what the partner had put into the click.
    """
    path, lookup = eligible(decision), _lookup(decision, catalog)
    terms = lookup.terms(path[-1].offer_id) if path else None
    if not isinstance(terms, OfferTerms):
        return {}
    own = terms.model
    asked = [own if name == own.name else ModelTerms(name=name) for name in MODELS]
    return {
        model.name: _given(decision, path, model, lookup).shares
        for model in asked
        if model.name not in WEIGHTED_MODELS or model.weights is not None
    }


def shadow(decision: Decision, model: ModelTerms, catalog: Catalog) -> Shadow:
    """Return what this model would have given over the touches that were eligible."""
    return _given(decision, eligible(decision), model, _lookup(decision, catalog))


def eligible(decision: Decision) -> Sequence[Touch]:
    """Return the touches that a model had to share among, oldest first.

    Those credited and those that assisted, but no view that a click beat, and none after the click
    that the report names.
    """
    beaten = ("view_beaten_by_click", "not_the_reported_click")
    return [
        touch
        for touch in decision.touches
        if touch.outcome is not TouchOutcome.NONE and touch.reason not in beaten
    ]


def _lookup(decision: Decision, catalog: Catalog) -> Lookup:
    goal = Goal(decision.advertiser_id, decision.goal, decision.occurred_at)
    known_at = decision.terms_known_at
    return Lookup(catalog, goal, decision.reported_at if known_at is None else known_at)


def _given(decision: Decision, path: Sequence[Touch], model: ModelTerms, lookup: Lookup) -> Shadow:
    if not path:
        return Shadow(model.name, ())
    given = apply(Case(path, model, decision.occurred_at, lookup))
    pairs = zip(path, given.shares, strict=True)
    return Shadow(given.name, tuple(_share(touch, part) for touch, part in pairs if part))


def _share(touch: Touch, part: Fraction) -> Share:
    return Share(
        partner_id=touch.partner_id,
        offer_id=touch.offer_id,
        link_id=touch.link_id,
        click_id=touch.click_id,
        clicked_at=touch.occurred_at if touch.kind == CLICK else None,
        numerator=part.numerator,
        denominator=part.denominator,
    )
