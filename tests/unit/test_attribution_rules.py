"""Attribution's rules, one at a time."""

from __future__ import annotations

from fractions import Fraction

import pytest

from afflux.kernel.events import ClickOutcome, CreditSignal, Decision, Result, TouchOutcome
from afflux.kernel.reasons import REASONS
from services.attribution.domain.journey import MAX_TOUCHES
from services.attribution.table import MemoryTable
from tests.attribution_events import (
    HOUR,
    T0,
    WINDOW_S,
    Log,
    catalog,
    change,
    click,
    conversion,
    flag,
    offer,
    screened,
)
from tests.attribution_samples import Worker


def decided(log: Log, **more: object) -> Decision:
    """The only final decision of a log."""
    (decision,) = Worker(log, MemoryTable(), **more).drain().final.values()  # type: ignore[arg-type]
    return decision


def reasons(decision: Decision) -> list[str | None]:
    """Reasons of the touches, in order."""
    return [touch.reason for touch in decision.touches]


def test_A1_the_last_click_of_the_token_gets_one_exact_share() -> None:
    one = click(1)
    decision = decided(Log([one], [], [conversion(1, named=one)]).screen())
    (share,) = decision.shares
    assert Fraction(share.numerator, share.denominator) == 1
    assert (share.partner_id, share.offer_id, share.click_id) == (100, 7, one.click_id)
    assert share.link_id == one.link_id
    assert decision.result is Result.ATTRIBUTED
    assert decision.signal is CreditSignal.CLICK_ID
    assert decision.screened
    assert (decision.offer_id, decision.terms_version, decision.window_s) == (7, 1, WINDOW_S)
    assert decision.touches[0].outcome is TouchOutcome.CREDITED
    assert decision.touches[0].reason is None


def test_A1_what_money_needs_is_copied_from_the_report() -> None:
    one = click(1)
    report = conversion(1, named=one)
    decision = decided(Log([one], [], [report]).screen())
    for name in ("conversion_key", "body_hash", "goal", "transaction_id", "value_minor", "status"):
        assert getattr(decision, name) == getattr(report, name)
    assert decision.reported_at == report.recorded_at
    assert decision.occurred_at == report.occurred_at


@pytest.mark.parametrize(
    ("after_ms", "reason"),
    [
        (0, None),
        (WINDOW_S * 1000, None),
        (WINDOW_S * 1000 + 1, "outside_window"),
        (-1, "after_conversion"),
    ],
)
def test_A4_the_window_holds_both_its_bounds(after_ms: int, reason: str | None) -> None:
    one = click(1, at=10_000)
    decision = decided(Log([one], [], [conversion(1, at=10_000 + after_ms, named=one)]).screen())
    assert decision.reason == reason
    assert (decision.result is Result.ATTRIBUTED) == (reason is None)
    assert reasons(decision) == [reason]


def test_A4_a_goal_may_have_a_window_of_its_own() -> None:
    one = click(1)
    late = conversion(1, at=WINDOW_S * 500 + 1, named=one, goal="lead")
    assert decided(Log([one], [], [late]).screen()).reason == "outside_window"


def test_A4_every_other_touch_has_its_reason() -> None:
    clicks = [
        click(1, at=0, offer_id=9),
        click(2, at=1_000, partner=200),
        click(3, at=2_000, partner=300),
        click(4, at=3_000, partner=100),
        click(5, at=4_000, partner=500),
    ]
    log = Log(clicks, [], [conversion(1, named=clicks[3])]).screen(invalid=[clicks[1]])
    decision = decided(log)
    assert reasons(decision) == [
        "other_advertiser",
        "flagged_invalid",
        "earlier_touch",
        None,
        "not_the_reported_click",
    ]
    assert [touch.partner_id for touch in decision.touches] == [100, 200, 300, 100, 500]
    assert decision.touches[1].flags == ["bot_user_agent"]
    assert decision.touches[1].invalid
    assert all(reason is None or reason in REASONS for reason in reasons(decision))


def test_A4_a_journey_ends_with_its_conversion() -> None:
    before, after = click(1), click(2, at=120_000)
    decision = decided(Log([before, after], [], [conversion(1, at=60_000, who=1)]).screen())
    assert [touch.click_id for touch in decision.touches] == [before.click_id]


def test_journey_signal_credits_the_last_eligible_click() -> None:
    clicks = [click(1, partner=1), click(2, at=1_000, partner=2), click(3, at=2_000, offer_id=9)]
    decision = decided(Log(clicks, [], [conversion(1, who=1)]).screen())
    assert decision.signal is CreditSignal.JOURNEY
    assert [share.partner_id for share in decision.shares] == [2]
    assert reasons(decision) == ["earlier_touch", None, "other_advertiser"]


def test_journey_signal_skips_an_invalid_click() -> None:
    clicks = [click(1, partner=1), click(2, at=1_000, partner=2)]
    decision = decided(Log(clicks, [], [conversion(1, who=1)]).screen(invalid=[clicks[1]]))
    assert [share.partner_id for share in decision.shares] == [1]
    assert reasons(decision) == [None, "flagged_invalid"]


def test_journey_signal_keeps_to_the_offer_if_one_is_named() -> None:
    clicks = [click(1, partner=1), click(2, at=1_000, partner=2, offer_id=8)]
    decision = decided(Log(clicks, [], [conversion(1, who=1, offer_id=7)]).screen())
    assert [share.partner_id for share in decision.shares] == [1]
    assert reasons(decision) == [None, "other_offer"]


def test_click_id_signal_keeps_the_credit_of_a_flagged_click_and_shows_its_flags() -> None:
    one = click(1)
    decision = decided(Log([one], [], [conversion(1, named=one)]).screen(invalid=[one]))
    assert decision.result is Result.ATTRIBUTED
    assert decision.touches[0].invalid
    assert decision.touches[0].flags == ["bot_user_agent"]


@pytest.mark.parametrize(
    ("offer_id", "goal", "reason"),
    [(77, "sale", "offer_unknown"), (7, "install", "goal_not_in_offer"), (9, "sale", None)],
)
def test_A4_a_click_without_terms_says_so(offer_id: int, goal: str, reason: str | None) -> None:
    one = click(1, offer_id=offer_id)
    decision = decided(Log([one], [], [conversion(1, named=one, goal=goal)]).screen())
    assert decision.reason == (reason or "other_advertiser")
    assert decision.result is Result.UNATTRIBUTED
    assert decision.shares == []


def test_A4_a_refused_click_is_no_touch_and_a_report_that_names_it_says_why() -> None:
    refused = click(1, outcome=ClickOutcome.REFUSED, reason="offer_paused")
    preview = click(2, at=1, outcome=ClickOutcome.PREVIEW)
    log = Log([refused, preview], [], [conversion(1, named=refused), conversion(2, who=1)]).screen()
    final = {d.transaction_id: d for d in Worker(log, MemoryTable()).drain().final.values()}
    assert final["t1"].reason == "offer_paused"
    assert reasons(final["t1"]) == ["offer_paused"]
    assert final["t2"].reason == "no_touch"
    assert final["t2"].touches == []


def test_A2_terms_are_those_of_the_conversion_as_known_when_it_was_reported() -> None:
    one = click(1)
    view = catalog(
        change(offer(7)),
        change(offer(7, window_s=1), version=2, valid_from=T0 + 30_000, recorded_at=T0 + 90_000),
        change(offer(7, window_s=2), version=3, valid_from=T0 + 70_000, recorded_at=T0),
    )
    early = conversion(1, at=60_000, named=one, recorded_at=80_000)
    assert decided(Log([one], [], [early]).screen(), view=view).terms_version == 1
    later = conversion(1, at=60_000, named=one, recorded_at=90_000)
    assert decided(Log([one], [], [later]).screen(), view=view).terms_version == 2


def test_a_conversion_of_nobody_is_decided_at_once() -> None:
    worker = Worker(Log([], [], [conversion(1)]), MemoryTable())
    worker.turn([("tracking.conversions", 1)])
    (decision,) = worker.published
    assert (decision.result, decision.reason) == (Result.UNATTRIBUTED, "no_touch")
    assert decision.signal is CreditSignal.NONE
    assert decision.version == 1
    assert worker.process.state.parked == 0


def test_A3_a_conversion_waits_for_its_click_and_for_the_screen() -> None:
    one = click(1)
    worker = Worker(Log([one], [screened(1)], [conversion(1, named=one)]), MemoryTable())
    worker.turn([("tracking.conversions", 1)])
    assert worker.process.state.parked == 1
    worker.turn([("tracking.clicks", 1)])
    assert worker.published == []
    worker.turn([("fraud.click-flags", 1)])
    assert [d.screened for d in worker.published] == [True]
    assert worker.process.state.parked == 0


def test_A3_after_the_wait_the_token_alone_decides_and_the_screen_revises() -> None:
    one = click(1)
    log = Log([one], [], [conversion(1, named=one)]).screen(invalid=[one])
    worker = Worker(log, MemoryTable())
    worker.turn([("tracking.conversions", 1)], now=0)
    worker.turn(now=29_999)
    assert worker.published == []
    worker.turn(now=30_000)
    (first,) = worker.published
    assert (first.version, first.screened, first.waited_ms) == (1, False, 30_000)
    assert [share.partner_id for share in first.shares] == [100]
    worker.drain(now=40_000)
    last = worker.published[-1]
    assert (last.version, last.screened, last.supersedes) == (2, True, first.event_id)
    assert last.touches[0].flags == ["bot_user_agent"]
    assert len(worker.published) == 2


def test_A3_a_late_touch_revises_within_the_grace_and_not_after_it() -> None:
    first, late = click(1, partner=1), click(2, at=1_000, partner=2, recorded_at=24 * HOUR)
    later = click(3, at=2_000, partner=3, recorded_at=24 * HOUR + 60_001)
    log = Log([first, late, later], [], [conversion(1, who=1)]).screen()
    worker = Worker(log, MemoryTable()).drain(batch=1)
    (decision,) = worker.final.values()
    assert [share.partner_id for share in decision.shares] == [2]
    assert [touch.partner_id for touch in decision.touches] == [1, 2]


def test_A3_the_named_click_is_joined_however_late_it_is_logged() -> None:
    named, other = click(1), click(2, who=2, at=100 * HOUR)
    log = Log([other, named], [], [conversion(1, named=named)])
    worker = Worker(log, MemoryTable())
    worker.turn([("tracking.conversions", 1)])
    worker.turn([("tracking.clicks", 1)], now=40_000)
    assert [d.screened for d in worker.published] == [False]
    log.screen(invalid=[named], recorded_at=101 * HOUR)
    worker.drain(now=50_000)
    (decision,) = worker.final.values()
    assert decision.screened
    assert decision.touches[0].invalid


def test_I2_the_same_report_again_changes_nothing() -> None:
    one = click(1)
    report = conversion(1, named=one)
    worker = Worker(Log([one], [], [report, report]).screen(), MemoryTable()).drain()
    assert len(worker.published) == 1
    assert worker.dead == []


def test_I2_another_report_under_the_same_key_is_kept_apart_and_the_first_stays() -> None:
    one = click(1)
    log = Log([one], [], [conversion(1, named=one), conversion(1, named=one, body=2)]).screen()
    worker = Worker(log, MemoryTable()).drain(batch=1)
    assert [letter.reason for letter in worker.dead] == ["conflicting_report"]
    (decision,) = worker.final.values()
    assert decision.body_hash == log.conversions[0].body_hash


def test_a_decision_lists_the_newest_200_touches_and_the_named_one() -> None:
    clicks = [click(n, at=n) for n in range(MAX_TOUCHES + 50)]
    log = Log(clicks, [], [conversion(1, named=clicks[0]), conversion(2, who=1)]).screen()
    final = {d.transaction_id: d for d in Worker(log, MemoryTable()).drain().final.values()}
    newest = [each.click_id for each in clicks[-MAX_TOUCHES:]]
    assert [touch.click_id for touch in final["t2"].touches] == newest
    assert [t.click_id for t in final["t1"].touches] == [clicks[0].click_id, *newest]


def test_A3_a_flag_after_the_grace_is_not_counted_unless_it_is_of_the_first_screening() -> None:
    one = click(1)
    ahead = click(2, who=2, at=30 * HOUR)
    log = Log([one, ahead], [], [conversion(1, named=one)]).screen()
    log.flags.append(flag(one, 0, recorded_at=30 * HOUR))
    (decision,) = Worker(log, MemoryTable()).drain().final.values()
    assert decision.touches[0].flags == []


def test_state_forgets_a_conversion_that_nothing_can_change_any_more() -> None:
    one = click(1)
    log = Log([one], [], [conversion(1, named=one)]).screen()
    log.clicks.append(click(2, who=2, at=30 * HOUR))
    log.flags.append(screened(2, recorded_at=30 * HOUR))
    table = MemoryTable()
    worker = Worker(log, table).drain(batch=1)
    assert not worker.process.state.has_open(one.visitor_key)
    assert not list(table.above(b"c"))
    assert not list(table.above(b"t"))
    log.conversions.append(log.conversions[0])
    worker.drain()
    assert len(worker.published) == 1
