"""Lifetime customers, one rule at a time."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from afflux.kernel.catalog import Lifetime
from afflux.kernel.events import CreditSignal, Result, Status, TouchOutcome
from afflux.kernel.outcome import Park
from afflux.kernel.types import Millis
from services.attribution.domain.customers import months_after
from services.attribution.state import CONVERSIONS, CUSTOMERS
from services.attribution.table import MemoryTable
from tests.attribution_customers import binding, customer, lasting, of, redecision, said, shop
from tests.attribution_events import (
    HOUR,
    T0,
    TOPICS,
    Log,
    change,
    click,
    conversion,
    offer,
)
from tests.attribution_played import DAY, FIRST, SALE, decisions, partners, played
from tests.attribution_samples import Worker


def test_a_rebill_without_click_goes_to_whom_the_first_sale_was_credited_to() -> None:
    log = Log([FIRST], [], [SALE, of(conversion(2, at=400 * DAY), 1)]).screen()
    first, second = decisions(log)
    assert first.signal is CreditSignal.CLICK_ID
    assert (second.result, second.signal, second.model) == (
        Result.ATTRIBUTED,
        CreditSignal.CUSTOMER,
        "customer",
    )
    assert second.bound_by == SALE.conversion_key
    assert second.shares == first.shares
    assert (second.offer_id, second.terms_version) == (7, 1)


def test_a_customer_nobody_won_is_credited_to_nobody() -> None:
    (only,) = decisions(Log([], [], [of(conversion(2), 1)]))
    assert (only.result, only.reason, only.signal) == (
        Result.UNATTRIBUTED,
        "lifetime_none",
        CreditSignal.CUSTOMER,
    )


def test_offers_without_lifetime_bind_nobody() -> None:
    sale = of(conversion(1, named=click(1, offer_id=8)), 1)
    log = Log([click(1, offer_id=8)], [], [sale, of(conversion(2, at=HOUR), 1)]).screen()
    assert partners(decisions(log)) == [100, None]


def test_no_advertiser_without_lifetime_takes_the_way_through_a_book() -> None:
    log = Log([FIRST], [], [SALE, of(conversion(2), 1)]).screen()
    worker = played(log, shop(terms=None))
    assert worker.requests == []
    assert worker.final[log.conversions[1].conversion_key].reason == "no_touch"


def test_the_customer_comes_before_the_journey_and_behind_click_and_coupon() -> None:
    other, third = click(2, at=2 * HOUR, who=1, partner=200), click(3, at=2 * HOUR, partner=300)
    by_visitor = of(conversion(2, at=3 * HOUR, who=1), 1)
    by_click = of(conversion(3, at=3 * HOUR, named=third), 1)
    by_coupon = of(conversion(4, at=3 * HOUR, who=1), 1, coupon="spring")
    log = Log([FIRST, other, third], [], [SALE, by_visitor, by_click, by_coupon]).screen()
    found = decisions(log)
    assert partners(found) == [100, 100, 300, 55]
    assert {
        touch.reason for touch in found[1].touches if touch.outcome == TouchOutcome.ASSISTED
    } == {"customer_bound"}


def test_a_click_that_cannot_be_credited_leaves_the_conversion_to_the_customer() -> None:
    late = of(conversion(2, at=5 * HOUR, named=FIRST), 1)  # the window is one hour
    log = Log([FIRST], [], [SALE, late]).screen()
    found = decisions(log)
    assert partners(found) == [100, 100]
    assert found[1].signal is CreditSignal.CUSTOMER
    (touch,) = found[1].touches  # the very click that bound the customer
    assert touch.outcome is TouchOutcome.CREDITED


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_the_earliest_sale_binds_whatever_came_first(order: tuple[int, ...]) -> None:
    one, other = click(1, partner=100), click(2, at=HOUR, partner=200)
    reports = [
        of(conversion(1, at=60_000, named=one, recorded_at=9 * HOUR), 1),
        of(conversion(2, at=HOUR + 60_000, named=other), 1),
        of(conversion(3, at=2 * DAY), 1),
    ]
    log = Log([one, other], [], [reports[n] for n in order]).screen()
    final = played(log).final
    assert partners([final[one.conversion_key] for one in reports]) == [100, 200, 100]


def test_a_binding_that_comes_late_revises_what_was_decided() -> None:
    log = Log([FIRST], [], [of(conversion(2, at=DAY), 1)]).screen()
    worker = Worker(log, MemoryTable(), shop())
    worker.drain()
    assert [one.result for one in worker.published] == [Result.UNATTRIBUTED]
    log.conversions.append(SALE)
    worker.drain()
    last = worker.final[log.conversions[0].conversion_key]
    assert last.shares[0].partner_id == 100
    assert last.supersedes == worker.published[0].event_id


def test_a_binding_that_is_withdrawn_revises_what_was_decided() -> None:
    refused = msgspec.structs.replace(FIRST, outcome="refused", reason="offer_paused")
    log = Log([], [], [SALE, of(conversion(2, at=DAY), 1)]).screen()
    worker = Worker(log, MemoryTable(), shop())
    worker.turn([(CONVERSIONS, 9)], now=0)
    for now in (40_000, 50_000, 99_000):
        worker.turn([(CUSTOMERS, 9)], now=now)
    assert partners(list(worker.final.values())) == [100, 100]  # by the token alone
    log.clicks.append(refused)
    log.screen()
    worker.drain(now=99_000)
    assert partners(list(worker.final.values())) == [None, None]


def test_it_waits_for_a_binding_no_longer_than_the_wait() -> None:
    log = Log([FIRST], [], [of(conversion(2, at=DAY), 1)]).screen()
    worker = Worker(log, MemoryTable(), shop())
    worker.turn([(topic, 9) for topic in TOPICS])
    worker.turn([(CUSTOMERS, 9)], now=100)
    assert worker.published == []
    assert worker.process.customers.waiting == 1
    assert Park(Millis(T0 + 100 + 30_000), "awaits_customer") in worker.outcomes
    worker.start()  # it knows after a restart what waits
    worker.turn(now=31_000)
    assert worker.process.customers.waiting == 0
    assert [one.reason for one in worker.published] == ["lifetime_none"]


def test_months_are_of_the_calendar_and_both_ends_belong_to_them() -> None:
    def at(*of_year: int) -> Millis:
        return Millis(int(datetime(*of_year, tzinfo=UTC).timestamp() * 1000))  # type: ignore[misc]

    assert months_after(at(2026, 1, 31, 10), 1) == at(2026, 2, 28, 10)
    assert months_after(at(2027, 12, 29), 2) == at(2028, 2, 29)
    assert months_after(at(2026, 6, 1), 12) == at(2027, 6, 1)
    end = months_after(SALE.occurred_at, 3) - T0
    log = Log([FIRST], [], [SALE, of(conversion(2, at=end), 1), of(conversion(3, at=end + 1), 1)])
    found = decisions(log.screen(), shop(terms=Lifetime(months=3)))
    assert partners(found) == [100, 100, None]
    assert found[2].reason == "lifetime_over"


def test_a_payment_that_comes_late_takes_its_place_among_the_first() -> None:
    reports = [of(conversion(n, at=n * DAY, recorded_at=30 * DAY), 1) for n in (2, 3, 4)]
    view = shop(terms=Lifetime(payments=2))
    log = Log([FIRST], [], [SALE, reports[0], reports[2]]).screen()
    worker = Worker(log, MemoryTable(), view).drain()
    assert partners([worker.final[one.conversion_key] for one in log.conversions]) == [
        100,
        100,
        100,
    ]
    log.conversions.append(reports[1])
    worker.drain()
    assert worker.final[reports[1].conversion_key].shares[0].partner_id == 100
    assert worker.final[reports[2].conversion_key].reason == "lifetime_over"


def test_a_rejected_report_wins_no_customer_and_is_no_payment() -> None:
    rejected = msgspec.structs.replace(SALE, status=Status.REJECTED)
    log = Log([FIRST], [], [rejected, of(conversion(2, at=DAY), 1)]).screen()
    assert partners(decisions(log)) == [100, None]
    not_paid = msgspec.structs.replace(of(conversion(2, at=DAY), 1), status=Status.REJECTED)
    log = Log([FIRST], [], [SALE, not_paid, of(conversion(3, at=2 * DAY), 1)]).screen()
    assert partners(decisions(log, shop(terms=Lifetime(payments=1)))) == [100, 100, 100]


def test_what_a_person_says_holds_from_when_it_says_on_and_keeps_its_history() -> None:
    view = shop(
        said(binding(1, None), 1, valid_from=2 * DAY, recorded_at=1),
        said(binding(1, 77, 7), 2, valid_from=4 * DAY, recorded_at=2),
    )
    reports = [SALE, *(of(conversion(n, at=n * DAY), 1) for n in (1 + 1, 3, 4, 5))]
    reports[1] = of(conversion(2, at=2 * DAY - 1), 1)
    found = decisions(Log([FIRST], [], reports).screen(), view)
    assert partners(found) == [100, 100, None, 77, 77]
    assert found[2].reason == "customer_unbound"
    assert (found[3].bound_by, found[3].signal) == (None, CreditSignal.CUSTOMER)


def test_a_person_s_word_that_was_not_known_yet_changes_nothing_until_it_is_redecided() -> None:
    view = shop(said(binding(1, 77, 7), 1, recorded_at=9 * DAY))
    log = Log([FIRST], [], [SALE, of(conversion(2, at=DAY), 1)]).screen()
    worker = Worker(log, MemoryTable(), view).drain()
    key = log.conversions[1].conversion_key
    assert worker.final[key].shares[0].partner_id == 100
    log.redecisions.append(redecision(log.conversions[1], 10 * DAY))
    worker.drain()
    assert worker.final[key].shares[0].partner_id == 77
    assert worker.final[key].terms_known_at == T0 + 10 * DAY


def test_shares_go_to_the_offer_the_report_names() -> None:
    named = of(conversion(2, at=DAY, offer_id=8), 1)
    (_, second) = decisions(Log([FIRST], [], [SALE, named]).screen())
    assert [(share.partner_id, share.offer_id) for share in second.shares] == [(100, 8)]
    unknown = of(conversion(2, at=DAY, offer_id=9), 1)
    (_, second) = decisions(Log([FIRST], [], [SALE, unknown]).screen())
    assert second.reason == "other_advertiser"


def test_a_request_without_its_decision_goes_to_the_dead_letters() -> None:
    log = Log([FIRST], [], [SALE]).screen()
    worker = Worker(log, MemoryTable(), shop())
    worker.turn([(topic, 9) for topic in TOPICS])
    worker.requests[0] = msgspec.structs.replace(worker.requests[0], asked=None)
    worker.drain()
    assert [letter.reason for letter in worker.dead] == ["value_invalid"]
    assert worker.requests[0].customer_key == customer(1)


def test_an_offer_of_another_time_does_not_change_who_decides() -> None:
    """Lifetime terms that ended still bind those who came while they held."""
    ended = shop(said(lasting(None), 2, valid_from=DAY, recorded_at=DAY), change(offer(8), 2))
    log = Log([FIRST], [], [SALE, of(conversion(2, at=9 * DAY), 1)]).screen()
    assert partners(decisions(log, ended)) == [100, 100]
