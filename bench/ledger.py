"""Conversions/s through the ledger stage on a real PostgreSQL, beside bare writes of the same rows.

Each conversion is one assessment that accrues revenue and commission: one standing, two entries,
balances. The stage decides and commits; the bare writes are the same COPYs and updates of rows that
were made before the clock started. Kafka is left out: its share is in the table of the runtime.

Run: python -m bench.ledger [CONVERSIONS]. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import LiteralString

from afflux.kernel.events import Assessment
from afflux.runtime.codec import Codec
from afflux.runtime.embedded.postgres import PostgresFiles, postgres_spec
from afflux.runtime.loop import Record, TopicPartition
from afflux.runtime.migrate import migrate_postgres
from afflux.runtime.pg import connect_async
from afflux.runtime.supervise.spec import State
from afflux.runtime.supervise.supervisor import Supervisor
from services.payouts.domain.accounts import chain_of
from services.payouts.domain.accrual import World
from services.payouts.domain.chain import Head, chained
from services.payouts.domain.facts import Source, Standing
from services.payouts.domain.transfers import Transfer
from services.payouts.process import Fact, Step, take
from services.payouts.queries import ledger, rows, steps
from services.payouts.queries.steps import Db
from tests.payouts_samples import T0, assessment, demo_catalog, share
from tests.payouts_stage import Feeder
from tests.support.engines import temporary_database, temporary_home

PARTITIONS = 4
CHAINS = 2
PARTNERS = (100, 101, 103)


def make(number: int, codec: Codec) -> list[Record]:
    """Assessments of sales of three partners, spread over the partitions."""
    offsets = [0] * PARTITIONS
    records = []
    for n in range(number):
        event = assessment(f"t{n}", [share(PARTNERS[n % 3])], value=1_000 + n % 50_000)
        partition = event.conversion_key[0] % PARTITIONS
        where = (event.topic, partition, offsets[partition], event.key)
        records.append(Record(*where, b"", T0, (), event))
        offsets[partition] += 1
    return records


def batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    """Cut records into batches."""
    return (records[at : at + size] for at in range(0, len(records), size))


async def stage_rate(dsn: str, records: Sequence[Record], size: int) -> dict[str, float]:
    """Return conversions/s of process + commit, and the share of the time that each took."""
    feeder = Feeder(dsn)
    parts = [TopicPartition(t, n) for t in feeder.stage.topics for n in range(PARTITIONS)]
    await feeder.stage.assigned(parts)
    deciding, cpu, started = 0.0, time.process_time(), time.perf_counter()
    for batch in batches(records, size):
        before = time.perf_counter()
        await feeder.stage.process(batch, T0)
        deciding += time.perf_counter() - before
        positions = {TopicPartition(r.topic, r.partition): r.offset + 1 for r in batch}
        await feeder.stage.commit(positions, T0)
    took = time.perf_counter() - started
    await feeder.stage.close()
    return {
        "per_s": round(len(records) / took),
        "process_share": round(deciding / took, 2),
        "python_cores": round((time.process_time() - cpu) / took, 2),
    }


async def bare_rate(dsn: str, records: Sequence[Record], size: int) -> dict[str, float]:
    """Return conversions/s of writing the rows that the stage would write, made beforehand."""
    prepared = [decided(batch) for batch in batches(records, size)]
    db: Db = await connect_async(dsn)
    started = time.perf_counter()
    for conversions, entries, transfers in prepared:
        async with db.transaction():
            await steps.copy_rows(db, copy_of("conversions"), rows.CONVERSION_TYPES, conversions)
            await steps.copy_rows(db, copy_of("entries"), rows.ENTRY_TYPES, entries)
            await ledger.balance(db, transfers)
        await db.commit()
    took = time.perf_counter() - started
    await db.close()
    return {"per_s": round(len(records) / took)}


def copy_of(table: str) -> LiteralString:
    """Return the COPY command of a table."""
    columns = rows.ENTRY_COLUMNS if table == "entries" else rows.CONVERSION_COLUMNS
    return f"COPY payouts.{table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"


HEADS: dict[int, Head] = {}


def decided(batch: Sequence[Record]) -> tuple[list[rows.Row], list[rows.Row], list[Transfer]]:
    """Return the rows of one batch."""
    world, facts = World.of(demo_catalog()), []
    for record in batch:
        assert isinstance(record.event, Assessment)
        facts.append(Fact(Source(record.topic, record.partition, record.offset), record.event))
    result = take(Step(0, 1, T0), facts, dict[bytes, Standing](), world)
    entries = []
    for transfer in result.transfers:
        chain = chain_of(transfer.partner_id, CHAINS)
        values, HEADS[chain] = chained(HEADS.get(chain, Head(chain)), transfer)
        entries.append(rows.entry_row(transfer, values))
    conversions = [rows.conversion_row(0, standing) for standing in result.standings.values()]
    return conversions, entries, result.transfers


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL of its own with its safe defaults."""
    with temporary_home() as home:
        files, supervisor = PostgresFiles(home), Supervisor(home)
        try:
            supervisor.start(postgres_spec(files))
            supervisor.wait("postgres", {State.RUNNING}, 60)
            yield files.dsn("postgres")
        finally:
            supervisor.stop(["postgres"])
            supervisor.close()


async def run(number: int, admin: str) -> dict[str, object]:
    """Measure both ways at both sizes, in turns, each on an empty database."""
    records, results = make(number, Codec.load()), dict[str, object]()
    for size in (500, 2_000):
        for name, measure in (("stage", stage_rate), ("bare", bare_rate)):
            HEADS.clear()
            with temporary_database(admin, f"bench_{uuid.uuid4().hex[:8]}") as dsn:
                migrate_postgres(dsn)
                results[f"{name}_{size}"] = await measure(dsn, records, size)
    return results


if __name__ == "__main__":
    with postgres() as admin_dsn:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
        print(json.dumps(asyncio.run(run(count, admin_dsn))))
