"""Erased visitors: nothing of them is left, and a replayed log decides the same (laws T5, A2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Result
from afflux.kernel.outcome import Drop
from afflux.kernel.types import Millis
from services.attribution import rows
from services.attribution.table import MemoryTable
from services.attribution.touch_rows import journey_prefix
from tests.attribution_events import HOUR, T0, TOPICS, Log, click, conversion, screened, visitor
from tests.attribution_samples import Worker, content
from tests.property.test_attribution_order import POLICY, Turns, logs, minutes, takes

turns = st.lists(
    st.tuples(takes, st.sampled_from([0, 20_000, 3 * HOUR]), st.sampled_from("...rxk")), max_size=25
)
instants = st.dictionaries(st.sampled_from([visitor(1), visitor(2)]), minutes, min_size=1)


def run(log: Log, schedule: Turns) -> Worker:
    """Play a log: `r` restarts in order, `x` crashes before the commit, `k` knows all erasures
    long before it has to, as a replay does."""
    worker = Worker(log, MemoryTable(), policy=POLICY)
    now = 0
    for batch, passed, event in schedule:
        now += passed
        if event == "k":
            worker.know(T0 + 10_000 * HOUR, Millis(T0 + now))
        worker.turn(batch, now, commit=event != "x")
        if event == "r":
            worker.stop()
            worker.start()
    return worker.drain(batch=3, now=now)


def held(worker: Worker, who: bytes) -> list[bytes]:
    """Keys of rows that hold something of a visitor."""
    state = worker.process.state
    journeys = [journey_prefix(bucket, who) for bucket in state.journeys.buckets]
    prefixes = [*journeys, rows.open_prefix(who)]
    found = [key for prefix in prefixes for key, _ in state._rows.above(prefix)]
    dues = [*state._rows.above(rows.DUE), *state._rows.above(rows.VIEWS_DUE)]
    return found + [key for key, value in dues if value == who]


def erased(log: Log, at: dict[bytes, int]) -> Log:
    """The log with erasures at these instants."""
    log.erasures = {who: Millis(T0 + moment) for who, moment in at.items()}
    return log


@given(logs(), instants, turns, turns)
def test_A2_a_replay_decides_the_same_although_the_visitor_is_gone(
    log: Log, at: dict[bytes, int], one: Turns, other: Turns
) -> None:
    erased(log, at)
    reference = content(Worker(log, MemoryTable(), policy=POLICY).drain())
    assert content(run(log, one)) == content(run(log, other)) == reference


@given(logs(), instants, turns)
def test_T5_no_row_of_an_erased_visitor_is_left_whenever_its_clicks_come(
    log: Log, at: dict[bytes, int], schedule: Turns
) -> None:
    worker = run(erased(log, at), schedule)
    for who in at:
        assert held(worker, who) == []
        assert worker.process.state.is_forgotten(who)
    assert set(worker.final) == {report.conversion_key for report in log.conversions}


@given(logs(), instants, turns)
def test_T5_an_erasure_takes_no_credit_that_was_earned_before_it(
    log: Log, at: dict[bytes, int], schedule: Turns
) -> None:
    """Once all waits are over, an erasure changes nothing: what is decided stays decided."""
    latest = max([T0, *(e.recorded_at for topic in TOPICS for e in log.topic(topic))])
    log.erasures = {}
    before = content(Worker(log, MemoryTable(), policy=POLICY).drain())
    log.erasures = {who: Millis(latest + 1 + moment) for who, moment in at.items()}
    assert content(run(log, schedule)) == before


def test_T5_later_clicks_of_the_visitor_are_dropped_and_later_reports_see_no_journey() -> None:
    first, late = click(1, at=0), click(2, at=2 * HOUR)
    log = Log(
        [first, late, click(3, at=9 * HOUR, who=2)],
        [screened(3, 9 * HOUR)],
        [
            conversion(1, at=60_000, who=1, recorded_at=60_000),
            conversion(2, at=120_000, who=1, recorded_at=3 * HOUR),
            conversion(3, at=3 * HOUR, named=late, recorded_at=3 * HOUR),
        ],
        {visitor(1): Millis(T0 + HOUR)},
    )
    worker = Worker(log, MemoryTable(), policy=POLICY).drain()
    before, after, named = (worker.final[c.conversion_key] for c in log.conversions)
    assert before.result is Result.ATTRIBUTED
    assert (after.result, after.reason) == (Result.UNATTRIBUTED, "no_touch")
    assert named.result is Result.ATTRIBUTED  # its click id says all that is needed (law A3)
    assert [touch.click_id for touch in named.touches] == [late.click_id]
    assert worker.outcomes.count(Drop("visitor_erased")) == 1
    assert held(worker, visitor(1)) == []


def test_T5_the_journey_waits_until_what_the_log_holds_is_decided() -> None:
    log = Log([click(1)], [], [conversion(1, who=1)], {visitor(1): Millis(T0 + HOUR)}).screen()
    worker = Worker(log, MemoryTable(), policy=POLICY)
    worker.turn([(TOPICS[0], 1), (TOPICS[1], 1)])
    late = 2 * HOUR
    worker.know(T0 + HOUR, Millis(T0 + late))
    worker.turn(now=late)
    worker.turn(now=late)
    assert held(worker, visitor(1))  # the report has not been read yet
    worker.turn([(TOPICS[2], 1)], now=late)
    worker.turn(now=late)
    assert held(worker, visitor(1)) == []
    assert worker.final[log.conversions[0].conversion_key].result is Result.ATTRIBUTED
