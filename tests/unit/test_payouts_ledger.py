"""The ledger by example, with cents worked out by hand."""

from __future__ import annotations

import msgspec

from afflux.kernel.catalog import FxRate, Terms
from afflux.kernel.events import AdjustmentKind, Status, Verdict
from afflux.kernel.types import Millis
from tests.payouts_book import Book
from tests.payouts_samples import (
    DAY,
    T0,
    adjustment,
    assessment,
    catalog,
    change,
    demo_catalog,
    offer,
    partner,
    sale_goal,
    share,
)

HOLD = T0 + 30 * DAY
REFUND, REJECT, AMEND = AdjustmentKind.REFUND, AdjustmentKind.REJECT, AdjustmentKind.AMEND
APPROVE, REINSTATE = AdjustmentKind.APPROVE, AdjustmentKind.REINSTATE
CHARGEBACK = AdjustmentKind.CHARGEBACK


def test_percent_of_100_00_owes_12_00_and_credits_8_00() -> None:
    book = Book()
    book.take(assessment())
    assert book.balances == {
        "advertiser:1:receivable EUR": -1200,
        "network:margin EUR": 400,
        "partner:100:pending EUR": 800,
    }
    assert [t.terms.rule_id for t in book.transfers] == ["offer:10:goal:sale"] * 2


def test_percent_plus_flat_rounds_half_to_even_once() -> None:
    terms = Terms(percent="2.5", flat_minor=150, currency="EUR")
    book = Book(catalog(partner(), offer(sale_goal(commission=terms))))
    book.take(assessment(value=4_980))  # 2.5 % of 49.80 = 1.245 -> 1.24, + 1.50
    assert book.balances["partner:100:pending EUR"] == 274


def test_A1_shares_divide_the_whole_to_the_cent() -> None:
    thirds = [share(100, 1, 3), share(103, 1, 3), share(104, 1, 3)]
    book = Book(catalog(partner(100), partner(103), partner(104), offer()))
    book.take(assessment(shares=thirds))  # 8.00 by three: 2.67 2.67 2.66; 12.00 by three: 4.00
    got = [book.balances[f"partner:{p}:pending EUR"] for p in (100, 103, 104)]
    assert got == [267, 267, 266]
    assert book.balances["advertiser:1:receivable EUR"] == -1200


def test_shares_of_different_rules_each_get_their_part_of_their_own_rule() -> None:
    book = Book()
    book.take(assessment(shares=[share(100, 2, 5), share(101, 3, 5)]))
    assert book.balances["partner:100:pending EUR"] == 320  # 2/5 of 8 %
    assert book.balances["partner:101:pending EUR"] == 600  # 3/5 of the gold group's 10 %


def test_L9_a_partner_paid_in_another_currency_gets_it_at_the_named_rate() -> None:
    book = Book()
    book.take(assessment(value=9_999, shares=[share(102)]))
    # 8 % of 99.99 = 7.9992 -> 8.00 EUR; * 1.0850 = 8.68 USD
    assert book.balances == {
        "advertiser:1:receivable EUR": -1200,
        "network:fx EUR": 800,
        "network:fx USD": -868,
        "network:margin EUR": 400,
        "partner:102:pending USD": 868,
    }
    legs = [(t.kind, t.terms.fx_rate, t.terms.fx_version) for t in book.transfers[1:]]
    assert legs == [("fx", "1.0850", 1), ("commission", "1.0850", 1)]


def test_L9_a_missing_rate_parks_the_conversion_until_the_catalogue_brings_it() -> None:
    view = catalog(partner(102, currency="USD"), offer())
    book = Book(view)
    book.take(assessment(shares=[share(102)]))
    book.take(adjustment(REFUND, 5_000))
    assert book.transfers == []
    assert {s.waiting for s in book.standings.values()} == {"fx_rate_missing"}
    rate = FxRate(base="EUR", quote="USD", rate="2", source="ecb")
    view.apply(change(rate, 1, 0, recorded_at=T0 + 10))
    assert book.wake(T0 + 9) == []
    book.wake(T0 + 10)
    assert book.balances["partner:102:pending USD"] == 800  # half of 8 % of 100.00, doubled
    view.apply(change(FxRate(base="EUR", quote="USD", rate="9", source="ecb"), 2, 0, T0 + 20))
    book.take(adjustment(REINSTATE, identity="a2"), at=T0 + 30)
    assert book.balances["partner:102:pending USD"] == 1600  # at the rate it began with


def test_L3_it_becomes_available_when_the_hold_is_over_and_not_before() -> None:
    book = Book()
    book.take(assessment())
    assert book.wake(HOLD - 1) == []
    (release,) = book.wake(HOLD)
    assert (release.kind, release.state_before, release.state_after) == (
        "release",
        "pending",
        "available",
    )
    assert book.balances["partner:100:available EUR"] == 800
    assert book.wake(HOLD + DAY) == []


def test_F4_a_held_verdict_and_a_missing_approval_are_released_by_no_clock() -> None:
    book = Book()
    book.take(
        assessment("held", verdict=Verdict.HOLD),
        assessment("unapproved", status=Status.PENDING),
        assessment("lead", goal="lead", value=None, currency=None, status=Status.PENDING),
    )
    assert book.wake(HOLD + 365 * DAY) == []
    book.take(adjustment(APPROVE, txn="unapproved"), adjustment(APPROVE, txn="lead"))
    book.take(assessment("held", version=2))
    assert book.balances["partner:100:available EUR"] == 800 + 800 + 300


def test_F4_a_hold_after_the_release_makes_it_pending_again_and_corrects_the_release() -> None:
    book = Book()
    book.take(assessment())
    (release,) = book.wake(HOLD)
    (again,) = book.take(assessment(version=2, verdict=Verdict.HOLD))
    assert (again.kind, again.corrects) == ("hold", release.entry_id)
    assert book.balances["partner:100:pending EUR"] == 800
    book.take(assessment(version=3))
    assert book.balances["partner:100:available EUR"] == 800


def test_I2_another_report_under_the_same_key_is_refused_and_changes_nothing() -> None:
    book = Book()
    book.take(assessment())
    before = book.balances
    other = assessment(version=2, body="another", value=99_999)
    assert book.take(other) == []
    assert [(r.reason, r.event) for r in book.refusals] == [("conflicting_report", other)]
    assert book.balances == before


def test_I3_repeats_do_nothing_and_another_body_under_an_adjustment_id_is_kept_visible() -> None:
    book = Book()
    book.take(assessment(), assessment())
    refund = adjustment(REFUND, 1_000)
    book.take(refund, refund)
    before = book.balances
    assert book.take(refund, assessment()) == []
    book.take(adjustment(REFUND, 2_000, body="another"))
    assert [r.reason for r in book.refusals] == ["conflicting_report"]
    assert (book.balances, len(book.dropped)) == (before, 4)


def test_F2_a_later_assessment_posts_only_the_difference() -> None:
    book = Book()
    book.take(assessment())
    moved = book.take(assessment(version=2, shares=[share(103)]))
    assert {t.reason for t in moved} == {"decision_superseded"}
    assert "partner:100:pending EUR" not in book.balances
    assert book.balances["partner:103:pending EUR"] == 800
    assert book.take(assessment(version=3, shares=[share(103)])) == []
    gone = book.take(assessment(version=4, shares=[share(103)], verdict=Verdict.REJECT))
    assert ({t.reason for t in gone}, book.balances) == ({"fraud_rejected"}, {})
    assert book.take(assessment(version=3)) == []


def test_unattributed_rejected_and_unknown_conversions_post_nothing() -> None:
    book = Book()
    book.take(
        assessment("nobody", shares=[]),
        assessment("no", status=Status.REJECTED),
        assessment("fraud", verdict=Verdict.REJECT),
        assessment("stranger", shares=[share(999)]),
        assessment("nowhere", shares=[share(offer_id=99)]),
        assessment("torn", shares=[share(100, 1, 2)]),
    )
    assert book.transfers == []
    reasons = [refusal.reason for refusal in book.refusals]
    assert reasons == ["partner_unknown", "offer_unknown", "unprocessable"]


def test_terms_are_those_of_the_order_time_as_known_at_the_report() -> None:
    view = demo_catalog()
    dearer = offer(sale_goal(commission=Terms(percent="50")))
    view.apply(change(dearer, 2, valid_from=T0 + 1, recorded_at=T0 - 5))
    view.apply(change(dearer, 3, valid_from=0, recorded_at=T0 + 1))
    book = Book(view, now=T0 + DAY)
    book.take(assessment())
    assert book.balances["partner:100:pending EUR"] == 800
    book.take(assessment("t2", at=T0 + 1))
    assert book.balances["partner:100:pending EUR"] == 800 + 5000


def test_a_conversion_decided_again_is_paid_by_the_terms_it_was_decided_with() -> None:
    view = demo_catalog()
    dearer = offer(sale_goal(commission=Terms(percent="50")))
    view.apply(change(dearer, 2, valid_from=0, recorded_at=T0 + 1))
    book = Book(view, now=T0 + DAY)
    first = assessment()
    book.take(first)
    again = assessment(version=2)
    known = msgspec.structs.replace(again.decision, terms_known_at=Millis(T0 + 5))
    moved = book.take(msgspec.structs.replace(again, decision=known))
    assert book.balances["partner:100:pending EUR"] == 5000
    assert {t.reason for t in moved} == {"decision_superseded"}
