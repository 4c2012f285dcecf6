"""A seeded log of assessments and adjustments, and its replay in steps of any size."""

from __future__ import annotations

import random
from collections.abc import Iterator

from afflux.kernel.events import Adjustment, AdjustmentKind, Assessment, Status, Verdict
from afflux.kernel.types import Millis
from services.payouts.domain.accrual import World
from services.payouts.domain.facts import Source, Standing
from services.payouts.domain.transfers import Transfer
from services.payouts.process import Fact, Step, take
from tests.payouts_samples import T0, adjustment, assessment, demo_catalog, key_of, share

PARTNERS = (100, 101, 102, 103)
KINDS = list(AdjustmentKind)


def facts(conversions: int, seed: int, at: int = T0) -> list[Assessment | Adjustment]:
    """Facts in the order of the log: several versions, repeats, adjustments early and late.

    All orders are of the instant `at`.
    """
    chance = random.Random(seed)
    log: list[tuple[float, Assessment | Adjustment]] = []
    for number in range(conversions):
        txn, moment = f"t{number}", chance.random()
        for version in range(1, chance.choice([2, 2, 2, 3, 4])):
            event = _assessment(chance, txn, version, at)
            times = chance.choice([1, 1, 1, 2])
            log += [(moment + version / 50 + repeat / 99, event) for repeat in range(times)]
        for index in range(chance.choice([0, 0, 1, 2, 3])):
            kind = chance.choice(KINDS)
            value = chance.choice([None, chance.randrange(20_000)])
            if kind is AdjustmentKind.AMEND:
                value = value or 7_777
            change = adjustment(kind, value, txn=txn, identity=f"a{index}")
            log.append((moment + chance.uniform(-0.2, 0.2), change))
    return [event for _, event in sorted(log, key=lambda pair: pair[0])]


def _assessment(chance: random.Random, txn: str, version: int, at: int) -> Assessment:
    first, second = chance.sample(PARTNERS, 2)
    offer_id = chance.choice([10, 11, 12])
    parts = [share(first, offer_id=offer_id)]
    if chance.random() < 0.3:
        parts = [share(first, 2, 7, offer_id), share(second, 5, 7, offer_id)]
    return assessment(
        txn,
        parts,
        version=version,
        at=at,
        value=chance.randrange(1, 40_000),
        verdict=chance.choice([Verdict.PASS, Verdict.PASS, Verdict.HOLD, Verdict.REJECT]),
        status=chance.choice([Status.APPROVED, Status.APPROVED, Status.PENDING]),
    )


def steps(
    log: list[Assessment | Adjustment], size: int, partitions: int, every_ms: int = 1
) -> Iterator[tuple[Step, list[Fact]]]:
    """Cut a log into steps of `size` facts, each partition for itself; offsets count by topic."""
    offsets: dict[tuple[str, int], int] = {}
    queues: dict[int, list[Fact]] = {number: [] for number in range(partitions)}
    for event in log:
        partition = event.conversion_key[0] % partitions
        offset = offsets.get((event.topic, partition), 0)
        offsets[event.topic, partition] = offset + 1
        queues[partition].append(Fact(Source(event.topic, partition, offset), event))
    for partition, queue in queues.items():
        for number, start in enumerate(range(0, len(queue), size), 1):
            step = Step(partition, number, Millis(T0 + number * every_ms))
            yield step, queue[start : start + size]


def run(taken: list[tuple[Step, list[Fact]]]) -> tuple[list[Transfer], dict[bytes, Standing]]:
    """Take steps over the demo catalogue; return the transfers and the standings."""
    world, standings = World.of(demo_catalog()), dict[bytes, Standing]()
    transfers: list[Transfer] = []
    for step, batch in taken:
        result = take(step, batch, standings, world)
        standings.update(result.standings)
        transfers += result.transfers
    return transfers, standings


__all__ = ["facts", "key_of", "run", "steps"]
