"""Customers: bindings and later knowledge change nothing but what they say, in whatever order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import Catalog, Lifetime
from afflux.kernel.events import CreditSignal, Decision, Event, Share
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import Millis
from services.attribution.domain.customers import Member, Wish, choose
from services.attribution.table import MemoryTable
from tests.attribution_customers import Partitions as Cluster
from tests.attribution_customers import (
    binding,
    lasting,
    memory,
    of,
    redecision,
    said,
    shop,
    split,
)
from tests.attribution_events import HOUR, T0, Log, change, conversion, offer, screened, view
from tests.attribution_samples import ALL_TOPICS, Worker, content
from tests.property.test_attribution_order import (
    POLICY,
    Turns,
    check_credit,
    clicks_of,
    minutes,
    run,
)

takes = st.lists(st.tuples(st.sampled_from(ALL_TOPICS), st.integers(1, 4)), max_size=4)
turns = st.lists(
    st.tuples(takes, st.sampled_from([0, 10, 20_000]), st.sampled_from("....rx")), max_size=25
)
E = TypeVar("E", bound=Event)


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Lifetime terms of all kinds, maybe known late; persons' words; a window made longer later."""
    terms = draw(
        st.sampled_from(
            [Lifetime(), Lifetime(payments=1), Lifetime(payments=2), Lifetime(months=1), None, None]
        )
    )
    changes = []
    if draw(st.booleans()):
        changes.append(said(binding(1, draw(st.sampled_from([None, 77]))), 1, draw(minutes)))
    if draw(st.booleans()):
        changes.append(
            said(binding(2, 78, draw(st.sampled_from([None, 8]))), 1, recorded_at=draw(minutes))
        )
    if draw(st.booleans()):
        changes.append(change(offer(8, window_s=10 * 3_600), 2, recorded_at=T0 + draw(minutes)))
    if terms is None or draw(st.booleans()):
        later = HOUR + draw(minutes)  # lifetime terms that may be known only when it is redecided
        changes.append(said(lasting(Lifetime(), "linear"), 2, recorded_at=later))
    return shop(
        *changes,
        terms=terms,
        model=draw(st.sampled_from(["last", "linear"])),
        view_window_s=draw(st.sampled_from([0, 1_800])),
    )


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Sales with a click, a visitor, a coupon or nothing but their customer; wishes to decide
    some again."""
    log = Log(draw(clicks_of()))
    log.flags.append(screened(len(log.clicks), 4 * HOUR))
    for number in range(draw(st.integers(0, 3))):
        log.views.append(view(number, draw(minutes), draw(st.sampled_from([1, 2])), 7, number))
    for number in range(draw(st.integers(1, 6))):
        at = draw(minutes)
        kind = draw(st.sampled_from(["named", "visitor", "visitor", "customer", "customer"]))
        named = draw(st.sampled_from(log.clicks)) if kind == "named" and log.clicks else None
        report = conversion(
            number,
            at,
            named=named,
            who=draw(st.sampled_from([1, 2])) if kind == "visitor" else None,
            offer_id=draw(st.sampled_from([None, None, 7, 8])),
            recorded_at=at + draw(minutes),
        )
        coupon = draw(st.sampled_from([None, None, None, "spring", "unknown"]))
        log.conversions.append(of(report, draw(st.sampled_from([1, 1, 2, None])), coupon))
    for number, report in enumerate(draw(st.lists(st.sampled_from(log.conversions), max_size=3))):
        known_at = report.recorded_at - T0 + draw(minutes)
        log.redecisions.append(redecision(report, known_at, number))
    return log


@given(logs(), catalogs(), turns, turns)
def test_A2_customers_get_the_same_final_decisions_in_any_order(
    log: Log, known: Catalog, one: Turns, other: Turns
) -> None:
    reference = content(Worker(log, MemoryTable(), known, POLICY).drain())
    assert content(run(log, one, known)) == content(run(log, other, known)) == reference


@given(logs(), catalogs(), turns)
def test_A1_A4_every_version_is_whole_and_no_version_is_used_twice(
    log: Log, known: Catalog, schedule: Turns
) -> None:
    worker = run(log, schedule, known)
    assert set(worker.final) == {report.conversion_key for report in log.conversions}
    versions: dict[tuple[bytes, int], bytes] = {}
    for decision in worker.published:
        check_shares(decision)
        key = decision.conversion_key, decision.version
        assert versions.setdefault(key, decision.event_id) == decision.event_id


def check_shares(decision: Decision) -> None:
    """Laws A1 and A4, also for shares without a touch in the journey."""
    if decision.signal in (CreditSignal.CUSTOMER, CreditSignal.COUPON):
        parts = sum(share.numerator / share.denominator for share in decision.shares)
        assert (decision.reason is None) == (abs(parts - 1) < 1e-9)
        assert decision.reason is None or decision.reason in REASONS
        assert all(touch.reason or touch.outcome == "credited" for touch in decision.touches)
    else:
        check_credit(decision)


@given(logs(), catalogs(), st.integers(0, 9))
def test_A2_partitions_and_the_order_within_the_topics_do_not_matter_to_customers(
    log: Log, known: Catalog, seed: int
) -> None:
    """Sales before their clicks, everything shuffled and some of it twice, customers that hop
    between the partitions of their visitors: within the grace the final decisions are those of
    the ordered log."""
    log.flags.clear()
    dice = random.Random(seed)
    ordered = Log(
        *(sorted(topic, key=by_log) for topic in (log.clicks, [], log.conversions)),
        views=sorted(log.views, key=by_log),
        redecisions=sorted(log.redecisions, key=by_log),
    )
    mixed = Log(
        *(shuffled(topic, dice) for topic in (log.clicks, [], log.conversions)),
        views=shuffled(log.views, dice),
        redecisions=shuffled(log.redecisions, dice),
    )
    reference = Cluster(screen(split(ordered, 1)), memory(1), known, LONG).drain().final
    other = Cluster(screen(split(mixed, 4)), memory(4), known, LONG).drain(batch=2).final
    assert {key: one.event_id for key, one in other.items()} == {
        key: one.event_id for key, one in reference.items()
    }


def by_log(event: Event) -> int:
    """When it was recorded."""
    return event.recorded_at


def shuffled(topic: Sequence[E], dice: random.Random) -> list[E]:
    """A topic in another order, with some records twice."""
    mixed = [*topic, *(event for event in topic if dice.random() < 0.2)]
    dice.shuffle(mixed)
    return mixed


LONG = type(POLICY)(grace_ms=1_000 * HOUR, wait_ms=30_000)


def screen(parts: list[Log]) -> list[Log]:
    """Each partition's clicks, judged."""
    return [part.screen() for part in parts]


# the pure rule, beside one written down naively


@st.composite
def members(draw: st.DrawFn) -> list[Member]:
    """A customer's conversions; few instants, so that some are equal."""
    made = []
    for number in range(draw(st.integers(0, 8))):
        partner = draw(st.sampled_from([None, 1, 2]))
        share = Share(partner_id=partner or 0, offer_id=7, link_id=1, numerator=1, denominator=1)
        payments, months = draw(st.sampled_from([(None, None), (1, None), (2, None), (None, 1)]))
        made.append(
            Member(
                conversion_key=bytes([number]) * 16,
                advertiser_id=1,
                customer_key=bytes(16),
                occurred_at=Millis(T0 + draw(st.integers(0, 4)) * 300 * HOUR),
                reported_at=Millis(T0),
                known_at=Millis(T0),
                goal="sale",
                offer_id=None,
                firm=partner is not None and draw(st.booleans()),
                counts=draw(st.integers(0, 3)) > 0,
                wish=None if partner is None else Wish((share,), months, payments),
            )
        )
    return made


@given(members(), st.randoms(use_true_random=False))
def test_the_earliest_wish_binds_whatever_the_order(
    found: list[Member], dice: random.Random
) -> None:
    view = shop()
    choices = choose(found, view)
    shuffled = found[:]
    dice.shuffle(shuffled)
    assert choose(shuffled, view) == choices
    wishes = sorted(
        (one for one in found if one.wish), key=lambda one: (one.occurred_at, one.conversion_key)
    )
    for one in found:
        choice = choices[one.conversion_key]
        if one.firm:
            assert choice.reason is None and not choice.shares
        elif not wishes or _place(wishes[0]) >= _place(one):
            assert choice.reason == "lifetime_none"
        elif choice.shares:
            assert choice.bound_by == wishes[0].conversion_key
            assert wishes[0].wish is not None and choice.shares == wishes[0].wish.shares
        else:
            assert choice.reason == "lifetime_over"


@given(members())
def test_no_more_payments_than_the_terms_say_and_the_earliest_ones(found: list[Member]) -> None:
    choices = choose(found, shop())
    wishes = sorted((one for one in found if one.wish), key=_place)
    if not wishes or wishes[0].wish is None or wishes[0].wish.payments is None:
        return
    bound = [one for one in found if choices[one.conversion_key].shares and one.counts]
    over = [one for one in found if choices[one.conversion_key].reason == "lifetime_over"]
    assert len(bound) <= wishes[0].wish.payments
    assert all(_place(one) < _place(late) for one in bound for late in over)


def _place(one: Member) -> tuple[int, bytes]:
    return one.occurred_at, one.conversion_key
