"""Trial runs: what another model would have given, beside what was given.

A trial run is a catalogue entity (ShadowModel) of an offer, or of one of its goals. It holds for a
conversion as the terms do: true at its `occurred_at`, known when it was reported. What it says is a
function of the real decision and the catalogue, so that the same log gives the same trial runs; no
money depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from afflux.kernel.catalog import Catalog, ModelTerms, ShadowModel
from afflux.kernel.events import CreditSignal, Decision, Result, ShadowDecision, Share
from afflux.kernel.ids import derive
from services.attribution.domain.alternatives import shadow

_BEFORE_MODELS = frozenset({CreditSignal.COUPON, CreditSignal.CUSTOMER})
"""Signals that decide before a model is asked: another model changes nothing there."""


class TrialRuns:
    """The trial runs of a catalogue, found by offer; follows the catalogue as it grows."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._revision = -1
        self._ids: dict[int, set[str]] = {}

    def of(self, decision: Decision) -> list[ShadowDecision]:
        """Return what each trial run of the decision's offer says of its conversion.

        Of two with the same model the goal's own wins over the offer's.
        """
        if decision.offer_id is None or not self._known(decision.offer_id):
            return []
        runs = {run.model.name: run.model for run in self._holding(decision)}
        return [shadow_of(decision, model, self._catalog) for _, model in sorted(runs.items())]

    def _holding(self, decision: Decision) -> list[ShadowModel]:
        at = decision.terms_known_at
        known_at = decision.reported_at if at is None else at
        found = (
            self._catalog.find(ShadowModel, entity_id, decision.occurred_at, known_at)
            for entity_id in self._ids[decision.offer_id or 0]
        )
        held = [run for run in found if run is not None and run.goal in (None, decision.goal)]
        return sorted(held, key=lambda run: run.goal is not None)

    def _known(self, offer_id: int) -> bool:
        if self._revision != self._catalog.revision:
            self._revision, self._ids = self._catalog.revision, _ids_by_offer(self._catalog)
        return offer_id in self._ids


def shadow_of(decision: Decision, model: ModelTerms, catalog: Catalog) -> ShadowDecision:
    """Return what a model would have given for a decision's conversion.

    Where a coupon or the customer decided, it is what was given: no model is asked there. The
    shares name partners, offers and links only, no click and nothing a partner had put into one:
    so nothing here leads to a person.
    """
    real = _plain(decision.shares)
    before = decision.signal in _BEFORE_MODELS
    shares = real if before else _plain(shadow(decision, model, catalog).shares)
    return ShadowDecision(
        event_id=derive("shadow", decision.event_id, msgspec.msgpack.encode(model)),
        occurred_at=decision.occurred_at,
        recorded_at=decision.recorded_at,
        tenant_id=decision.tenant_id,
        conversion_key=decision.conversion_key,
        decision_id=decision.event_id,
        version=decision.version,
        result=Result.ATTRIBUTED if shares else Result.UNATTRIBUTED,
        reason=None if shares else decision.reason or "no_touch",
        advertiser_id=decision.advertiser_id,
        offer_id=decision.offer_id,
        goal=decision.goal,
        value_minor=decision.value_minor,
        currency=decision.currency,
        model=model.name,
        real_model=decision.model,
        shares=shares,
        real_shares=real,
    )


def _plain(shares: Sequence[Share]) -> list[Share]:
    """Return the parts by partner, offer and link, in the order of their first touch."""
    parts: dict[tuple[int, int, int], Fraction] = {}
    for one in shares:
        place = (one.partner_id, one.offer_id, one.link_id)
        parts[place] = parts.get(place, Fraction(0)) + Fraction(one.numerator, one.denominator)
    return [
        Share(
            partner_id=partner_id,
            offer_id=offer_id,
            link_id=link_id,
            numerator=part.numerator,
            denominator=part.denominator,
        )
        for (partner_id, offer_id, link_id), part in parts.items()
    ]


def _ids_by_offer(catalog: Catalog) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for entity_id in catalog.ids(ShadowModel):
        for run in _entities(catalog, entity_id):
            found.setdefault(run.offer_id, set()).add(entity_id)
    return found


def _entities(catalog: Catalog, entity_id: str) -> Iterable[ShadowModel]:
    for version in catalog.history(ShadowModel.kind, entity_id):
        if isinstance(version.entity, ShadowModel):
            yield version.entity
