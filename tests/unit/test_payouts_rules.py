"""Which rule wins: the most specific, then the priority, then the id."""

from __future__ import annotations

import pytest

from afflux.kernel.catalog import CommissionRule, FxRate, Terms
from afflux.kernel.types import Millis
from services.payouts.domain.fx import find_rate, rate_value
from services.payouts.domain.rules import RuleBook, choose
from tests.payouts_samples import OFFER, T0, catalog, change, offer, partner, sale_goal

LEVELS = [
    CommissionRule(id="network", terms=Terms(percent="1")),
    CommissionRule(id="goal", goal="sale", terms=Terms(percent="2")),
    CommissionRule(id="offer", offer_id=OFFER, terms=Terms(percent="3")),
    CommissionRule(id="offer_goal", offer_id=OFFER, goal="sale", terms=Terms(percent="4")),
    CommissionRule(id="group", group="gold", terms=Terms(percent="5")),
    CommissionRule(id="partner", partner_id=100, terms=Terms(percent="6")),
    CommissionRule(id="partner_offer", partner_id=100, offer_id=OFFER, terms=Terms(percent="7")),
]


def chosen(*rules: CommissionRule, own: Terms | None = None) -> tuple[str, int, str] | None:
    goal = sale_goal(commission=own)
    found = choose([(rule, 3) for rule in rules], partner(group="gold"), (offer(goal), 7), goal)
    return None if found is None else (found.rule_id, found.rule_version, found.level)


@pytest.mark.parametrize("highest", range(1, len(LEVELS) + 1))
def test_the_most_specific_rule_wins(highest: int) -> None:
    rules = LEVELS[:highest]
    found = chosen(*rules)
    assert found is not None
    assert found == chosen(*reversed(rules))
    assert found[:2] == (LEVELS[highest - 1].id, 3)


def test_a_goal_s_own_terms_beat_offer_rules_and_lose_to_a_declared_offer_goal_rule() -> None:
    own = Terms(percent="8")
    assert chosen(*LEVELS[:3], own=own) == ("offer:10:goal:sale", 7, "offer_goal")
    assert chosen(*LEVELS[:4], own=own) == ("offer_goal", 3, "offer_goal")


def test_ties_go_to_the_priority_then_to_the_lower_id() -> None:
    low = CommissionRule(id="a", terms=Terms(percent="1"), priority=1)
    high = CommissionRule(id="z", terms=Terms(percent="1"), priority=2)
    twin = CommissionRule(id="b", terms=Terms(percent="1"), priority=2)
    assert chosen(low, high) == ("z", 3, "network")
    assert chosen(high, twin, low) == ("b", 3, "network")


def test_rules_for_others_do_not_match_and_no_rule_is_no_rule() -> None:
    others = [
        CommissionRule(id="p", partner_id=5, terms=Terms(percent="1")),
        CommissionRule(id="g", group="silver", terms=Terms(percent="1")),
        CommissionRule(id="o", offer_id=99, terms=Terms(percent="1")),
        CommissionRule(id="l", goal="lead", terms=Terms(percent="1")),
    ]
    assert chosen(*others) is None


def test_the_book_answers_as_of_two_instants() -> None:
    view = catalog(partner(), offer())
    book = RuleBook(view)
    first = CommissionRule(id="r", terms=Terms(percent="1"))
    view.apply(change(first, 1, valid_from=0, recorded_at=100))
    view.apply(change(CommissionRule(id="r", partner_id=100, terms=Terms(percent="2")), 2, 50, 200))

    def found(valid_at: int, known_at: int) -> list[int]:
        rules = book.candidates(partner(), offer(), Millis(valid_at), Millis(known_at))
        return [version for _, version in rules]

    assert found(60, 99) == []
    assert found(60, 150) == [1]
    assert found(40, 250) == [1]
    assert found(60, 250) == [2]


def test_L9_a_rate_is_direct_or_the_exact_inverse_and_never_a_chain() -> None:
    view = catalog(
        FxRate(base="EUR", quote="USD", rate="1.0850", source="ecb"),
        FxRate(base="EUR", quote="GBP", rate="0.8600", source="ecb"),
    )
    direct = find_rate(view, "EUR", "USD", T0, T0)
    inverse = find_rate(view, "USD", "EUR", T0, T0)
    assert direct is not None and (direct.rate, direct.version) == ("1.0850", 1)
    assert inverse is not None and inverse.rate == "1/1.0850"
    assert rate_value(direct.rate) * rate_value(inverse.rate) == 1
    assert find_rate(view, "USD", "GBP", T0, T0) is None
