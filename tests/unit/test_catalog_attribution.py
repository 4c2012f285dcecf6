"""How a catalogue file says how conversions are attributed, and what it may not say."""

from __future__ import annotations

import pytest

from afflux.kernel.catalog import (
    Advertiser,
    AttributionWeights,
    Catalog,
    Coupon,
    CustomerBinding,
    Lifetime,
    ModelTerms,
    Offer,
    PartnerWindow,
    ShadowModel,
    SignalOrder,
)
from afflux.kernel.catalog.check import check
from afflux.kernel.catalog.declared import read_declaration
from afflux.kernel.catalog.fields import show_entity
from afflux.kernel.document import Problem, Problems
from afflux.kernel.types import Millis
from afflux.runtime.yaml_document import parse_document

DAY = 86_400
BASE = """
advertisers:
  - {id: 7, name: Shop, signals: coupon_first}
  - {id: 8, name: Other}
partners:
  - {id: 1, name: Blog}
  - {id: 2, name: Deals}
offers:
  - id: 1
    advertiser: 7
    name: Offer
    landings: [{id: 1, url: "https://shop.example/"}]
    goals:
      - {name: sale, revenue: 10%, model: linear, view_window: 12h}
      - {name: rebill, revenue: 5%}
      - {name: lead, revenue: 1%, model: {name: position, first: "0.5", last: "0.3"}}
    model: {name: time_decay, half_life: 3d}
    window: 14d
    view_window: 1d
    partner_windows: [{partner: 2, window: 2d}]
    lifetime: {months: 12}
  - id: 2
    advertiser: 8
    name: Second
    landings: [{id: 1, url: "https://shop.example/2"}]
    goals: [{name: sale, revenue: 10%, model: {name: markov, weights: spring}}]
    lifetime: {for_ever: true}
coupons:
  - {advertiser: 7, code: summer10, partner: 2, offer: 1}
customer_bindings:
  - {advertiser: 7, customer: 000102030405060708090a0b0c0d0e0f, partner: 1}
attribution_weights:
  - {id: spring, model: markov, weights: {1: "0.75", 2: "0.25"}}
shadow_models:
  - {offer: 1, model: first}
  - {offer: 1, model: {name: time_decay, half_life: 1d}, goal: sale}
"""


def read(text: str) -> tuple[dict[tuple[str, str], object], list[Problem]]:
    problems = Problems()
    declaration = read_declaration(parse_document(text, problems), problems, {"UTC"})
    check(declaration, Catalog(), Millis(1_700_000_000_000), problems)
    entities = {(d.entity.kind, d.entity.entity_id): d.entity for d in declaration.entities}
    return dict(entities), list(problems)


def test_a_file_says_how_conversions_are_attributed() -> None:
    entities, problems = read(BASE)
    assert problems == []
    offer, second = entities["offer", "1"], entities["offer", "2"]
    assert isinstance(offer, Offer) and isinstance(second, Offer)
    sale, rebill, lead = offer.goals
    assert offer.model_terms(sale) == ModelTerms(name="linear")
    assert offer.model_terms(rebill) == ModelTerms(name="time_decay", half_life_s=3 * DAY)
    assert offer.model_terms(lead) == ModelTerms(name="position", first="0.5", last="0.3")
    assert offer.partner_windows == [PartnerWindow(partner_id=2, click_window_s=2 * DAY)]
    assert offer.windows_for(sale, 1) == (14 * DAY, DAY // 2)
    assert offer.windows_for(rebill, 2) == (2 * DAY, DAY)
    assert (offer.lifetime, second.lifetime) == (Lifetime(months=12), Lifetime())
    shop, other = entities["advertiser", "7"], entities["advertiser", "8"]
    assert isinstance(shop, Advertiser) and isinstance(other, Advertiser)
    assert (shop.signals, other.signals) == (SignalOrder.COUPON_FIRST, SignalOrder.CLICK_FIRST)
    assert isinstance(entities["coupon", "7:SUMMER10"], Coupon)
    assert isinstance(
        entities["customer_binding", "7:000102030405060708090a0b0c0d0e0f"], CustomerBinding
    )
    weights = entities["attribution_weights", "spring"]
    assert isinstance(weights, AttributionWeights) and weights.weight(1) == 3 * weights.weight(2)
    assert {name for kind, name in entities if kind == ShadowModel.kind} == {
        "1:first",
        "1:sale:time_decay",
    }


def test_months_and_payments_may_both_end_a_lifetime() -> None:
    entities, problems = read(BASE.replace("{months: 12}", "{months: 12, payments: 6}"))
    offer = entities["offer", "1"]
    assert problems == [] and isinstance(offer, Offer)
    assert offer.lifetime == Lifetime(months=12, payments=6)
    assert show_entity(offer)["lifetime"] == {"months": 12, "payments": 6}


def test_what_is_shown_is_what_the_file_said() -> None:
    entities, _ = read(BASE)
    offer = entities["offer", "1"]
    assert isinstance(offer, Offer)
    shown = show_entity(offer)
    assert shown["model"] == {"name": "time_decay", "half_life": "3d"}
    assert shown["partner_windows"] == [{"partner": 2, "window": "2d"}]
    assert shown["lifetime"] == {"months": 12}
    goals = shown["goals"]
    assert isinstance(goals, list)
    assert goals[0]["model"] == "linear" and goals[0]["view_window"] == "12h"
    second = entities["offer", "2"]
    assert isinstance(second, Offer) and show_entity(second)["lifetime"] == {"for_ever": True}
    coupon = entities["coupon", "7:SUMMER10"]
    assert isinstance(coupon, Coupon)
    assert show_entity(coupon) == {"advertiser": 7, "code": "SUMMER10", "partner": 2, "offer": 1}


@pytest.mark.parametrize(
    ("old", "new", "path", "part"),
    [
        ("model: linear", "model: newest", "model", "is none of"),
        ("model: linear", "model: markov", "offers[0]", "needs weights"),
        ("model: linear", "model: {name: linear, weights: spring}", "offers[0]", "takes no"),
        ("weights: spring}}", "weights: sprang}}", "model", "spring"),
        ("{id: spring, model: markov", "{id: spring, model: shapley", "model", "those of"),
        ('first: "0.5"', 'first: "0.9"', "offers[0]", "at most 1"),
        ("half_life: 3d", "half_life: 0", "offers[0]", "longer than 0"),
        ("{months: 12}", "{months: 12, for_ever: true}", "lifetime", "say months"),
        ("{months: 12}", "{for_ever: false}", "lifetime", "say months"),
        ("{months: 12}", "{}", "lifetime", "say months"),
        ("code: summer10", 'code: "sum mer"', "code", "no coupon"),
        ("partner: 2, offer: 1", "partner: 2, offer: 2", "offer", "advertiser 8"),
        ("partner: 2, offer: 1", "partner: 5, offer: 1", "partner", "no partner"),
        ("0d0e0f", "0d0e0", "customer", "32 hex"),
        ('{1: "0.75", 2: "0.25"}', '{1: "0", 2: "0"}', "attribution_weights[0]", "all weights"),
        ('{1: "0.75"', '{x: "0.75"', "weights.x", "not an id"),
        ("goal: sale}", "goal: sales}", "goal", "no goal"),
        ("partner_windows: [", "partner_windows: [{partner: 2},", "offers[0]", "two windows"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, path: str, part: str) -> None:
    assert old in BASE
    _, problems = read(BASE.replace(old, new, 1))
    assert any(path in each.path and part in each.message for each in problems), problems
