"""Windows of clicks and views, of goals and partners; what else a touch can come to nothing by."""

from __future__ import annotations

from fractions import Fraction as F

import msgspec
import pytest

from afflux.kernel.catalog import Offer, PartnerWindow
from afflux.kernel.events import Result
from services.attribution.domain.journey import Step
from tests.attribution_cases import GOAL_AT, credit, decided, offered, outcomes, touch

MINUTE = 60_000


def view(number: int, partner: int, at: int, **more: bool) -> Step:
    """A view of a partner's creative."""
    return touch(number, partner, at, kind="impression", **more)


def viewed(view_window_s: int = 600, **more: object) -> Offer:
    """An offer that pays for views, too."""
    return offered(view_window_s=view_window_s, **more)


def test_a_view_is_credited_only_without_a_click() -> None:
    seen, clicked = view(1, 10, GOAL_AT - MINUTE), touch(2, 20, 0)
    alone = decided([seen], viewed())
    assert credit(alone.shares) == [(10, F(1))]
    (share,) = alone.shares
    assert (share.click_id, share.clicked_at) == (seen.seen.click_id, None)
    assert (alone.window_s, alone.touches[0].kind, alone.screened) == (600, "impression", True)
    beaten = decided([seen, clicked], viewed())
    assert credit(beaten.shares) == [(20, F(1))]
    assert beaten.window_s == 7 * 86_400
    assert outcomes(beaten) == [(20, "credited", None), (10, "assisted", "view_beaten_by_click")]


def test_a_click_that_cannot_be_credited_beats_no_view() -> None:
    steps = [view(1, 10, GOAL_AT - MINUTE), touch(2, 20, 1, invalid=True)]
    decision = decided(steps, viewed())
    assert credit(decision.shares) == [(10, F(1))]
    assert outcomes(decision)[0] == (20, "none", "flagged_invalid")


@pytest.mark.parametrize(
    ("window_s", "before_ms", "reason"),
    [
        (600, 600_000, None),
        (600, 600_001, "outside_view_window"),
        (600, 0, None),
        (0, 0, "outside_view_window"),
    ],
)
def test_the_view_window_holds_both_its_bounds_and_none_means_none(
    window_s: int, before_ms: int, reason: str | None
) -> None:
    decision = decided([view(1, 10, GOAL_AT - before_ms)], viewed(window_s))
    assert decision.reason == reason
    assert decision.touches[0].reason == reason
    assert (decision.result is Result.ATTRIBUTED) == (reason is None)


def test_the_partners_window_wins_over_the_goals_and_that_over_the_offers() -> None:
    goal = msgspec.structs.replace(offered().goals[0], window_s=60, view_window_s=30)
    terms = viewed(
        goals=[goal],
        partner_windows=[PartnerWindow(partner_id=20, click_window_s=120, view_window_s=90)],
    )
    clicks = [touch(n, partner, GOAL_AT - 100_000) for n, partner in ((1, 10), (2, 20))]
    decision = decided(clicks, terms)
    assert outcomes(decision) == [(10, "none", "outside_window"), (20, "credited", None)]
    assert decision.window_s == 120
    views = [view(n, partner, GOAL_AT - 80_000) for n, partner in ((1, 10), (2, 20))]
    decision = decided(views, terms)
    assert outcomes(decision) == [(10, "none", "outside_view_window"), (20, "credited", None)]
    assert decision.window_s == 90
    late = decided([touch(1, 20, 0)], terms, named=touch(1, 20, 0))
    assert (late.reason, late.window_s) == ("outside_window", 120)


def test_views_are_shared_by_the_model_as_clicks_are() -> None:
    steps = [view(1, 10, GOAL_AT - 2 * MINUTE), view(2, 20, GOAL_AT - MINUTE)]
    decision = decided(steps, viewed(model="linear"))
    assert credit(decision.shares) == [(10, F(1, 2)), (20, F(1, 2))]


def test_the_reason_of_a_click_goes_before_that_of_a_view() -> None:
    steps = [touch(1, 10, 0, invalid=True), view(2, 20, GOAL_AT)]
    assert decided(steps, offered()).reason == "flagged_invalid"


@pytest.mark.parametrize("model", ["last", "first", "last_non_coupon"])
def test_a_touch_that_could_have_been_credited_assisted_and_another_did_not(model: str) -> None:
    steps = [
        touch(1, 10, 0),
        touch(2, 20, 1, invalid=True),
        touch(3, 30, 2),
        touch(4, 40, 3, advertiser=2, offer_id=9),
        touch(5, 50, 4),
    ]
    by_partner = {partner: rest for partner, *rest in outcomes(decided(steps, offered(model)))}
    assert by_partner[20] == ["none", "flagged_invalid"]
    assert by_partner[40] == ["none", "other_advertiser"]
    credited = 10 if model == "first" else 50
    assert by_partner[credited] == ["credited", None]
    reason = "assisted" if model == "first" else "earlier_touch"
    others = [rest for partner, rest in by_partner.items() if partner in {10, 30, 50} - {credited}]
    assert others == [["assisted", reason]] * 2
