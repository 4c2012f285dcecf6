"""Conversions that are decided again with later knowledge, one rule at a time."""

from __future__ import annotations

import msgspec

from afflux.kernel.catalog import Catalog
from afflux.kernel.outcome import Drop
from afflux.kernel.types import Millis
from services.attribution.domain.lifetimes import HANDED_OVER
from services.attribution.state import CONVERSIONS, REDECISIONS
from services.attribution.table import MemoryTable
from tests.attribution_customers import lasting, of, redecision, said, shop
from tests.attribution_events import (
    HOUR,
    T0,
    Log,
    click,
    conversion,
    offer,
    visitor,
)
from tests.attribution_played import DAY, FIRST, SALE, partners
from tests.attribution_samples import Worker


def retroactive() -> Catalog:
    """The window of offer 7, an hour, is made a day from the beginning, known after two days."""
    longer = offer(7, window_s=24 * 3_600)
    return shop(said(longer, 2, recorded_at=2 * DAY), terms=None)


LATE = conversion(1, at=5 * HOUR, named=FIRST)


def test_a_conversion_outside_the_window_is_decided_again_when_the_rule_is_changed() -> None:
    log = Log([FIRST, click(2, at=9 * DAY, who=2)], [], [LATE]).screen(recorded_at=9 * DAY)
    worker = Worker(log, MemoryTable(), retroactive()).drain()
    (before,) = worker.published
    assert before.reason == "outside_window"
    assert not worker.process.state.has_open(visitor(1))  # long finished
    log.redecisions.append(redecision(LATE, 3 * DAY))
    worker.drain()
    after = worker.final[LATE.conversion_key]
    assert after.shares[0].partner_id == 100
    assert (after.terms_version, after.terms_known_at) == (2, T0 + 3 * DAY)
    assert (after.version, after.supersedes) == (before.version + 1, before.event_id)


def test_asking_again_changes_nothing_and_knowing_less_neither() -> None:
    log = Log([FIRST], [], [LATE]).screen()
    log.redecisions = [redecision(LATE, 3 * DAY), redecision(LATE, DAY), redecision(LATE, 3 * DAY)]
    worker = Worker(log, MemoryTable(), retroactive()).drain()
    assert worker.outcomes.count(Drop("redelivered")) == 2
    assert worker.final[LATE.conversion_key].shares[0].partner_id == 100
    published = len(worker.published)
    log.redecisions.append(redecision(LATE, 4 * DAY))
    worker.drain()
    assert len(worker.published) <= published + 1


def test_later_knowledge_that_changes_nothing_publishes_nothing() -> None:
    sale = conversion(1, named=FIRST)
    log = Log([FIRST], [], [sale]).screen()
    worker = Worker(log, MemoryTable(), shop(terms=None)).drain()
    log.redecisions.append(redecision(sale, DAY))
    worker.drain()
    assert len(worker.published) == 1


def test_a_wish_may_be_read_before_its_conversion() -> None:
    log = Log([FIRST], [], [LATE], redecisions=[redecision(LATE, 3 * DAY)]).screen()
    worker = Worker(log, MemoryTable(), retroactive())
    worker.turn([(REDECISIONS, 1)])
    worker.drain()
    assert worker.final[LATE.conversion_key].shares[0].partner_id == 100


def test_a_later_revision_keeps_the_later_knowledge() -> None:
    by_visitor = conversion(1, at=5 * HOUR, who=1)
    log = Log([], [], [by_visitor], redecisions=[redecision(by_visitor, 3 * DAY)])
    worker = Worker(log, MemoryTable(), retroactive())
    worker.turn([(CONVERSIONS, 1), (REDECISIONS, 1)])
    worker.turn(now=40_000)
    assert [one.reason for one in worker.published] == ["no_touch"]
    log.clicks.append(FIRST)
    log.screen()
    worker.drain(now=40_000)
    assert worker.final[by_visitor.conversion_key].shares[0].partner_id == 100


def test_lifetime_terms_that_are_introduced_later_take_over_when_it_is_decided_again() -> None:
    log = Log([FIRST], [], [SALE, of(conversion(2, at=DAY), 1)]).screen()
    view = shop(said(lasting(), 2, recorded_at=2 * DAY), terms=None)
    worker = Worker(log, MemoryTable(), view).drain()
    assert partners(list(worker.final.values())).count(None) == 1
    log.redecisions = [redecision(report, 3 * DAY) for report in log.conversions]
    worker.drain()
    assert partners(list(worker.final.values())) == [100, 100]
    assert all(one.version > HANDED_OVER for one in worker.final.values())


def test_T5_what_an_erased_visitor_was_decided_by_is_gone_so_it_stays_decided() -> None:
    log = Log([FIRST], [], [LATE], {visitor(1): Millis(T0 + DAY)}).screen()
    worker = Worker(log, MemoryTable(), retroactive()).drain()
    log.redecisions.append(redecision(LATE, 3 * DAY))
    worker.drain()
    assert [one.reason for one in worker.published] == ["outside_window"]
    assert Drop("visitor_erased") in worker.outcomes


def test_a_request_to_know_the_future_goes_to_the_dead_letters() -> None:
    early = msgspec.structs.replace(redecision(LATE, 3 * DAY), recorded_at=Millis(T0))
    other = msgspec.structs.replace(
        redecision(LATE, 3 * DAY), conversion=msgspec.structs.replace(LATE, body_hash=bytes(16))
    )
    log = Log([FIRST], [], [LATE]).screen()
    worker = Worker(log, MemoryTable(), retroactive()).drain()
    log.redecisions += [early, other]
    worker.drain()
    assert [letter.reason for letter in worker.dead] == ["value_invalid", "conflicting_report"]
