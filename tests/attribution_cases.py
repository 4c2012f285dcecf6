"""Journeys and catalogues written by hand, for the tests of what attribution decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from afflux.kernel.catalog import AttributionWeights, Catalog, Coupon, Entity, ModelTerms, Offer
from afflux.kernel.events import CatalogChange, Conversion, Decision, Operation, Share
from afflux.kernel.ids import derive, ulid
from afflux.kernel.types import Millis
from services.attribution.domain.decision import decide
from services.attribution.domain.journey import Journey, Note, Seen, Step, by_time
from tests.attribution_events import T0, conversion, offer

GOAL_AT = 3_600_000
"""When conversions happen here, in ms after T0: an hour."""


def touch(
    number: int,
    partner: int,
    at: int = 0,
    *,
    kind: str = "click",
    offer_id: int = 7,
    advertiser: int = 1,
    invalid: bool = False,
) -> Step:
    """Touch `number` of a partner at T0 + `at` ms."""
    notes = (Note("bot_user_agent", True, Millis(T0 + at)),) if invalid else ()
    seen = Seen(
        click_id=ulid(Millis(T0 + at), number.to_bytes(10, "big")),
        occurred_at=Millis(T0 + at),
        recorded_at=Millis(T0 + at),
        log_time=Millis(T0 + at),
        offset=number,
        partner_id=partner,
        offer_id=offer_id,
        link_id=partner,
        advertiser_id=advertiser,
        kind=kind,
    )
    return Step(seen, notes)


def journey(*steps: Step, named: Step | None = None) -> Journey:
    """These touches in the order in which the state gives them."""
    return Journey(tuple(sorted(steps, key=by_time)), named)


def report(
    named: Step | None = None, at: int = GOAL_AT, visitor: bool = True, **more: object
) -> Conversion:
    """A sale of advertiser 1 at T0 + `at` ms, of a visitor or of nobody, naming a click or none."""
    made = conversion(1, at, who=1 if visitor else None)
    if named is not None:
        seen = named.seen
        more |= {
            "click_id": seen.click_id,
            "click_partner_id": seen.partner_id,
            "click_offer_id": seen.offer_id,
            "click_link_id": seen.link_id,
            "clicked_at": seen.occurred_at,
        }
    return msgspec.structs.replace(made, **more)


def offered(model: str | ModelTerms = "last", number: int = 7, **more: object) -> Offer:
    """An offer of advertiser 1 with this model."""
    return msgspec.structs.replace(offer(number, window_s=7 * 86_400), model=model, **more)


def said(
    entity: Entity,
    version: int = 1,
    valid_from: int = 0,
    valid_to: int | None = None,
    recorded_at: int = 0,
) -> CatalogChange:
    """A version of an entity in the catalogue's log."""
    return CatalogChange(
        event_id=derive("change", entity.kind, entity.entity_id, version),
        occurred_at=Millis(valid_from),
        recorded_at=Millis(recorded_at),
        kind=entity.kind,
        entity_id=entity.entity_id,
        version=version,
        valid_from=Millis(valid_from),
        valid_to=None if valid_to is None else Millis(valid_to),
        operation=Operation.PUT,
        body=msgspec.json.encode(entity).decode(),
        author="test",
    )


def known(*entities: Entity | CatalogChange) -> Catalog:
    """A catalogue of these, true and known for ever where nothing else is said."""
    view = Catalog()
    for entity in entities:
        view.apply(entity if isinstance(entity, CatalogChange) else said(entity))
    return view


def coupon(partner: int, code: str = "SAVE10", offer_id: int | None = None) -> Coupon:
    """A coupon of advertiser 1 that leads to a partner."""
    return Coupon(advertiser_id=1, code=code, partner_id=partner, offer_id=offer_id)


def frozen(
    model: str, weights: Mapping[int, str], weights_id: str = "spring"
) -> AttributionWeights:
    """Frozen weights by partner."""
    texts = {str(partner): weight for partner, weight in weights.items()}
    return AttributionWeights(id=weights_id, model=model, weights=texts)


def credit(shares: Sequence[Share]) -> list[tuple[int, Fraction]]:
    """(partner, share) of each share, in order."""
    return [(one.partner_id, Fraction(one.numerator, one.denominator)) for one in shares]


def outcomes(decision: Decision) -> list[tuple[int, str, str | None]]:
    """(partner, outcome, reason) of each touch, in order."""
    return [(one.partner_id, one.outcome.value, one.reason) for one in decision.touches]


def decided(steps: Sequence[Step], *entities: Entity, named: Step | None = None) -> Decision:
    """What is decided about a sale after these touches, all screened."""
    return decide(report(named), journey(*steps, named=named), known(*entities), 10**6)
