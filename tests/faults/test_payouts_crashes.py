"""kill -9 of the ledger at seeded instants: nothing lost, nothing twice, `verify` clean."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import pytest

from afflux.kernel.events import Adjustment, Assessment
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import end_offsets
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from services.payouts.process import TOPICS
from services.payouts.queries import audit
from services.payouts.queries.steps import Db
from services.payouts.verify import verify_ledger
from tests.conftest import StackMaker
from tests.payouts_book import Book
from tests.payouts_log import facts
from tests.payouts_samples import DAY, change, demo_entities
from tests.payouts_stage import balances, database

WORKER = "payouts"
PACE_S = 0.05


async def _publish_catalogue(publisher: Publisher) -> None:
    """Publish the catalogue; it is known from when the broker appended it."""
    await publisher.publish([change(entity) for entity in demo_entities()])
    await asyncio.sleep(PACE_S)


async def _publish_slowly(
    publisher: Publisher, log: list[Assessment | Adjustment], done: asyncio.Event
) -> None:
    """Publish a few facts every 50 ms until `done`, then all that are left."""
    sent = 0
    while sent < len(log):
        count = len(log) if done.is_set() else 10
        await publisher.publish(log[sent : sent + count])
        sent += count
        await asyncio.sleep(PACE_S)


async def _until(
    condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = 90
) -> None:
    """Wait for a condition. Errors: TimeoutError, which names it."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await condition():  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise TimeoutError(f"not within {timeout_s} s: {what}") from error


async def _number(db: Db, query: str) -> int:
    row = await (await db.execute(query)).fetchone()
    return int(row[0]) if row else 0


async def _drained(settings: Settings, db: Db) -> bool:
    """Whether all of both topics is committed, nothing is due soon, and the outbox is sent."""
    ends = sum((await end_offsets(settings, TOPICS)).values())
    query = "SELECT coalesce(sum(assessments + adjustments), 0) FROM payouts.partitions"
    due = f"SELECT count(*) FROM payouts.conversions WHERE due_at < {now_ms() + 10_000}"
    unsent = "SELECT coalesce((SELECT sum(sequence) FROM payouts.heads), 0) - "
    unsent += "coalesce((SELECT sum(published) FROM payouts.outbox), 0)"
    return (
        await _number(db, query) == ends
        and not await _number(db, due)
        and not await _number(db, unsent)
    )


async def _crash(stack: Stack, db: Db, kills: int, seed: int) -> None:
    """Kill the worker while it works, each time at another instant of its work."""
    chance = random.Random(seed)
    for _ in range(kills):
        before = await _number(db, "SELECT count(*) FROM payouts.steps")

        async def moved(before: int = before) -> bool:
            return await _number(db, "SELECT count(*) FROM payouts.steps") > before

        await _until(moved, "a step after the restart")
        await asyncio.sleep(chance.uniform(0, 0.8))
        await asyncio.to_thread(stack.kill, WORKER, signal.SIGKILL, restart=False)
        await asyncio.to_thread(stack.start_process, WORKER)


async def _run(stack: Stack, kills: int, seed: int) -> None:
    settings, codec, done = stack.settings, Codec.load(), asyncio.Event()
    publisher = Publisher(settings, codec, "test")
    await publisher.start()
    await _publish_catalogue(publisher)
    log = facts(3_000 + 1_000 * kills, seed, at=now_ms())
    async with database(settings.postgres) as db:
        publishing = asyncio.create_task(_publish_slowly(publisher, log, done))
        await _crash(stack, db, kills, seed)
        done.set()
        await publishing
        await publisher.stop()
        await _until(lambda: _drained(settings, db), "the pipeline is drained")
        book = Book(now=now_ms())
        for event in log:
            book.take(event)
        book.wake(now_ms() + DAY)  # past the holds of 3 s, not past those of 30 days
        assert await balances(db) == book.balances, await audit.counts(db)
    report = await verify_ledger(settings)
    assert [check for check in report.checks if not check.ok] == []
    assert report.unpublished == 0
    assert sum(count for count, _ in report.totals.values()) > 1_000
    await _assert_tampering_is_seen(settings)


async def _assert_tampering_is_seen(settings: Settings) -> None:
    """A cent more on one account, or a standing of another time: `verify` names it."""
    async with database(settings.postgres) as db:
        await db.execute(
            "UPDATE payouts.balances SET balance = balance + 1 WHERE account = 'network:margin'"
        )
        await db.execute("UPDATE payouts.conversions SET standing = standing || '\\x00'::bytea")
    broken = {check.name for check in (await verify_ledger(settings)).checks if not check.ok}
    assert broken == {
        "balances recomputed",
        "balances are the fold",
        "balances sum to zero",
        "standings recomputed",
    }


async def test_S2_L4_L6_L7_kill_9_at_seeded_instants_then_verify_is_clean(
    make_stack: StackMaker,
) -> None:
    stack = await asyncio.to_thread(make_stack, [WORKER])
    await _run(stack, kills=2, seed=1)


@pytest.mark.full
@pytest.mark.timeout(1200)
async def test_S2_L4_L6_L7_kill_9_twenty_times_then_verify_is_clean(make_stack: StackMaker) -> None:
    stack = await asyncio.to_thread(make_stack, [WORKER])
    await _run(stack, kills=20, seed=2)


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_L6_a_frozen_owner_that_wakes_up_writes_nothing(make_stack: StackMaker) -> None:
    stack = await asyncio.to_thread(make_stack, [WORKER])
    chance, settings = random.Random(3), stack.settings

    async def steps(db: Db) -> int:
        return await _number(db, "SELECT sum(epoch) FROM payouts.partitions")

    publisher = Publisher(settings, Codec.load(), "test")
    await publisher.start()
    await _publish_catalogue(publisher)
    log = facts(2_000, 3, at=now_ms())
    async with database(settings.postgres) as db:
        publishing = asyncio.create_task(_publish_slowly(publisher, log, asyncio.Event()))
        await _until(lambda: _worked(db), "a first step")
        await asyncio.sleep(chance.random())
        owners = await steps(db)
        stack.pause(WORKER)
        await asyncio.to_thread(stack.add, "second=payouts")

        async def taken_over() -> bool:
            return await steps(db) > owners

        await _until(taken_over, "the second owner takes over")
        stack.resume(WORKER)
        await publishing
        await publisher.stop()
        await _until(lambda: _drained(settings, db), "the pipeline is drained", 150)
    report = await verify_ledger(settings)
    assert [check for check in report.checks if not check.ok] == []


async def _worked(db: Db) -> bool:
    return await _number(db, "SELECT count(*) FROM payouts.steps") > 0
