"""Touches as columns give the rows that they give one by one; views, repeats and expiry."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Click, ClickOutcome, Impression, TouchOutcome
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.columns import Columns
from services.attribution.process import Policy
from services.attribution.rows import FORMAT, META, ForeignFormat, Meta, encode
from services.attribution.state import State
from services.attribution.table import MemoryTable
from services.attribution.touch_rows import BUCKET_MS
from tests.attribution_events import HOUR, T0, Log, catalog, change, click, conversion, offer, view
from tests.attribution_samples import Worker, content
from tests.property.test_attribution_order import POLICY, Turns, logs, minutes, run, turns

CODEC = Codec.load()
VIEWED = msgspec.structs.replace(offer(7), view_window_s=7_200)
OFFERS = catalog(change(VIEWED), change(offer(8)), change(offer(9, advertiser=2)))
texts = st.none() | st.text(max_size=5) | st.sampled_from(["a\x1fb", "\x00", ""])


@st.composite
def touched(draw: st.DrawFn) -> list[Click | Impression]:
    """One topic's records: odd tags, late ones, refused ones, months apart."""
    of_views, made = draw(st.booleans()), []
    for number in range(draw(st.integers(8, 14))):
        at = draw(st.sampled_from([0, 0, 5, BUCKET_MS // 2, 2 * BUCKET_MS]))
        who, offer_id = draw(st.integers(1, 3)), draw(st.sampled_from([7, 8]))
        reason = draw(st.sampled_from([None, "offer_paused", "no_such_reason"]))
        one: Click | Impression
        if of_views:
            one = view(number, at, who, offer_id, reason=reason)
        else:
            outcome = draw(st.sampled_from([ClickOutcome.REDIRECTED, ClickOutcome.REFUSED]))
            one = click(number, at, who, offer_id, outcome=outcome, reason=reason)
        made.append(
            msgspec.structs.replace(
                one,
                ref_id=draw(texts),
                source=draw(texts),
                country=draw(texts),
                device=draw(st.sampled_from(["unknown", "mobile", ""])),
                sub=draw(st.lists(st.text(max_size=3), max_size=3)),
            )
        )
    return made


def columns(events: list[Click | Impression], first: int) -> Columns:
    """The events as the loop hands them out."""
    topic, keys = events[0].topic, [event.key for event in events]
    frame = CODEC.decode_frame(topic, [CODEC.encode(event) for event in events], keys)
    assert frame is not None
    return Columns(topic, 0, range(first, first + len(events)), keys, frame)


@given(touched(), st.integers(0, 2**40))
def test_columns_give_the_rows_that_touches_give_one_by_one(
    events: list[Click | Impression], first: int
) -> None:
    alone, whole = (Worker(Log(), MemoryTable(), OFFERS) for _ in range(2))
    for number, event in enumerate(events, first):
        if isinstance(event, Click):
            alone.process.intake.click(event, number)
        else:
            alone.process.intake.view(event, number)
    whole.process.intake.columns(columns(events, first))
    assert whole.process.state.progress == alone.process.state.progress
    tables = []
    for worker in (alone, whole):
        worker.process.state.commit({})
        assert isinstance(worker.table, MemoryTable)
        tables.append(list(worker.table.above(b"j")))
    assert tables[0] == tables[1]


@given(logs(), st.lists(st.tuples(minutes, st.sampled_from([7, 8, 9])), max_size=5), turns, turns)
def test_A2_views_come_in_any_order(
    log: Log, seen: list[tuple[int, int]], one: Turns, other: Turns
) -> None:
    log.views = [view(n, at, 1, offer_id) for n, (at, offer_id) in enumerate(sorted(seen))]
    reference = content(Worker(log, MemoryTable(), OFFERS, POLICY).drain())
    assert content(run(log, one, OFFERS)) == content(run(log, other, OFFERS)) == reference


def test_a_view_earns_only_where_there_is_no_click_and_the_offer_pays_for_views() -> None:
    log = Log([], [], [conversion(1, at=HOUR, who=1), conversion(2, at=HOUR, who=2)])
    log.views = [view(1, at=0, who=1), view(2, at=0, who=2, offer_id=8)]
    paid, unpaid = Worker(log, MemoryTable(), OFFERS).drain().final.values()
    if paid.transaction_id == "t2":
        paid, unpaid = unpaid, paid
    assert [touch.kind for touch in paid.touches] == ["impression"]
    assert paid.touches[0].outcome is TouchOutcome.CREDITED
    assert unpaid.touches == []


def test_a_click_logged_twice_is_one_touch_the_one_that_was_logged_first() -> None:
    one = click(1)
    again = msgspec.structs.replace(one, recorded_at=Millis(T0 + BUCKET_MS))
    last = conversion(1, at=60_000, who=1, recorded_at=2 * BUCKET_MS)
    log = Log([one, again], [], [last]).screen()
    (decision,) = Worker(log, MemoryTable()).drain().final.values()
    assert [touch.click_id for touch in decision.touches] == [one.click_id]
    assert decision.recorded_at == last.recorded_at


def test_A2_expiry_drops_whole_months_and_no_decision_depends_on_when() -> None:
    days, keep = 24 * HOUR, Policy(grace_ms=HOUR, wait_ms=30_000, keep_ms=20 * 24 * HOUR)
    log = Log()
    for number in range(300):
        log.clicks.append(click(number, number * days, who=number % 3))
        log.conversions.append(
            conversion(number, at=number * days + 1, who=number % 3, recorded_at=number * days + 1)
        )
    log.screen(recorded_at=300 * days)
    # The screen is slow in one run: everything stays open, so nothing may be dropped.
    slow = Worker(log, MemoryTable(), catalog(change(offer(7, window_s=86_400))), keep)
    whole = slow.drain(batch=10_000)
    table = MemoryTable()
    quick = Worker(log, table, catalog(change(offer(7, window_s=86_400))), keep)
    flags, log.flags = log.flags, []
    for number in range(300):
        log.flags += Log(log.clicks[: number + 1]).screen(recorded_at=number * days).flags
        quick.turn([("tracking.clicks", 1), ("fraud.click-flags", 1), ("tracking.conversions", 1)])
    assert len(flags) == 1
    quick.drain()
    assert len(table.buckets()) <= 4
    assert content(quick) == content(whole)


def test_a_store_of_another_format_is_refused() -> None:
    table = MemoryTable()
    table.apply({META: encode(Meta(form=FORMAT - 1))})
    try:
        State(table)
    except ForeignFormat as error:
        assert f"format {FORMAT - 1}" in str(error)
    else:
        raise AssertionError("a foreign store was opened")
