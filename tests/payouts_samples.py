"""Assessments, adjustments and catalogues for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from afflux.kernel.catalog import (
    Advertiser,
    Approval,
    Catalog,
    CommissionRule,
    Entity,
    FxRate,
    Goal,
    Landing,
    Offer,
    Partner,
    Terms,
)
from afflux.kernel.events import (
    Adjustment,
    AdjustmentKind,
    Assessment,
    Authentication,
    CatalogChange,
    Channel,
    CreditSignal,
    Decision,
    Operation,
    Result,
    Share,
    Status,
    Verdict,
)
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis

T0 = Millis(1_700_000_000_000)
DAY = 86_400_000
OFFER, ADVERTISER, PARTNER = 10, 1, 100


def sale_goal(**fields: Any) -> Goal:
    """A sale: the advertiser owes 12 %, the partner gets 8 %, held for 30 days."""
    base: dict[str, Any] = {
        "name": "sale",
        "revenue": Terms(percent="12"),
        "commission": Terms(percent="8"),
    }
    return Goal(**{**base, **fields})


def offer(*goals: Goal, offer_id: int = OFFER, **fields: Any) -> Offer:
    """An offer of advertiser 1 with these goals, by default a sale."""
    landings = [Landing(id=1, url="https://shop.example/")]
    goal_list = list(goals) or [sale_goal()]
    base = {"id": offer_id, "advertiser_id": ADVERTISER, "name": "shop", "landings": landings}
    return Offer(**{**base, "goals": goal_list, **fields})


def partner(partner_id: int = PARTNER, **fields: Any) -> Partner:
    """A partner paid in EUR."""
    return Partner(id=partner_id, name=f"p{partner_id}", **fields)


def change(
    entity: Entity, version: int = 1, valid_from: int = 0, recorded_at: int = 0
) -> CatalogChange:
    """One version of an entity."""
    return CatalogChange(
        event_id=derive("change", entity.kind, entity.entity_id, version),
        occurred_at=Millis(recorded_at),
        recorded_at=Millis(recorded_at),
        kind=entity.kind,
        entity_id=entity.entity_id,
        version=version,
        valid_from=Millis(valid_from),
        operation=Operation.PUT,
        body=msgspec.json.encode(entity).decode(),
        author="test",
    )


def catalog(*entities: Entity) -> Catalog:
    """A catalogue of version 1 of each, true and known since ever."""
    view = Catalog()
    for entity in entities:
        view.apply(change(entity))
    return view


def demo_catalog() -> Catalog:
    """The demo entities, true and known since ever."""
    return catalog(*demo_entities())


def demo_entities() -> list[Entity]:
    """Three offers (held 30 days, not, 3 s), four partners (one paid in USD), a rule, a rate."""
    lead = Goal(
        name="lead",
        revenue=Terms(flat_minor=500, currency="EUR"),
        commission=Terms(flat_minor=300, currency="EUR"),
        approval=Approval.ADVERTISER,
    )
    return [
        Advertiser(id=ADVERTISER, name="shop"),
        offer(sale_goal(), lead),
        offer(sale_goal(hold_seconds=0), offer_id=11),
        offer(sale_goal(hold_seconds=3), offer_id=12),
        partner(100),
        partner(101, group="gold"),
        partner(102, currency="USD"),
        partner(103),
        CommissionRule(id="gold", group="gold", terms=Terms(percent="10")),
        FxRate(base="EUR", quote="USD", rate="1.0850", source="ecb"),
    ]


def share(
    partner_id: int = PARTNER, numerator: int = 1, denominator: int = 1, offer_id: int = OFFER
) -> Share:
    """A share of a conversion."""
    return Share(
        partner_id=partner_id,
        offer_id=offer_id,
        link_id=1,
        numerator=numerator,
        denominator=denominator,
    )


def key_of(txn: str) -> bytes:
    """The key of a conversion of these tests."""
    return derive("conversion", ADVERTISER, "sale", txn)


def assessment(
    txn: str = "t1",
    shares: Sequence[Share] | None = None,
    *,
    value: int | None = 10_000,
    currency: str | None = "EUR",
    goal: str = "sale",
    version: int = 1,
    verdict: Verdict = Verdict.PASS,
    status: Status = Status.APPROVED,
    at: int = T0,
    body: str = "body",
) -> Assessment:
    """An assessment of a conversion of 100.00 EUR credited to partner 100."""
    shares = [share()] if shares is None else list(shares)
    decision = Decision(
        event_id=derive("decision", txn, version),
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        conversion_key=key_of(txn),
        body_hash=derive("body", txn, body),
        version=version,
        result=Result.ATTRIBUTED if shares else Result.UNATTRIBUTED,
        advertiser_id=ADVERTISER,
        goal=goal,
        transaction_id=txn,
        value_minor=value,
        currency=currency,
        status=status,
        channel=Channel.POSTBACK,
        authentication=Authentication.HMAC,
        reported_at=Millis(at),
        shares=shares,
        signal=CreditSignal.CLICK_ID,
        model="last",
        window_s=0,
        terms_version=1,
        screened=True,
        waited_ms=0,
    )
    return Assessment(
        event_id=derive("assessment", txn, version, verdict.value),
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        conversion_key=decision.conversion_key,
        version=version,
        decision_id=decision.event_id,
        decision_version=version,
        verdict=verdict,
        rules_version=1,
        decision=decision,
    )


def adjustment(
    kind: AdjustmentKind,
    value: int | None = None,
    *,
    txn: str = "t1",
    identity: str = "a1",
    currency: str | None = "EUR",
    at: int = T0,
    body: str = "body",
) -> Adjustment:
    """An adjustment of a conversion of these tests."""
    return Adjustment(
        event_id=derive("adjustment", txn, identity, body),
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        conversion_key=key_of(txn),
        body_hash=derive("body", txn, identity, body),
        advertiser_id=ADVERTISER,
        goal="sale",
        transaction_id=txn,
        kind=kind,
        adjustment_id=identity,
        value_minor=value,
        currency=currency if value is not None else None,
        channel=Channel.API,
        authentication=Authentication.HMAC,
        edge_id="e1",
        journal_position=0,
    )
