"""One recorded log, replayed with other batch sizes and restarts, on disk and in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import pytest

from services.attribution.store import RocksTable
from services.attribution.table import MemoryTable, Table
from tests.attribution_events import HOUR, TOPICS, Log, click, conversion
from tests.attribution_samples import Worker, content

CLICKS, CONVERSIONS, VISITORS = 1_500, 400, 60


@pytest.fixture(scope="module")
def log() -> Log:
    """A seeded log: shuffled visitors, late clicks, bots, sales before their clicks, repeats."""
    dice = random.Random(20)
    at = sorted(dice.randrange(40 * HOUR) for _ in range(CLICKS))
    made = [
        click(
            number,
            moment,
            who=dice.randrange(VISITORS),
            offer_id=dice.choice([7, 7, 8, 9]),
            partner=dice.randrange(20),
            recorded_at=moment + dice.choice([0, 0, 0, 0, HOUR, 30 * HOUR]),
        )
        for number, moment in enumerate(at)
    ]
    record = Log(sorted(made, key=lambda each: each.recorded_at))
    record.screen(invalid=dice.sample(made, CLICKS // 10), recorded_at=41 * HOUR)
    for number in range(CONVERSIONS):
        named = dice.choice(made)
        moment = named.occurred_at - made[0].occurred_at + at[0] + dice.randrange(2 * HOUR)
        who = dice.choice([None, dice.randrange(VISITORS)])
        record.conversions.append(
            conversion(number, moment, named=named if dice.random() < 0.7 else None, who=who)
        )
    record.conversions += dice.sample(record.conversions, 20)
    return record


def digest(worker: Worker) -> str:
    """Hash of all final decisions, byte for byte but for how often they were revised."""
    whole = blake2b(digest_size=16)
    for key, event_id in sorted(content(worker).items()):
        whole.update(key + event_id)
    return whole.hexdigest()


@contextmanager
def on_disk(folder: Path) -> Iterator[Table]:
    """A table in RocksDB."""
    table = RocksTable(folder)
    try:
        yield table
    finally:
        table.close()


@pytest.fixture(scope="module")
def reference(log: Log) -> str:
    """The digest of a replay in memory, all at once."""
    worker = Worker(log, MemoryTable()).drain(batch=10_000)
    assert len(worker.final) == CONVERSIONS
    assert len({share.partner_id for d in worker.final.values() for share in d.shares}) > 10
    return digest(worker)


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_A2_batch_sizes_do_not_change_the_final_decisions(
    log: Log, reference: str, batch: int, tmp_path: Path
) -> None:
    with on_disk(tmp_path / "store") as table:
        assert digest(Worker(log, table).drain(batch)) == reference


@pytest.mark.parametrize("seed", range(5))
def test_A2_restarts_and_crashes_in_the_middle_do_not_change_the_final_decisions(
    log: Log, reference: str, seed: int, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    folder = tmp_path / "store"
    worker = Worker(log, RocksTable(folder))
    for _ in range(60):
        takes = [(topic, dice.choice([1, 7, 100])) for topic in dice.sample(TOPICS, 2)]
        worker.turn(takes, now=dice.choice([0, 40_000]), commit=dice.random() > 0.2)
        if dice.random() < 0.2:
            worker.stop()
            worker.table = RocksTable(folder)
            worker.start()
    assert digest(worker.drain(batch=100, now=50_000)) == reference
    worker.stop()


def test_both_tables_behave_alike(tmp_path: Path) -> None:
    dice = random.Random(1)
    with on_disk(tmp_path / "store") as disk:
        tables: tuple[Table, Table] = (disk, MemoryTable())
        for _ in range(200):
            keys = [bytes(dice.choices(b"abc\xff", k=3)) for _ in range(5)]
            writes = {key: dice.choice([None, key[::-1]]) for key in keys}
            for table in tables:
                table.apply(writes)
            asked = [bytes(dice.choices(b"abc\xff", k=3)) for _ in range(5)]
            prefix, start = asked[0][:1], asked[0][:1] + asked[1]
            one, other = (
                (
                    table.multi_get(asked),
                    list(table.walk().above(prefix)),
                    list(table.walk().below(prefix, start)),
                )
                for table in tables
            )
            assert one == other
