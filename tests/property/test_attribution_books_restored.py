"""Customers' books that lost their tail, and states whose requests were already answered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afflux.kernel.catalog import Catalog
from afflux.kernel.events import Decision
from services.attribution import lineage
from services.attribution.table import MemoryTable
from tests.attribution_events import Log
from tests.attribution_samples import ALL_TOPICS, Worker, content
from tests.property.test_attribution_customers import Turns, catalogs, logs
from tests.property.test_attribution_order import POLICY
from tests.property.test_attribution_restored import copied

takes = st.lists(st.tuples(st.sampled_from(ALL_TOPICS), st.integers(1, 4)), max_size=4)
turns = st.lists(
    st.tuples(takes, st.sampled_from([0, 10, 40_000]), st.sampled_from("..cclx0")), max_size=30
)


class Losing(Worker):
    """A worker that makes checkpoints and loses its state."""

    def __init__(self, log: Log, known: Catalog) -> None:
        super().__init__(log, MemoryTable(), known, POLICY)
        self.checkpoints = [(MemoryTable(), 0)]

    def checkpoint(self) -> None:
        """Copy the state, with how far the decisions' log was then."""
        assert isinstance(self.table, MemoryTable)
        self.checkpoints.append((copied(self.table), len(self.published)))

    def lose(self, number: int) -> None:
        """Go on from a checkpoint, above all that was published since and all requests."""
        table, end = self.checkpoints[number]
        self.table = copied(table)
        since = [one.version for one in (*self.published[end:], *self.requests)]
        lineage.rise_above(self.table, max(since, default=0))
        self.start()


def run(log: Log, known: Catalog, schedule: Turns) -> Losing:
    """Play a log: `c` makes a checkpoint, `l` goes back to the last, `0` to nothing, `x` crashes
    before the commit."""
    worker, now = Losing(log, known), 0
    for batch, passed, event in schedule:
        now += passed
        worker.turn(batch, now, commit=event != "x")
        if event == "c":
            worker.checkpoint()
        elif event in "l0":
            worker.lose(-1 if event == "l" else 0)
    worker.drain(batch=3, now=now)
    return worker


@given(logs(), catalogs(), turns)
def test_A2_a_lost_tail_changes_no_final_decision_of_a_customer(
    log: Log, known: Catalog, schedule: Turns
) -> None:
    reference = content(Worker(log, MemoryTable(), known, POLICY).drain())
    assert content(run(log, known, schedule)) == reference


@given(logs(), catalogs(), turns)
def test_A2_after_a_restore_no_version_has_two_contents(
    log: Log, known: Catalog, schedule: Turns
) -> None:
    versions: dict[tuple[bytes, int], Decision] = {}
    for one in run(log, known, schedule).published:
        before = versions.setdefault((one.conversion_key, one.version), one)
        assert before.event_id == one.event_id
