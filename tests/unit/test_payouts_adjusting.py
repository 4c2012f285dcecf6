"""Adjustments in the ledger by example, with cents worked out by hand."""

from __future__ import annotations

import msgspec
import pytest

from afflux.kernel.events import AdjustmentKind, Status
from tests.payouts_book import Book
from tests.payouts_samples import (
    DAY,
    T0,
    adjustment,
    assessment,
)

HOLD = T0 + 30 * DAY
REFUND, REJECT, AMEND = AdjustmentKind.REFUND, AdjustmentKind.REJECT, AdjustmentKind.AMEND
APPROVE, REINSTATE = AdjustmentKind.APPROVE, AdjustmentKind.REINSTATE
CHARGEBACK = AdjustmentKind.CHARGEBACK


def test_L2_partial_refunds_reverse_their_part_and_name_the_entry() -> None:
    book = Book()
    accrued = {t.entry_id for t in book.take(assessment())}
    for number, value in enumerate([3_333, 3_333, 9_999]):
        reversals = book.take(adjustment(REFUND, value, identity=f"r{number}"))
        assert {t.corrects for t in reversals} <= accrued
        assert {t.reason for t in reversals} == {"refunded"}
        if number == 0:
            assert book.balances["partner:100:pending EUR"] == 533  # 8.00 * .6667 = 5.3336
        if number == 1:
            assert book.balances["partner:100:pending EUR"] == 267  # 8.00 * .3334 = 2.6672
    assert book.balances == {}


def test_L2_a_refund_after_the_release_is_taken_from_available() -> None:
    book = Book()
    book.take(assessment())
    book.wake(HOLD)
    book.take(adjustment(REFUND))
    assert book.balances == {}
    assert book.transfers[-1].debit == "partner:100:available"
    assert book.transfers[-1].state_before == "available"


def test_amends_up_and_down_post_only_the_difference() -> None:
    book = Book()
    book.take(assessment())
    up = book.take(adjustment(AMEND, 15_000, identity="up"))
    assert [(t.kind, t.amount) for t in up] == [("revenue", 600), ("commission", 400)]
    down = book.take(adjustment(AMEND, 5_000, identity="down"))
    assert [t.amount for t in down if t.kind == "commission_reversal"] == [400, 400]
    assert book.balances["partner:100:pending EUR"] == 400
    newest_first = [t.corrects for t in down if t.kind == "commission_reversal"]
    assert newest_first == [up[1].entry_id, book.transfers[1].entry_id]


def test_an_amend_after_the_release_is_available_at_once() -> None:
    book = Book()
    book.take(assessment())
    book.wake(HOLD)
    book.take(adjustment(AMEND, 20_000))
    assert book.balances["partner:100:available EUR"] == 1600
    assert "partner:100:pending EUR" not in book.balances


def test_reject_chargeback_and_reinstate() -> None:
    book = Book()
    book.take(assessment())
    book.take(adjustment(REJECT, identity="1"))
    assert book.balances == {}
    book.take(adjustment(REINSTATE, identity="2"))
    assert book.balances["partner:100:pending EUR"] == 800
    (*_, last) = book.take(adjustment(CHARGEBACK, identity="3"))
    assert (book.balances, last.reason) == ({}, "charged_back")
    assert book.take(adjustment(REFUND, 100, identity="4")) == []


def test_a_flat_lead_is_refunded_as_a_whole_only() -> None:
    book = Book()
    book.take(assessment(goal="lead", value=None, currency=None))
    book.take(adjustment(REFUND, 100))
    assert [r.reason for r in book.refusals] == ["field_invalid"]
    book.take(adjustment(REFUND, identity="a2"))
    assert book.balances == {}


@pytest.mark.parametrize("early", [True, False])
def test_T3_an_advertiser_cannot_touch_the_conversion_of_another(early: bool) -> None:
    foreign = msgspec.structs.replace(adjustment(REJECT), advertiser_id=2)
    book = Book()
    book.take(*([foreign, assessment()] if early else [assessment(), foreign]))
    assert [r.reason for r in book.refusals] == ["field_invalid"]
    assert book.balances["partner:100:pending EUR"] == 800
    book.take(adjustment(REJECT, body="its own"))
    assert book.balances == {}, "the foreign one took no adjustment id either"


def test_adjustments_before_their_sale_are_parked_and_applied_in_order() -> None:
    early, late = Book(), Book()
    early.take(adjustment(REFUND, 5_000, identity="1"), adjustment(APPROVE, identity="2"))
    assert early.transfers == []
    assert [s.status for s in early.standings.values()] == ["parked"]
    early.take(assessment(status=Status.PENDING))
    late.take(assessment(status=Status.PENDING))
    late.take(adjustment(REFUND, 5_000, identity="1"), adjustment(APPROVE, identity="2"))
    assert early.balances == late.balances
    assert early.wake(HOLD) and late.wake(HOLD)
    assert (
        early.balances
        == late.balances
        == {
            "advertiser:1:receivable EUR": -600,
            "network:margin EUR": 200,
            "partner:100:available EUR": 400,
        }
    )
