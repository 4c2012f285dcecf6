"""A state that lost its tail: restored from an older checkpoint, or built anew from the log.

Whatever was published since, no version falls or is used twice with other content, and the final
decisions are those of a run that lost nothing.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.events import Decision
from services.attribution import lineage
from services.attribution.lineage import Standing
from services.attribution.table import MemoryTable
from tests.attribution_events import HOUR, TOPICS, Log, click, conversion
from tests.attribution_samples import Take, Worker, content
from tests.property.test_attribution_order import POLICY, logs

takes = st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(1, 3)), max_size=3)
turns = st.lists(
    st.tuples(takes, st.sampled_from([0, 10, 40_000]), st.sampled_from("...cclxx0")), max_size=30
)
Turns = list[tuple[list[Take], int, str]]


def copied(table: MemoryTable) -> MemoryTable:
    """A table with the same rows."""
    copy = MemoryTable()
    copy.apply(dict(table.above(b"")))
    return copy


class Losing(Worker):
    """A worker that makes checkpoints and loses its state."""

    def __init__(self, log: Log) -> None:
        super().__init__(log, MemoryTable(), policy=POLICY)
        self.checkpoints = [(MemoryTable(), 0)]

    def checkpoint(self) -> None:
        """Copy the state, with how far the decisions' log was then."""
        assert isinstance(self.table, MemoryTable)
        self.checkpoints.append((copied(self.table), len(self.published)))

    def lose(self, kept: int) -> None:
        """Go on from checkpoint `kept` from the end; -1: from nothing."""
        table, end = self.checkpoints[max(0, len(self.checkpoints) - 1 - kept) if kept >= 0 else 0]
        self.table = copied(table)
        since = [decision.version for decision in self.published[end:]]
        lineage.rise_above(self.table, max(since, default=0))
        self.start()


def run(log: Log, schedule: Turns) -> Losing:
    """Play a log: `c` makes a checkpoint, `l` goes back to one of the last two, `x` crashes before
    the commit, `0` begins from nothing."""
    worker, now = Losing(log), 0
    for at, (batch, passed, event) in enumerate(schedule):
        now += passed
        worker.turn(batch, now, commit=event != "x")
        if event == "c":
            worker.checkpoint()
        if event in "l0":
            worker.lose(at % 2 if event == "l" else -1)
    worker.drain(batch=3, now=now)
    return worker


@given(logs(), turns)
def test_A2_a_lost_tail_changes_no_final_decision(log: Log, schedule: Turns) -> None:
    reference = content(Worker(log, MemoryTable(), policy=POLICY).drain())
    assert content(run(log, schedule)) == reference


@given(logs(), turns)
def test_A2_after_a_restore_versions_only_rise_and_none_has_two_contents(
    log: Log, schedule: Turns
) -> None:
    last: dict[bytes, Decision] = {}
    for one in run(log, schedule).published:
        before = last.get(one.conversion_key)
        if before is not None:
            assert (one.version, one.event_id) == (before.version, before.event_id) or (
                one.version > before.version
            )
        last[one.conversion_key] = one


def test_A2_without_the_rule_a_restored_state_would_reuse_versions() -> None:
    """The law above can fail: an epoch that only counts on meets versions that are out already."""
    log = Log([click(0, 0, who=1), click(1, 1_000, who=1), click(2, 2_000, who=1)])
    log.screen()
    log.conversions = [conversion(0, 60_000, who=1)]
    worker = Losing(log)
    worker.turn([(TOPICS[2], 1)])
    worker.checkpoint()
    table, _ = worker.checkpoints[-1]
    worker.turn(now=40_000)
    for _ in range(3):
        worker.turn([(TOPICS[0], 1)], 50_000)
    highest = max(one.version for one in worker.published)
    worker.table = copied(table)
    worker.start()
    worker.turn([(TOPICS[0], 2)], 40_000)
    assert worker.published[-1].version <= highest


def test_a_rebuilt_state_leaves_what_was_decided_with_clicks_that_are_gone() -> None:
    log = Log([click(n, n * HOUR, who=n) for n in range(50)]).screen()
    log.conversions = [
        conversion(n, n * HOUR + 60_000, named=each) for n, each in enumerate(log.clicks)
    ]
    worker = Worker(log, MemoryTable()).drain()
    standing = Standing(POLICY.grace_ms)
    table = MemoryTable()
    for start in range(0, len(worker.published), 7):
        lineage.leave_decided(table, standing.take(worker.published[start : start + 7]))
    lineage.leave_decided(table, standing.standing())
    lineage.rise_above(table, max(one.version for one in worker.published))
    kept = 10
    lineage.begin_at(table, 50 - kept, 0)
    rebuilt = Worker(log, table, policy=POLICY).drain(now=40_000)
    again = {one.conversion_key for one in rebuilt.published}
    recent = {
        one.conversion_key
        for one in log.conversions
        if one.recorded_at + POLICY.grace_ms >= log.conversions[-1].recorded_at
    }
    assert again == recent and 0 < len(recent) < 50
    assert all(content(worker)[key] == found for key, found in content(rebuilt).items())
