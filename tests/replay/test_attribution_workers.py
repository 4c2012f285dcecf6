"""One log of four partitions, replayed by 1, 2 and 4 workers that hand them to one another."""

from __future__ import annotations

import random
from hashlib import blake2b
from pathlib import Path

import pytest

from afflux.kernel.catalog import Catalog, Lifetime
from afflux.kernel.events import CreditSignal, Decision
from services.attribution.store import RocksTable
from tests.attribution_customers import (
    Partitions,
    binding,
    lasting,
    memory,
    of,
    redecision,
    said,
    shop,
    split,
)
from tests.attribution_events import HOUR, T0, Log, change, click, conversion, offer, view
from tests.attribution_samples import ALL_TOPICS, POLICY, Worker

PARTITIONS, CLICKS, CONVERSIONS, VISITORS, CUSTOMERS = 4, 600, 300, 60, 40


@pytest.fixture(scope="module")
def known() -> Catalog:
    """Customers bound for six payments, shared by two partners; some by a person's word."""
    return shop(
        said(binding(3, None), 1, valid_from=10 * HOUR),
        said(binding(4, 90, 7), 1, recorded_at=20 * HOUR),
        change(offer(8, window_s=7_200), 2, recorded_at=T0 + 30 * HOUR),
        said(lasting(Lifetime(payments=6), "linear", 1_800), 2),
    )


@pytest.fixture(scope="module")
def logs() -> list[Log]:
    """A seeded log by partition: visitors and customers are everybody's."""
    dice = random.Random(21)
    log = Log()
    for number in range(CLICKS):
        at, who, offer_id = dice.randrange(40 * HOUR), dice.randrange(VISITORS), dice.choice([7, 8])
        late = dice.choice([0, 0, 0, HOUR])
        made = click(number, at, who, offer_id, number % 20, at + late)
        log.clicks.append(made)
        if number % 5 == 0:
            log.views.append(view(number, at + HOUR, who, 7, number % 20))
    log.clicks.sort(key=lambda each: each.recorded_at)
    log.views.sort(key=lambda each: each.recorded_at)
    for number in range(CONVERSIONS):
        named = dice.choice(log.clicks)
        at = named.occurred_at - T0 + dice.randrange(2 * HOUR)
        report = (
            conversion(number, at, named=named),
            conversion(number, at, who=dice.randrange(VISITORS)),
            conversion(number, at),
        )[number % 3]
        who = None if number % 7 == 0 else dice.randrange(CUSTOMERS)
        log.conversions.append(of(report, who, dice.choice([None, None, None, "spring"])))
    dice.shuffle(log.conversions)
    log.redecisions = [redecision(one, 60 * HOUR) for one in dice.sample(log.conversions, 40)]
    return [part.screen(dice.sample(part.clicks, 5), 41 * HOUR) for part in split(log, PARTITIONS)]


def digest(final: dict[bytes, Decision]) -> str:
    """Hash of all final decisions, byte for byte but for how often they were revised."""
    whole = blake2b(digest_size=16)
    for key, one in sorted(final.items()):
        whole.update(key + one.event_id)
    return whole.hexdigest()


@pytest.fixture(scope="module")
def reference(logs: list[Log], known: Catalog) -> str:
    """The digest of a replay in memory, partition after partition."""
    final = Partitions(logs, memory(PARTITIONS), known, POLICY).drain().final
    assert len(final) == CONVERSIONS
    by_signal = [one.signal for one in final.values() if one.shares]
    assert by_signal.count(CreditSignal.CUSTOMER) > 20
    assert set(by_signal) >= {CreditSignal.CLICK_ID, CreditSignal.COUPON, CreditSignal.JOURNEY}
    assert any(one.terms_known_at for one in final.values())
    return digest(final)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_A2_any_number_of_workers_decides_the_same(
    logs: list[Log], known: Catalog, reference: str, workers: int, tmp_path: Path
) -> None:
    """Each worker has a clock and a batch size of its own; every tenth turn all partitions get
    another owner, and a worker dies now and then between publishing and committing."""
    dice = random.Random(workers)
    folders = [tmp_path / str(number) for number in range(PARTITIONS)]
    parts = Partitions(logs, [RocksTable(folder) for folder in folders], known, POLICY)
    clocks = [dice.randrange(60_000) for _ in range(workers)]
    for turn in range(80):
        if turn % 10 == 9:
            for part, folder in zip(parts.workers, folders, strict=True):
                hand_over(part, folder)
        owner = dice.randrange(workers)
        clocks[owner] += dice.randrange(10_000)
        for part in parts.workers[(owner + turn // 10) % workers :: workers]:
            takes = [(topic, 10 * (owner + 1)) for topic in dice.sample(ALL_TOPICS, 3)]
            part.turn(takes, clocks[owner], commit=dice.random() > 0.1)
    assert digest(parts.drain(batch=50, now=max(clocks)).final) == reference
    for part in parts.workers:
        part.stop()


def hand_over(part: Worker, folder: Path) -> None:
    """One owner closes the store, the next one opens it."""
    part.stop()
    part.table = RocksTable(folder)
    part.start()
