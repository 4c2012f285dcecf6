"""Screen and assess as processes, on a real Kafka."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from afflux.kernel.catalog import FraudAction
from afflux.kernel.events import (
    Assessment,
    Click,
    ClickCount,
    ClickFlag,
    FlagAction,
    Verdict,
)
from afflux.runtime.log_reader import end_offsets
from afflux.runtime.supervise.services import Service
from afflux.runtime.supervise.stack import Stack
from tests.fraud_kafka import eventually, publish
from tests.fraud_samples import CHROME, GOOGLEBOT, change, click, decision, offer
from tests.support.engines import temporary_home

SERVICES = (Service("screen", ("screen",), {"AFFLUX_BATCH_RECORDS": "20"}), Service.of("assess"))


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """A stack with both fraud processes, and a catalogue that is older than they are."""
    strict = offer(number=8, on_short_ctit=FraudAction.REJECT, ctit_floor_s=30)
    with temporary_home() as home, Stack(home, [], free_ports=True) as running:
        await publish(
            running.settings,
            [change(offer()), change(offer(number=8)), change(strict, version=2)],
        )
        for service in SERVICES:
            await asyncio.to_thread(running.add, service)
        yield running


def some_clicks(number: int, seed: int) -> list[Click]:
    """Clicks of visitors that seldom come back: one in ten is a bot's."""
    rng = random.Random(seed)
    return [
        click(
            1_000_000 * seed + n,
            at=2_000 * n,
            visitor=rng.randint(1, 50),
            user_agent=GOOGLEBOT if rng.random() < 0.1 else CHROME,
        )
        for n in range(number)
    ]


def judged(flags: list[ClickFlag]) -> dict[bytes, ClickFlag]:
    return {f.click_id: f for f in flags if f.click_id is not None}


async def wait_until_screened(stack: Stack) -> list[ClickFlag]:
    """Wait until the watermarks reach the ends of all partitions of the clicks."""
    ends = await end_offsets(stack.settings, [Click.topic])
    wanted = {part.partition: offset for part, offset in ends.items() if offset}

    def reached(flags: list[ClickFlag]) -> bool:
        marks: dict[int, int] = {}
        for flag in flags:
            if flag.action is FlagAction.SCREENED:
                marks[flag.source_partition] = max(
                    flag.source_offset, marks.get(flag.source_partition, 0)
                )
        return all(marks.get(part, 0) >= offset for part, offset in wanted.items())

    return await eventually(stack.settings, ClickFlag, reached)


async def test_kill_9_of_the_screen_loses_and_doubles_no_flag_and_no_count(stack: Stack):
    settings = stack.settings
    sent = some_clicks(6_000, 1)
    await publish(settings, sent)
    await eventually(settings, ClickFlag, lambda found: len(found) > 100)
    stack.kill("screen")
    stack.wait_ready("screen")

    flags = judged(await wait_until_screened(stack))
    bots = {c.click_id for c in sent if c.user_agent == GOOGLEBOT}
    assert {i for i, f in flags.items() if f.signals[0].name == "bot_user_agent"} == bots

    def summed(counts: list[ClickCount]) -> Counter[str]:
        sums: Counter[str] = Counter()
        for count in {c.event_id: c for c in counts}.values():
            sums["valid"] += count.valid
            for reason in count.invalid:
                sums[reason.reason] += reason.count
        return sums

    total = len(sent)
    counts = await eventually(settings, ClickCount, lambda found: summed(found).total() >= total)
    assert summed(counts).total() == total
    assert summed(counts)["bot_user_agent"] == len(bots)
    assert summed(counts)["repeated_click"] > 0
    assert summed(counts)["valid"] == total - len(flags)


async def test_redelivered_clicks_move_the_watermark_and_change_nothing_else(stack: Stack):
    settings = stack.settings
    clicks = some_clicks(50, 9)
    await publish(settings, clicks)
    before = judged(await wait_until_screened(stack))
    await publish(settings, clicks)
    after = await wait_until_screened(stack)
    assert judged(after) == before
    invalid = [f.click_id for f in after if f.action is FlagAction.INVALID]
    assert set(invalid) == set(before)


async def test_each_version_of_a_decision_is_assessed_under_the_catalogue_as_known_then(
    stack: Stack,
):
    settings = stack.settings
    held = decision(version=1, elapsed_ms=60_000, screened=False, offer_id=8)
    passed = decision(version=2, elapsed_ms=60_000, offer_id=8)
    short = decision(version=3, elapsed_ms=20_000, offer_id=8)
    await publish(settings, [held, passed, short])
    found = await eventually(settings, Assessment, lambda found: len(found) >= 3)
    assert {a.version: a.verdict for a in found} == {
        1: Verdict.HOLD,
        2: Verdict.PASS,
        3: Verdict.REJECT,
    }
    assert {a.version: a.decision for a in found} == {1: held, 2: passed, 3: short}

    stack.kill("assess")
    stack.wait_ready("assess")
    again = decision(version=4, elapsed_ms=61_000, offer_id=8)
    await publish(settings, [again])
    found = await eventually(settings, Assessment, lambda found: any(a.version == 4 for a in found))
    assert [a.version for a in found] == [1, 2, 3, 4]
