"""What a person is shown before conversions are decided again, and of a customer's book."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Decision
from afflux.kernel.types import Millis
from services.attribution.customer_book import lines
from services.attribution.domain.preview import Prospect, preview, said
from services.attribution.redecide import Which
from services.attribution.table import MemoryTable
from tests.attribution_customers import of, redecision, shop
from tests.attribution_customers import said as change_of
from tests.attribution_events import HOUR, T0, Log, change, click, conversion, offer
from tests.attribution_samples import Worker

KNOWN_AT = 90 * HOUR
VIEW = shop(
    change_of(offer(7, window_s=7_200), 2, recorded_at=50 * HOUR),
    change(offer(8, window_s=60), 2, recorded_at=T0 + 50 * HOUR),
    terms=None,
    model="linear",
)


@given(
    st.lists(st.tuples(st.integers(0, 180), st.sampled_from([7, 8, 9]), st.booleans()), max_size=6),
    st.integers(0, 240),
    st.booleans(),
)
def test_the_preview_says_what_deciding_again_then_does(
    touches: list[tuple[int, int, bool]], at: int, names: bool
) -> None:
    clicks = [
        click(number, minute * 60_000, offer_id=offer_id, partner=number + 1)
        for number, (minute, offer_id, _) in enumerate(touches)
    ]
    named = clicks[0] if names and clicks else None
    report = conversion(1, at * 60_000, named=named, who=None if named else 1)
    log = Log(clicks, [], [report])
    log.screen([each for each, (_, _, bad) in zip(clicks, touches, strict=True) if bad])
    worker = Worker(log, MemoryTable(), VIEW).drain()
    now = worker.final[report.conversion_key]
    shown = preview(report, now, VIEW, Millis(T0 + KNOWN_AT))
    log.redecisions.append(redecision(report, KNOWN_AT))
    then = worker.drain().final[report.conversion_key]
    assert said(shown.then) == said(then)
    assert (shown.prospect is Prospect.CHANGES) == (said(now) != said(then))


def standing(log: Log) -> list[Decision]:
    final = Worker(log, MemoryTable(), shop()).drain().final
    return [final[report.conversion_key] for report in log.conversions]


def test_of_a_conversion_with_a_say_of_its_customer_the_preview_promises_nothing() -> None:
    report = of(conversion(1, named=click(1)), 1)
    log = Log([click(1)], [], [report]).screen()
    shown = preview(report, standing(log)[0], shop(), Millis(T0 + HOUR))
    assert shown.prospect is Prospect.CUSTOMER


@pytest.mark.parametrize(
    ("which", "meant"),
    [
        (Which(offer_id=7), True),
        (Which(offer_id=8), False),
        (Which(advertiser_id=1, goal="sale"), True),
        (Which(advertiser_id=1, goal="lead"), False),
        (Which(advertiser_id=2), False),
        (Which(reason="outside_window"), True),
        (Which(reason="no_touch"), False),
        (Which(since=Millis(T0 + 5 * HOUR), until=Millis(T0 + 5 * HOUR + 1)), True),
        (Which(until=Millis(T0 + 5 * HOUR)), False),
        (Which(keys=frozenset((bytes(16),))), False),
    ],
)
def test_which_conversions_are_meant(which: Which, meant: bool) -> None:
    log = Log([click(1)], [], [conversion(1, at=5 * HOUR, named=click(1))]).screen()
    (decision,) = standing(log)
    assert which.takes(decision) is meant


def test_the_book_a_person_sees_is_the_one_that_decides() -> None:
    reports = [of(conversion(1, named=click(1)), 1), of(conversion(2, at=HOUR), 1)]
    worker = Worker(Log([click(1)], [], reports).screen(), MemoryTable(), shop()).drain()
    newest = {request.conversion_key: request for request in worker.requests}
    shown = [line.stands for line in lines(list(newest.values()), shop())]
    final = [worker.final[report.conversion_key] for report in reports]
    assert [one.event_id for one in shown] == [one.event_id for one in final]
    assert msgspec.structs.asdict(shown[1])["bound_by"] == reports[0].conversion_key
