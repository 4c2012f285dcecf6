"""Laws of what is decided, over journeys nobody thought of."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import MODEL_NAMES, Catalog, ModelTerms
from afflux.kernel.events import CreditSignal, Decision, Result, Touch, TouchOutcome
from afflux.kernel.reasons import REASONS
from services.attribution.domain.alternatives import alternatives, eligible, shadow
from services.attribution.domain.decision import decide
from services.attribution.domain.journey import Step
from services.attribution.domain.models.exact import LARGEST, fitted
from services.attribution.domain.models.time_decay import BITS, weight
from tests.attribution_cases import (
    GOAL_AT,
    coupon,
    credit,
    frozen,
    journey,
    known,
    offered,
    report,
    touch,
)

parts = st.integers(1, 500_000).map(lambda n: str(n / 1_000_000))
terms = st.builds(
    ModelTerms,
    name=st.sampled_from(MODEL_NAMES),
    half_life_s=st.integers(1, 10**9),
    first=parts,
    last=parts,
    weights=st.just("spring"),
)
weights = st.dictionaries(
    st.integers(1, 5), st.decimals(0, 1, places=12).map(str), min_size=1, max_size=5
)


@st.composite
def paths(draw: st.DrawFn, most: int = 12) -> list[Step]:
    """Touches of five partners, some at equal times, some views, some that cannot be credited."""
    count = draw(st.integers(0, most))
    return [
        touch(
            number,
            draw(st.integers(1, 5)),
            draw(st.sampled_from([0, 1, 1_000, GOAL_AT - 1, GOAL_AT, GOAL_AT + 1])),
            kind=draw(st.sampled_from(["click", "click", "impression"])),
            invalid=draw(st.integers(0, 9)) == 0,
        )
        for number in range(count)
    ]


@st.composite
def decisions(draw: st.DrawFn) -> tuple[Decision, Catalog, ModelTerms]:
    """A decision over a path, with or without a named click, and what it was decided by."""
    steps, model = draw(paths()), draw(terms)
    offer = offered(model, view_window_s=draw(st.sampled_from([0, 3_600])))
    view = known(offer, frozen(model.name, draw(weights)), coupon(draw(st.integers(1, 5))))
    clicks = [step for step in steps if step.seen.kind == "click"]
    named = draw(st.sampled_from([None, *clicks]))
    code = draw(st.sampled_from([None, None, "SAVE10", "OTHER"]))
    of = report(named, coupon=code)
    return decide(of, journey(*steps, named=named), view, 10**6), view, model


def check(decision: Decision) -> None:
    """Shares are above 0, sum to 1 and fit the records; every touch without one says why."""
    shares = [part for _, part in credit(decision.shares)]
    attributed = decision.result is Result.ATTRIBUTED
    assert sum(shares) == (1 if attributed else 0)
    assert all(0 < share.numerator <= share.denominator <= LARGEST for share in decision.shares)
    assert (decision.reason is None) == attributed
    ids = {share.click_id for share in decision.shares}
    for one in decision.touches:
        assert (one.outcome is TouchOutcome.CREDITED) == (one.click_id in ids)
        assert (one.reason is None) == (one.click_id in ids)
        assert one.reason is None or one.reason in REASONS


@given(decisions())
def test_A1_A4_shares_are_exact_and_every_other_touch_has_its_reason(
    of: tuple[Decision, Catalog, ModelTerms],
) -> None:
    check(of[0])


@given(decisions())
def test_the_offers_model_is_among_the_alternatives_as_it_decided(
    of: tuple[Decision, Catalog, ModelTerms],
) -> None:
    decision, view, model = of
    others = alternatives(decision, view)
    assert bool(others) == bool(eligible(decision))
    for shares in others.values():
        assert sum(part for _, part in credit(shares)) == 1
    if decision.signal in (CreditSignal.CLICK_ID, CreditSignal.JOURNEY) and decision.shares:
        assert list(others[model.name]) == decision.shares
        assert list(shadow(decision, model, view).shares) == decision.shares
        assert shadow(decision, model, view).model == decision.model


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), st.integers(1, 10**9))
def test_A1_time_decay_fits_the_records_with_200_touches(
    ages_ms: list[int], half_life_s: int
) -> None:
    total = sum(weight(age - min(ages_ms), 1_000 * half_life_s) for age in ages_ms)
    assert 2**BITS <= total <= 200 * 2**BITS <= LARGEST


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**12))
def test_time_decay_never_gives_an_older_touch_more(one: int, other: int, half_life: int) -> None:
    newer, older = sorted((one, other))
    assert weight(newer, half_life) >= weight(older, half_life)


@given(st.integers(0, 10**12), st.integers(1, 10**11))
def test_time_decay_halves_with_each_half_life(age: int, half_life: int) -> None:
    """To the nearest unit of 2^-54 of the newest touch's weight, both of them rounded."""
    assert abs(2 * weight(age + half_life, half_life) - weight(age, half_life)) <= 1


@given(st.lists(st.integers(1, 3**60), min_size=1, max_size=200))
def test_A1_rounded_shares_sum_to_one_and_are_off_by_less_than_a_part_in_10_to_the_18(
    numbers: list[int],
) -> None:
    exact = [Fraction(number, sum(numbers)) for number in numbers]
    rounded = fitted(exact)
    assert sum(rounded) == 1
    for one, other in zip(exact, rounded, strict=True):
        assert 0 <= other.numerator <= other.denominator <= LARGEST
        assert abs(one - other) < Fraction(1, 10**18)


def own(decision: Decision) -> tuple[object, list[Touch]]:
    """The decision without the touches of other advertisers, and without what names its content."""
    touches = [one for one in decision.touches if one.offer_id != 9]
    bare = msgspec.structs.replace(decision, touches=[], event_id=bytes(16), recorded_at=0)
    return bare, touches


@given(paths(), st.lists(st.integers(0, GOAL_AT), min_size=1, max_size=8), terms)
def test_clicks_of_another_advertiser_change_nothing_but_their_own_lines(
    steps: list[Step], foreign: list[int], model: ModelTerms
) -> None:
    view = known(offered(model), frozen(model.name, {1: "0.5", 2: "0.25"}))
    others = [touch(100 + n, 1 + n, at, advertiser=2, offer_id=9) for n, at in enumerate(foreign)]
    alone = decide(report(), journey(*steps), view, 10**6)
    among = decide(report(), journey(*steps, *others), view, 10**6)
    assert own(among) == own(alone)
    lines = [one for one in among.touches if one.offer_id == 9]
    assert {(one.outcome, one.reason) for one in lines} == {(TouchOutcome.NONE, "other_advertiser")}


@given(paths(), terms, st.randoms(use_true_random=False))
def test_the_order_in_which_touches_of_one_time_come_changes_nothing(
    steps: list[Step], model: ModelTerms, dice: Random
) -> None:
    """Only their ids do: equal times are ordered by touch id, whatever came first."""
    view = known(offered(model), frozen(model.name, {1: "0.5", 2: "0.25"}))
    shuffled = list(steps)
    dice.shuffle(shuffled)
    one = decide(report(), journey(*steps), view, 10**6)
    assert decide(report(), journey(*shuffled), view, 10**6) == one


@given(st.permutations([1, 2, 3, 4]), terms)
def test_exchanging_the_ids_of_touches_of_one_time_exchanges_their_places(
    order: list[int], model: ModelTerms
) -> None:
    """The documented tie-break: the share goes with the place, the place with the id."""
    view = known(offered(model))
    steps = [touch(number, partner, 1_000) for number, partner in enumerate(order)]
    decision = decide(report(), journey(*steps), view, 10**6)
    plain = [touch(number, partner, 1_000) for number, partner in enumerate([1, 2, 3, 4])]
    reference = decide(report(), journey(*plain), view, 10**6)
    assert [one.partner_id for one in decision.touches] == order
    assert [(order.index(partner), part) for partner, part in credit(decision.shares)] == [
        (partner - 1, part) for partner, part in credit(reference.shares)
    ]
