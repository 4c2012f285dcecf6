"""Law L4: the same log gives the same ledger, whatever the batches."""

from __future__ import annotations

import pytest

from services.payouts.domain.digest import balances_digest, fold, transfers_digest
from tests.payouts_log import facts, run, steps


@pytest.mark.parametrize("partitions", [1, 4])
def test_L4_batches_of_1_7_and_1000_end_in_the_same_balances(partitions: int) -> None:
    log = facts(600, seed=7)
    digests, totals = set(), set()
    for size in (1, 7, 1000):
        transfers, _ = run(list(steps(log, size, partitions, every_ms=0)))
        digests.add(balances_digest(fold(transfers)))
        totals.add(len(transfers) > 1000)
    assert totals == {True}
    assert len(digests) == 1


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_L4_recorded_steps_give_the_same_transfers_in_whatever_order_partitions_come(
    size: int,
) -> None:
    recorded = list(steps(facts(600, seed=8), size, 4))
    by_number = sorted(recorded, key=lambda taken: (taken[0].number, taken[0].partition))
    shuffled = [(step, list(reversed(batch))) for step, batch in by_number]
    first, second = run(recorded), run(shuffled)
    assert transfers_digest(first[0]) == transfers_digest(second[0])
    assert first[1] == second[1]
