"""kill -9 at seeded instants, and partitions that move between two workers: no decision is lost,
and the final decisions are those of a replay."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from afflux.kernel.events import Click, ClickFlag, Conversion, Decision, Event
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.stack import Stack
from services.attribution.table import MemoryTable
from tests.attribution_events import HOUR, TOPICS, Log, change, click, conversion, offer
from tests.attribution_samples import Worker
from tests.conftest import StackMaker
from tests.fraud_kafka import eventually

SECOND = Service("attribution-2", ("attribution",))
ENV = {
    "AFFLUX_SCREEN_WAIT_MS": "1000",
    "AFFLUX_BATCH_RECORDS": "50",
    "AFFLUX_TOPIC_PARTITIONS": "2",
}


def traffic(dice: random.Random, clicked: int = 1_000) -> list[Event]:
    """Clicks and reports mixed: some reports before their click, some of a click never logged."""
    events: list[Event] = []
    clicks = [
        click(n, dice.randrange(HOUR), dice.randrange(clicked // 25), dice.choice([7, 8, 9]), n % 5)
        for n in range(clicked)
    ]
    events += [each for each in clicks if dice.random() > 0.005]
    for number in range(clicked * 3 // 10):
        named = dice.choice(clicks)
        at = dice.randrange(2 * HOUR)
        one = conversion(number, at, named=named) if number % 3 else conversion(number, at, who=1)
        events.insert(dice.randrange(len(events)), one)
    return events


async def feed(settings: Settings, events: Sequence[Event]) -> None:
    """Publish all, a few at a time."""
    publisher = Publisher(settings, Codec.load(), "test")
    await publisher.start()
    for at in range(0, len(events), 20):
        await publisher.publish(events[at : at + 20])
    await publisher.stop()


async def kill_within(stack: Stack, seconds: float) -> None:
    """Kill the process some time from now, and start it again."""
    await asyncio.sleep(seconds)
    await asyncio.to_thread(stack.kill, "attribution", restart=False)
    await asyncio.to_thread(stack.start_process, "attribution")


async def recorded(settings: Settings) -> dict[int, Log]:
    """The three input topics as Kafka holds them, by partition."""
    logs: dict[int, Log] = defaultdict(Log)
    async for records in read_topic(settings, TOPICS, Codec.load()):
        for record in records:
            log = logs[record.partition]
            match record.event:
                case Click() as one:
                    log.clicks.append(one)
                case ClickFlag() as one:
                    log.flags.append(one)
                case Conversion() as one:
                    log.conversions.append(one)
    return logs


def replayed(logs: dict[int, Log]) -> dict[bytes, bytes]:
    """What a replay of the log in memory finally decides."""
    final: dict[bytes, bytes] = {}
    for log in logs.values():
        worker = Worker(log, MemoryTable()).drain()
        final |= {key: decision.event_id for key, decision in worker.final.items()}
    return final


def final(decisions: list[Decision]) -> dict[bytes, bytes]:
    """The decisions that stand in the topic."""
    last: dict[bytes, Decision] = {}
    for one in decisions:
        known = last.get(one.conversion_key)
        if known is None or one.version > known.version:
            last[one.conversion_key] = one
    return {key: one.event_id for key, one in last.items()}


async def begin(make_stack: StackMaker, services: Sequence[str | Service]) -> Stack:
    """Start a stack that knows the catalogue."""
    stack = make_stack(services, env=ENV)
    await feed(stack.settings, [change(offer(7)), change(offer(8)), change(offer(9, advertiser=2))])
    return stack


async def assert_decided_like_a_replay(settings: Settings, events: Sequence[Event]) -> None:
    """Wait until every conversion stands as a replay of the log decides it; no version twice."""
    keys = {event.conversion_key for event in events if isinstance(event, Conversion)}
    marks: dict[bytes, bytes] = {}

    def settled(decisions: list[Decision]) -> bool:
        return set(final(decisions)) == keys and final(decisions) == marks

    async with asyncio.timeout(60):
        while not marks or marks != replayed(await recorded(settings)):
            marks = replayed(await recorded(settings))
            await asyncio.sleep(0.5)
    decisions = await eventually(settings, Decision, settled)
    by_version: dict[tuple[bytes, int], bytes] = {}
    for one in decisions:
        key = one.conversion_key, one.version
        assert by_version.setdefault(key, one.event_id) == one.event_id


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.full)])
async def test_A2_S2_kill_9_loses_no_decision_and_changes_none(
    make_stack: StackMaker, kills: int
) -> None:
    dice = random.Random(kills)
    stack = await begin(make_stack, ["screen", "attribution"])
    events = traffic(dice, clicked=max(1_000, kills * 40))
    part = len(events) // kills + 1
    for at in range(0, len(events), part):
        feeding = feed(stack.settings, events[at : at + part])
        await asyncio.gather(feeding, kill_within(stack, dice.uniform(0.1, 0.8)))
    await assert_decided_like_a_replay(stack.settings, events)


@pytest.mark.parametrize("moves", [4, pytest.param(30, marks=pytest.mark.full)])
async def test_A2_partitions_that_move_between_two_workers_change_no_decision(
    make_stack: StackMaker, moves: int
) -> None:
    dice = random.Random(moves)
    stack = await begin(make_stack, ["screen", "attribution", SECOND])
    events = traffic(dice, clicked=max(1_000, moves * 100))
    part = len(events) // moves + 1
    for number, at in enumerate(range(0, len(events), part)):
        leaves = ("attribution", SECOND.name)[number % 2]
        feeding = asyncio.create_task(feed(stack.settings, events[at : at + part]))
        await asyncio.to_thread(stack.stop_process, leaves)
        await asyncio.sleep(1)
        await asyncio.to_thread(stack.start_process, leaves)
        await feeding
    await assert_decided_like_a_replay(stack.settings, events)
