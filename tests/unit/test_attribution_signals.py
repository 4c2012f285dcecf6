"""Which signal of a report decides, and what a decision says when one leads to nobody."""

from __future__ import annotations

from fractions import Fraction as F

import msgspec
import pytest

from afflux.kernel.catalog import Advertiser, Entity, SignalOrder
from afflux.kernel.events import Conversion, CreditSignal, Decision, Operation, Result
from afflux.kernel.types import Millis
from services.attribution.domain.decision import decide
from services.attribution.domain.journey import Step
from tests.attribution_cases import (
    GOAL_AT,
    coupon,
    credit,
    journey,
    known,
    offered,
    outcomes,
    report,
    said,
    touch,
)
from tests.attribution_events import T0

FIRST, LAST = touch(1, 10), touch(2, 20, 1)
STALE = touch(3, 30, GOAL_AT - 8 * 86_400_000)
COUPON_FIRST = Advertiser(id=1, name="shop", signals=SignalOrder.COUPON_FIRST)


def told(
    of: Conversion,
    *entities: Entity,
    steps: tuple[Step, ...] = (FIRST, LAST),
) -> Decision:
    """The decision about a report after these touches."""
    named = next((s for s in steps if s.seen.click_id == of.click_id), None)
    entities = entities if any(e.kind == "offer" for e in entities) else (offered(), *entities)
    return decide(of, journey(*steps, named=named), known(*entities), 10**6)


def test_a_coupon_gives_the_whole_to_its_partner_and_the_touches_assisted() -> None:
    decision = told(report(coupon=" save10 "), coupon(50))
    (share,) = decision.shares
    assert credit(decision.shares) == [(50, F(1))]
    assert (share.click_id, share.clicked_at, share.link_id, share.offer_id) == (None, None, 0, 7)
    assert (decision.signal, decision.model, decision.window_s) == (
        CreditSignal.COUPON,
        "coupon",
        0,
    )
    assert (decision.offer_id, decision.terms_version, decision.screened) == (7, 1, True)
    assert outcomes(decision) == [
        (10, "assisted", "coupon_touch"),
        (20, "assisted", "coupon_touch"),
    ]


@pytest.mark.parametrize(
    ("entities", "named", "partner", "signal"),
    [
        ([coupon(50)], FIRST, 10, CreditSignal.CLICK_ID),
        ([coupon(50), COUPON_FIRST], FIRST, 50, CreditSignal.COUPON),
        ([coupon(50)], None, 50, CreditSignal.COUPON),
        ([COUPON_FIRST], FIRST, 10, CreditSignal.CLICK_ID),
        ([], None, 20, CreditSignal.JOURNEY),
    ],
)
def test_the_first_signal_that_leads_to_somebody_decides(
    entities: list[Entity],
    named: Step | None,
    partner: int,
    signal: CreditSignal,
) -> None:
    decision = told(report(named, coupon="SAVE10"), *entities)
    assert (credit(decision.shares), decision.signal) == ([(partner, F(1))], signal)


def test_a_click_out_of_its_window_gives_way_to_the_coupon_not_to_the_journey() -> None:
    late = report(STALE, coupon="SAVE10")
    steps = (STALE, FIRST, LAST)
    assert credit(told(late, coupon(50), steps=steps).shares) == [(50, F(1))]
    nobody = told(late, steps=steps)
    assert (nobody.result, nobody.reason) == (Result.UNATTRIBUTED, "outside_window")
    assert outcomes(nobody) == [
        (30, "none", "outside_window"),
        (10, "assisted", "not_the_reported_click"),
        (20, "assisted", "not_the_reported_click"),
    ]


def test_a_coupon_that_leads_to_nobody_is_passed_over_and_named_if_nobody_else_is_found() -> None:
    assert told(report(coupon="OTHER"), coupon(50)).signal is CreditSignal.JOURNEY
    nobody = told(report(coupon="OTHER"), coupon(50), steps=())
    assert (nobody.signal, nobody.reason) == (CreditSignal.COUPON, "coupon_unknown")
    assert told(report(coupon=" "), steps=()).reason == "no_touch"


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "recorded_at", "reason"),
    [
        (T0, None, 0, None),
        (T0 + GOAL_AT, T0 + GOAL_AT + 1, 0, None),
        (T0, T0 + GOAL_AT, 0, "coupon_expired"),
        (T0 + GOAL_AT + 1, None, 0, "coupon_expired"),
        (0, None, T0 + GOAL_AT + 1, "coupon_unknown"),
    ],
)
def test_a_coupon_is_valid_when_the_goal_is_reached_and_known_when_it_is_reported(
    valid_from: int, valid_to: int | None, recorded_at: int, reason: str | None
) -> None:
    change = said(coupon(50), 1, valid_from, valid_to, recorded_at)
    view = known(offered(), change)
    of = report(coupon="SAVE10", visitor=False)
    assert decide(of, journey(), view, 0).reason == reason


def test_one_code_is_one_partners_at_a_time() -> None:
    early = said(coupon(50), 1, 0, T0 + GOAL_AT)
    later = said(coupon(60), 2, T0 + GOAL_AT)
    view = known(offered(), early, later)
    for at, partner in ((GOAL_AT - 1, 50), (GOAL_AT, 60)):
        decision = decide(report(at=at, coupon="SAVE10"), journey(), view, 0)
        assert credit(decision.shares) == [(partner, F(1))]


def test_a_deleted_coupon_is_expired() -> None:
    gone = msgspec.structs.replace(said(coupon(50), 2, T0), operation=Operation.DELETE, body="")
    view = known(offered(), coupon(50), gone)
    of = report(coupon="SAVE10", visitor=False)
    assert decide(of, journey(), view, 0).reason == "coupon_expired"


@pytest.mark.parametrize(
    ("of_coupon", "of_report", "steps", "offers", "expected"),
    [
        (8, None, (FIRST,), (7, 8), 8),
        (None, 8, (FIRST,), (7, 8), 8),
        (None, None, (FIRST,), (7, 8), 7),
        (None, None, (), (8,), 8),
        (None, None, (), (7, 8), "coupon_other_offer"),
        (8, 7, (), (7, 8), "coupon_other_offer"),
        (77, None, (), (7, 8), "offer_unknown"),
    ],
)
def test_a_coupon_needs_one_offer(
    of_coupon: int | None,
    of_report: int | None,
    steps: tuple[Step, ...],
    offers: tuple[int, ...],
    expected: int | str,
) -> None:
    entities = [offered(number=number) for number in offers]
    of = report(coupon="SAVE10", offer_id=of_report, visitor=bool(steps))
    decision = told(of, coupon(50, offer_id=of_coupon), *entities, steps=steps)
    found = decision.shares[0].offer_id if decision.shares else decision.reason
    assert found == expected


def test_A2_later_knowledge_of_the_catalogue_decides_again_and_says_so() -> None:
    wider = said(offered(), 2, 0, None, T0 + 2 * GOAL_AT)
    narrow = said(offered(click_window_s=60), 1)
    view = known(narrow, wider)
    of, path = report(FIRST), journey(FIRST, named=FIRST)
    then = decide(of, path, view, 10**6)
    assert (then.reason, then.terms_known_at, then.terms_version) == ("outside_window", None, 1)
    same = decide(of, path, view, 10**6, known_at=of.recorded_at)
    assert same == then
    now = Millis(T0 + 3 * GOAL_AT)
    again = decide(of, path, view, 10**6, known_at=now)
    assert (again.result, again.terms_version) == (Result.ATTRIBUTED, 2)
    assert (again.terms_known_at, again.recorded_at) == (now, now)
