"""Which events a partner hears, with which payout, in which order."""

from __future__ import annotations

import msgspec
import pytest

from afflux.kernel.events import Channel, LedgerEntry, Verdict
from tests.notify_samples import Teller, credited, entry, release, reversal, share
from tests.payouts_samples import assessment


def test_accepted_when_commission_is_posted_and_approved_when_it_can_be_paid() -> None:
    teller = Teller().feed(credited()).feed(entry(0))
    assert teller.heard() == ["accepted 800"]
    assert teller.feed(release(1)).heard() == ["accepted 800", "approved 800"]


def test_nothing_is_told_before_the_ledger_has_posted() -> None:
    assert Teller().feed(credited()).heard() == []


def test_the_ledger_may_be_heard_before_the_assessment() -> None:
    teller = Teller().feed(entry(0))
    assert teller.heard() == []
    assert teller.feed(credited()).heard() == ["accepted 800"]


def test_accepted_comes_before_approved_even_if_both_happen_at_once() -> None:
    heard = Teller().feed(credited(), entry(0), release(1)).heard()
    assert heard == ["accepted 800", "approved 800"]


def test_held_is_told_and_a_later_pass_is_accepted() -> None:
    teller = Teller().feed(credited(verdict=Verdict.HOLD), entry(0))
    assert teller.heard() == ["held 800"]
    teller.feed(credited(version=2))
    assert teller.heard() == ["held 800", "accepted 800"]


def test_held_then_approved_tells_accepted_in_between() -> None:
    teller = Teller().feed(credited(verdict=Verdict.HOLD), entry(0))
    teller.feed(credited(version=2), release(1))
    assert teller.heard() == ["held 800", "accepted 800", "approved 800"]


def test_a_hold_after_the_release_is_held_again() -> None:
    teller = Teller().feed(credited(), entry(0), release(1))
    teller.feed(credited(version=2, verdict=Verdict.HOLD), entry(2, "hold", before="available"))
    assert teller.heard()[-1] == "held 800"


def test_reversed_when_nothing_is_left_and_reinstated_is_accepted_again() -> None:
    teller = Teller().feed(credited(), entry(0)).feed(reversal(1))
    assert teller.heard() == ["accepted 800", "reversed 0"]
    assert teller.feed(entry(2)).heard()[-1] == "accepted 800"


def test_an_approved_one_that_comes_back_is_accepted_and_approved_again() -> None:
    teller = Teller().feed(credited(), entry(0), release(1))
    teller.feed(reversal(2, before="available")).feed(entry(3), release(4))
    assert teller.heard() == [
        *("accepted 800", "approved 800", "reversed 0"),
        *("accepted 800", "approved 800"),
    ]


def test_one_that_comes_back_held_is_accepted_before_it_is_approved_again() -> None:
    teller = Teller().feed(credited(), entry(0)).feed(reversal(1))
    teller.feed(credited(version=2, verdict=Verdict.HOLD), entry(2))
    assert teller.heard()[-2:] == ["reversed 0", "held 800"]
    teller.feed(credited(version=3), release(3))
    assert teller.heard()[-3:] == ["held 800", "accepted 800", "approved 800"]


def test_a_reversal_after_the_payment_too() -> None:
    teller = Teller().feed(credited(), entry(0), release(1))
    assert teller.feed(reversal(2, before="available")).heard()[-1] == "reversed 0"


def test_a_part_given_back_is_changed_with_what_is_left() -> None:
    teller = Teller().feed(credited(), entry(0)).feed(reversal(1, 300))
    assert teller.heard() == ["accepted 800", "changed 500"]
    assert teller.feed(release(2, 500)).heard()[-1] == "approved 500"


def test_a_reversal_never_comes_out_of_the_blue() -> None:
    assert Teller().feed(credited(), entry(0), reversal(1)).heard() == [
        "accepted 800",
        "reversed 0",
    ]


def test_what_was_rejected_from_the_start_is_not_told() -> None:
    assert Teller().feed(credited(verdict=Verdict.REJECT)).heard() == []


@pytest.mark.parametrize(
    "rest",
    [
        [reversal(1)],
        [reversal(1, 400, before="available")],
        [release(1), reversal(2, 400, before="available")],
        [entry(2, amount=300), reversal(3)],
    ],
)
def test_a_story_without_its_beginning_is_not_told(rest: list[LedgerEntry]) -> None:
    assert Teller().feed(credited(), *rest).heard() == []


def test_what_was_imported_is_not_told() -> None:
    event = credited()
    decision = msgspec.structs.replace(event.decision, channel=Channel.IMPORT)
    imported = msgspec.structs.replace(event, decision=decision)
    assert Teller().feed(imported, entry(0), release(1)).heard() == []


def test_what_comes_and_goes_between_two_looks_is_not_told() -> None:
    teller = Teller().feed(credited(), entry(0))
    teller.feed(reversal(1), entry(2))
    assert teller.heard() == ["accepted 800"]


def test_each_partner_is_told_of_its_own_share_only() -> None:
    shares = [share(100, 1, 2), share(101, 1, 2)]
    teller = Teller().feed(credited(shares=shares), entry(0, amount=400), entry(1, partner=101))
    assert teller.heard(100) == ["accepted 400"]
    assert teller.heard(101) == ["accepted 800"]


def test_a_partner_that_loses_the_credit_hears_that_it_is_reversed() -> None:
    teller = Teller().feed(credited(), entry(0))
    teller.feed(credited(version=2, shares=[share(101)]))
    teller.feed(reversal(1), entry(0, partner=101))
    assert teller.heard(100) == ["accepted 800", "reversed 0"]
    assert teller.heard(101) == ["accepted 800"]


def test_I3_a_record_that_comes_again_tells_nothing() -> None:
    log = [credited(), entry(0), release(1)]
    teller = Teller().feed(*log)
    assert teller.feed(*log).feed(*log[1:]).heard() == ["accepted 800", "approved 800"]


def test_an_older_version_changes_nothing() -> None:
    teller = Teller().feed(credited(version=2, verdict=Verdict.HOLD), entry(0))
    assert teller.feed(credited(version=1)).heard() == ["held 800"]


def test_I2_another_report_under_the_same_key_changes_nothing() -> None:
    teller = Teller().feed(credited(), entry(0))
    teller.feed(credited(version=2, body="another", verdict=Verdict.HOLD))
    assert teller.heard() == ["accepted 800"]


def test_an_unattributed_conversion_begins_no_story() -> None:
    assert Teller().feed(assessment(shares=[])).stories == {}


def test_I3_ids_derive_from_what_is_told() -> None:
    log = [credited(), entry(0), reversal(1, 300), release(2, 500)]
    one, other = Teller(), Teller()
    for event in log:
        one.feed(event)
        other.feed(event)
    ids = [telling.event_id for _, telling in one.tellings]
    assert ids == [telling.event_id for _, telling in other.tellings]
    assert len(set(ids)) == len(ids) == 3
    assert [telling.number for _, telling in one.tellings] == [1, 2, 3]
