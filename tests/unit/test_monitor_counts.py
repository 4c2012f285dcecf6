"""What the monitor counts and when it warns."""

from __future__ import annotations

from afflux.kernel.events import Assessment
from afflux.kernel.types import Millis
from services.monitor.domain.counts import DEAD_LETTERS, HOLDS, TOP, Counts
from services.monitor.domain.window import Limit, ShareWatch
from tests.monitor_samples import T0, assessment, letter

LIMIT = Limit("hold_share", share=0.5, least=4, window_ms=60_000)


def counts() -> Counts:
    return Counts(LIMIT, Limit(DEAD_LETTERS, share=0.2, least=4, window_ms=60_000))


def test_the_share_warns_once_when_it_goes_over_and_again_only_after_it_was_under():
    watch = ShareWatch(LIMIT)
    crossings = [watch.add(Millis(T0 + n), bad=True) for n in range(6)]
    assert [c is not None for c in crossings] == [False, False, False, True, False, False]
    assert [watch.add(Millis(T0 + 10 + n), bad=False) for n in range(6)] == [None] * 6
    again = [watch.add(Millis(T0 + 20), bad=True) for _ in range(3)]
    assert [c is not None for c in again] == [True, False, False]


def test_exactly_the_limit_is_not_over_it():
    watch = ShareWatch(LIMIT)
    assert [watch.add(Millis(T0), bad) for bad in (True, False, True, False)] == [None] * 4


def test_what_is_older_than_the_window_does_not_count():
    watch = ShareWatch(LIMIT)
    for n in range(3):
        watch.add(Millis(T0 + n), bad=True)
    assert watch.add(Millis(T0 + 120_000), bad=True) is None
    assert watch.state()["total"] == 1
    assert watch.add(Millis(T0), bad=True) is None
    assert watch.state()["total"] == 1


def test_records_out_of_order_within_the_window_count():
    watch = ShareWatch(LIMIT)
    for at in (30_000, 10_000, 20_000, 30_000):
        watch.add(Millis(T0 + at), bad=False)
    watch.add(Millis(T0 + 75_000), bad=False)
    assert watch.state()["total"] == 4


def test_counts_go_by_verdict_reason_partner_and_stage():
    live = counts()
    for version in (1, 2):
        live.assessment(assessment(version, screened=False), Millis(T0))
    live.assessment(assessment(3), Millis(T0))
    live.dead_letter(letter(1), Millis(T0))
    live.unread("deadletters")
    view = live.view()
    assert view["assessments"] == {"total": 3, "by_verdict": {"hold": 2, "pass": 1}}
    assert view["reasons"] == {"click_unscreened": 2}
    assert view["partners"] == [{"partner_id": 103, "pass": 1, "hold": 2, "reject": 0}]
    assert view["dead_letters"] == {"total": 1, "by_stage": {"screen": {"value_damaged": 1}}}
    assert view["unreadable"] == {"deadletters": 1}


def test_the_partner_list_holds_the_worst_and_is_bounded():
    live = counts()
    for partner in range(TOP + 5):
        live.assessment(assessment(1, partner=partner), Millis(T0))
    live.assessment(assessment(1, partner=900, screened=False), Millis(T0))
    partners = live.view()["partners"]
    assert isinstance(partners, list)
    assert len(partners) == TOP
    assert partners[0]["partner_id"] == 900


def test_an_alert_says_value_threshold_and_since_when():
    live = counts()
    alerts = [a for n in range(4) for a in live.assessment(held(n), Millis(T0))]
    (alert,) = alerts
    assert (alert.subject, alert.name) == ("conversions", HOLDS)
    assert (alert.value, alert.threshold) == ("1.0000", "0.5000")
    assert alert.text == "4 of the last 4 conversions were held: 100.0%, the limit is 50.0%"
    assert alert.since <= alert.occurred_at


def test_history_counts_but_warns_nobody():
    live = counts()
    later = Millis(T0 + 10_000_000)
    assert [a for n in range(9) for a in live.assessment(held(n), later)] == []
    assert [a for n in range(9) for a in live.dead_letter(letter(n), later)] == []


def test_dead_letters_warn_by_their_share_among_what_the_monitor_reads():
    live = counts()
    for n in range(8):
        live.assessment(assessment(n), Millis(T0))
    alerts = [a for n in range(4) for a in live.dead_letter(letter(n), Millis(T0))]
    (alert,) = alerts
    assert (alert.subject, alert.name, alert.value) == ("tracking.clicks", DEAD_LETTERS, "0.2727")


def held(version: int) -> Assessment:
    return assessment(version, screened=False)
