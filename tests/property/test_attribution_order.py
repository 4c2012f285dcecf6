"""Final decisions do not depend on the order in which topics, batches and restarts come.

Each topic keeps its own order, as Kafka keeps it; the interleaving of the topics, the sizes of the
batches, the worker's clock, clean restarts and crashes between publishing and committing are free.
"""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Click, Decision, FlagAction, Result, TouchOutcome
from afflux.kernel.reasons import REASONS
from services.attribution.process import Policy
from services.attribution.table import MemoryTable
from tests.attribution_events import HOUR, T0, TOPICS, Log, click, conversion, flag, screened
from tests.attribution_samples import Take, Worker, content

POLICY = Policy(grace_ms=HOUR, wait_ms=30_000)
minutes = st.integers(0, 240).map(lambda n: n * 60_000)


@st.composite
def clicks_of(draw: st.DrawFn) -> list[Click]:
    """A clicks partition: some late, some repeated, a few visitors."""
    made = []
    for number in range(draw(st.integers(0, 8))):
        at = draw(minutes)
        late = draw(st.sampled_from([0, 0, 0, 60_000, 3 * HOUR]))
        who, offer_id = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([7, 7, 8, 9]))
        made.append(click(number, at, who, offer_id, partner=number % 3, recorded_at=at + late))
    for number in draw(st.lists(st.integers(0, 7), max_size=2)):
        if number < len(made):
            made.append(made[number])
    return made


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Clicks, the screen's words on them in order, and reports of all kinds."""
    log = Log(draw(clicks_of()))
    judged: set[bytes] = set()
    for offset, each in enumerate(log.clicks):
        at = each.recorded_at - T0 + draw(st.sampled_from([0, 0, 5 * HOUR]))
        if each.click_id not in judged and draw(st.booleans()):
            log.flags.append(flag(each, offset, recorded_at=at))
        judged.add(each.click_id)
        if draw(st.booleans()) or offset == len(log.clicks) - 1:
            log.flags.append(screened(offset + 1, at))
            if draw(st.integers(0, 3)) == 0:
                log.flags.append(flag(each, offset, "found_later", at + draw(minutes)))
    never_logged = click(99, at=30_000, who=1)
    named = st.sampled_from([*log.clicks, never_logged])
    for number in range(draw(st.integers(1, 4))):
        at = draw(minutes)
        kind = draw(st.sampled_from(["named", "named", "visitor", "nobody"]))
        log.conversions.append(
            conversion(
                number,
                at,
                named=draw(named) if kind == "named" else None,
                who=draw(st.sampled_from([1, 2])) if kind == "visitor" else None,
                offer_id=draw(st.sampled_from([None, None, 7])),
                recorded_at=at + draw(minutes),
            )
        )
    if draw(st.booleans()):
        log.conversions.append(log.conversions[0])
    return log


takes = st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(1, 4)), max_size=3)
turns = st.lists(
    st.tuples(takes, st.sampled_from([0, 10, 20_000]), st.sampled_from("....rx")), max_size=25
)
Turns = list[tuple[list[Take], int, str]]


def run(log: Log, schedule: Turns, view: Catalog | None = None) -> Worker:
    """Play a log in an order of its own: `r` restarts in order, `x` crashes before the commit."""
    worker = Worker(log, MemoryTable(), view, POLICY)
    now = 0
    for batch, passed, event in schedule:
        now += passed
        worker.turn(batch, now, commit=event != "x")
        if event == "r":
            worker.stop()
            worker.start()
    return worker.drain(batch=3, now=now)


@given(logs(), turns, turns)
def test_A2_the_same_log_gives_the_same_final_decisions_in_any_order(
    log: Log, one: Turns, other: Turns
) -> None:
    reference = content(Worker(log, MemoryTable(), policy=POLICY).drain())
    assert content(run(log, one)) == content(run(log, other)) == reference


@given(logs(), turns)
def test_A2_every_conversion_is_decided_and_a_crash_never_reuses_a_version(
    log: Log, schedule: Turns
) -> None:
    worker = run(log, schedule)
    assert set(worker.final) == {report.conversion_key for report in log.conversions}
    versions: dict[tuple[bytes, int], bytes] = {}
    for decision in worker.published:
        key = decision.conversion_key, decision.version
        assert versions.setdefault(key, decision.event_id) == decision.event_id


@given(logs(), turns)
def test_A2_one_recorded_at_for_one_content(log: Log, schedule: Turns) -> None:
    instants: dict[bytes, int] = {}
    for decision in run(log, schedule).published:
        known = instants.setdefault(decision.event_id, decision.recorded_at)
        assert known == decision.recorded_at


def check_credit(decision: Decision) -> None:
    """Law A1 for shares, law A4 for touches."""
    parts = [Fraction(share.numerator, share.denominator) for share in decision.shares]
    credited = decision.result is Result.ATTRIBUTED
    assert sum(parts, Fraction(0)) == (1 if credited else 0)
    assert all(part > 0 for part in parts)
    assert (decision.reason is None) == credited
    assert decision.reason is None or decision.reason in REASONS
    shared = {share.click_id for share in decision.shares}
    for touch in decision.touches:
        assert (touch.outcome is TouchOutcome.CREDITED) == (touch.click_id in shared)
        assert (touch.reason is None) == (touch.click_id in shared)
        assert touch.reason is None or touch.reason in REASONS
    instants = [touch.occurred_at for touch in decision.touches]
    assert instants == sorted(instants)


@given(logs(), turns)
def test_A1_A4_every_version_shares_exactly_one_and_every_other_touch_has_a_reason(
    log: Log, schedule: Turns
) -> None:
    for decision in run(log, schedule).published:
        check_credit(decision)


@given(logs(), turns)
def test_A3_nothing_is_called_screened_before_the_screen_has_passed_it(
    log: Log, schedule: Turns
) -> None:
    worker = Worker(log, MemoryTable(), policy=POLICY)
    now = 0
    for batch, passed, _ in schedule:
        now += passed
        before = len(worker.published)
        worker.turn(batch, now)
        read = log.flags[: worker.process.state.offsets[TOPICS[1]]]
        marks = [f.source_offset for f in read if f.action is FlagAction.SCREENED]
        for decision in worker.published[before:]:
            if decision.screened and decision.shares:
                ids = [each.click_id for each in log.clicks[: max(marks, default=0)]]
                assert decision.shares[0].click_id in ids
