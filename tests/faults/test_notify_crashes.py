"""kill -9 while postbacks are sent, a partner away, Kafka and PostgreSQL away, damaged records:
every event arrives, in order, under the same id."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable

from aiohttp import web

from afflux.kernel.catalog import Partner
from afflux.kernel.events import Assessment, Channel, DeadLetterRecord, LedgerEntry
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from services.notify.reading import Asked, read_log
from tests.conftest import StackMaker
from tests.notify_log import expected, interleaved, ledger_log, reported
from tests.notify_samples import EVERY, partner_with
from tests.payouts_log import PARTNERS
from tests.payouts_samples import change
from tests.payouts_stage import database
from tests.support.receiver import Receiver, receiving

WORKER = "notify"
ENV = {
    "AFFLUX_NOTIFY_ALLOW_NETWORKS": "127.0.0.0/8",
    "AFFLUX_NOTIFY_SETTLE_MS": "100",
    "AFFLUX_NOTIFY_BACKOFF_MS": "100",
    "AFFLUX_NOTIFY_TIMEOUT_S": "1.5",
    "AFFLUX_TOPIC_PARTITIONS": "2",
}


def partners(receiver: Receiver) -> list[Partner]:
    url = receiver.url + "/{partner_id}/{conversion_id}/{sequence}/{event}/{payout}"
    return [partner_with(url, EVERY, number) for number in PARTNERS]


class Flaky:
    """Answers late, with an error, or after taking it: as the internet does."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.taken: list[tuple[str, str]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.chance.uniform(0, 0.1))
        if self.chance.random() < 0.15:
            return web.Response(status=self.chance.choice([500, 503, 429]))
        self.taken.append((request.headers["X-Afflux-Event-Id"], request.path))
        return web.Response(text="ok")


def reported_now(log: list[Assessment | LedgerEntry]) -> list[Assessment | LedgerEntry]:
    """The log of conversions that are reported now: after their partners have postbacks."""
    now = now_ms()
    return [
        reported(event, now, Channel.API) if isinstance(event, Assessment) else event
        for event in log
    ]


async def until(condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = 90) -> None:
    """Wait for a condition. Errors: TimeoutError, which names it."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await condition():  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise TimeoutError(f"not within {timeout_s} s: {what}") from error


async def quiet(settings: Settings, published: int) -> bool:
    """Whether all is read, told and ended."""
    async with database(settings.postgres) as db:
        cursor = await db.execute(
            "SELECT (SELECT coalesce(sum(next), 0) FROM notify.partitions), "
            "(SELECT count(*) FROM notify.stories WHERE due_at IS NOT NULL), "
            "(SELECT count(*) FROM notify.deliveries WHERE state IN ('blocked', 'waiting'))"
        )
        row = await cursor.fetchone()
    return row is not None and (int(row[0]), int(row[1]), int(row[2])) == (published, 0, 0)


def assert_told(
    taken: list[tuple[str, str]], assessments: list[Assessment], posted: list[LedgerEntry]
) -> None:
    """Every story in order from its first event, repeats aside, and as the ledger has it last."""
    stories: dict[tuple[bytes, int], list[tuple[int, str, str, str]]] = defaultdict(list)
    for event_id, path in taken:
        _, partner, key, number, event, payout = path.split("/")
        heard = stories[bytes.fromhex(key), int(partner)]
        told = (int(number), event, payout, event_id)
        if told not in heard:
            heard.append(told)
    wanted = expected(assessments, posted)
    assert stories.keys() == wanted.keys()
    for owner, heard in stories.items():
        assert [told[0] for told in heard] == list(range(1, len(heard) + 1)), (owner, heard)
        assert int(heard[-1][2].replace(".", "")) == wanted[owner][1]
        last = next(told[1] for told in reversed(heard) if told[1] != "changed")
        assert last == wanted[owner][0]


async def test_kill_9_loses_nothing_and_keeps_the_order(make_stack: StackMaker) -> None:
    stack = await asyncio.to_thread(make_stack, [WORKER], env=ENV)
    settings, chance, flaky = stack.settings, random.Random(5), Flaky(5)
    assessments, posted = ledger_log(40, seed=5)
    mixed = interleaved(assessments, posted, chance)
    async with receiving(flaky) as receiver:
        publisher = Publisher(settings, Codec.load(), "test")
        await publisher.start()
        await publisher.publish([change(partner) for partner in partners(receiver)])
        log = reported_now(mixed)
        for start in range(0, len(log), 70):
            await publisher.publish(log[start : start + 70])
            before = len(receiver.heard)
            await receiver.until(before + 1, 60)
            await asyncio.sleep(chance.uniform(0, 0.5))
            await asyncio.to_thread(stack.kill, WORKER, signal.SIGKILL, restart=False)
            await asyncio.to_thread(stack.start_process, WORKER)
        await publisher.stop()
        await until(lambda: quiet(settings, len(log)), "all is told")
    assert_told(flaky.taken, assessments, posted)
    rows = await read_log(settings, Asked(limit=10_000))
    assert {row["state"] for row in rows} == {"delivered"}
    assert len({event_id for event_id, _ in flaky.taken}) == len(rows)


async def test_partner_kafka_and_postgresql_away_and_damaged_records(
    make_stack: StackMaker,
) -> None:
    stack = await asyncio.to_thread(make_stack, [WORKER], env=ENV)
    settings, chance, flaky = stack.settings, random.Random(6), Flaky(6)
    assessments, posted = ledger_log(30, seed=6)
    mixed = interleaved(assessments, posted, chance)
    third = len(mixed) // 3
    damaged = [
        Raw(topic, b"k", b"\x00\x00\x00\x00\x12junk", 0)
        for topic in (Assessment.topic, LedgerEntry.topic)
    ]
    async with receiving(flaky) as receiver:
        port = receiver.port
        publisher = Publisher(settings, Codec.load(), "test")
        await publisher.start()
        await publisher.publish([change(partner) for partner in partners(receiver)])
        log = reported_now(mixed)
        await publisher.publish(log[:third])
        await receiver.until(3, 60)
    await publisher.publish_raw(damaged)
    await publisher.publish(log[third : 2 * third])
    await asyncio.sleep(1)  # the partner is away
    await _restart_engines(stack)
    async with receiving(flaky, port=port):
        await publisher.publish(log[2 * third :])
        await publisher.stop()
        await until(lambda: quiet(settings, len(log) + len(damaged)), "all is told", 120)
    assert_told(flaky.taken, assessments, posted)
    origins = set()
    async for batch in read_topic(settings, [DeadLetterRecord.topic], Codec.load()):
        for record in batch:
            assert isinstance(record.event, DeadLetterRecord)
            assert record.event.stage == WORKER
            origins.add((record.event.origin_topic, record.event.origin_value))
    assert origins == {(raw.topic, raw.value) for raw in damaged}


async def _restart_engines(stack: Stack) -> None:
    for engine in ("postgres", "kafka"):
        await asyncio.to_thread(stack.stop_process, engine)
        await asyncio.sleep(1)
        await asyncio.to_thread(stack.start_process, engine)
