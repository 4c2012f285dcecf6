"""One recorded log of clicks, screened in other ways: the same flags, the same sums."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from afflux.kernel.events import Click, ClickCount, ClickFlag, ClickOutcome, Event, FlagAction
from afflux.kernel.types import Millis
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.fraud.screen_stage import Counted, ScreenStage
from tests.fraud_samples import (
    CHROME,
    GOOGLEBOT,
    Known,
    catalog,
    change,
    click,
    nothing_counted,
    offer,
    records,
)

PART = TopicPartition(Click.topic, 0)
NOW = Millis(1_760_000_500_000)
SIZES = (1, 7, 1_000)


def a_log(seed: int = 7, length: int = 1_500) -> list[Record]:
    """Clicks of a few visitors: bots, repeats, late ones, previews, some ids twice."""
    rng = random.Random(seed)
    clicks: list[Click] = []
    for number in range(length):
        if clicks and rng.random() < 0.03:
            clicks.append(rng.choice(clicks))
            continue
        clicks.append(
            click(
                number,
                at=1_000 * number + rng.randint(-30_000, 30_000) + 60_000,
                visitor=rng.randint(1, 40),
                link=rng.randint(1, 3),
                user_agent=GOOGLEBOT if rng.random() < 0.1 else CHROME,
                outcome=ClickOutcome.PREVIEW if rng.random() < 0.05 else ClickOutcome.REDIRECTED,
            )
        )
    return records(clicks)


LOG = a_log()


def new_stage(folder: Path, counted: Counted = nothing_counted) -> ScreenStage:
    return ScreenStage(folder, Known(catalog(change(offer(repeat_click_s=30)))), counted)


async def run(stage: ScreenStage, log: list[Record], size: int) -> list[Event]:
    """Screen `log` from the stage's own offset on, then one turn without records."""
    start = (await stage.assigned([PART]))[PART]
    outputs: list[Event] = []
    for at in range(start, len(log), size):
        batch = log[at : at + size]
        outputs += await stage.process(batch, NOW)
        await stage.commit({PART: batch[-1].offset + 1}, NOW)
    outputs += await stage.process([], NOW)
    await stage.commit({}, NOW)
    await stage.revoked([PART])
    return outputs


def flags_of(outputs: list[Event]) -> list[ClickFlag]:
    flags = [e for e in outputs if isinstance(e, ClickFlag)]
    return [e for e in flags if e.action is not FlagAction.SCREENED]


def sums_of(outputs: list[Event]) -> Counter[tuple[int, int, int, str]]:
    """Sums by (partner, offer, hour, reason) of counts with distinct ids, as a reader sums them."""
    sums: Counter[tuple[int, int, int, str]] = Counter()
    for count in {e.event_id: e for e in outputs if isinstance(e, ClickCount)}.values():
        cell = (count.partner_id, count.offer_id, count.hour)
        sums[*cell, "valid"] += count.valid
        for reason in count.invalid:
            sums[*cell, reason.reason] += reason.count
    return +sums


@pytest.mark.parametrize("size", SIZES)
async def test_F3_the_same_log_gives_the_same_flags_and_sums_in_batches_of(
    size: int, tmp_path: Path
):
    whole = await run(new_stage(tmp_path / "whole"), LOG, len(LOG))
    parts = await run(new_stage(tmp_path / "parts"), LOG, size)
    assert flags_of(parts) == flags_of(whole)
    assert sums_of(parts) == sums_of(whole)
    reasons = {signal.name for flag in flags_of(whole) for signal in flag.signals}
    assert reasons == {"bot_user_agent", "repeated_click"}


@pytest.mark.parametrize("size", SIZES)
async def test_counts_tile_the_log_without_gap_or_overlap(size: int, tmp_path: Path):
    outputs = await run(new_stage(tmp_path), LOG, size)
    ranges = sorted({(e.from_offset, e.to_offset) for e in outputs if isinstance(e, ClickCount)})
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ranges))
    followed = {r.event.event_id for r in LOG if r.event.outcome is not ClickOutcome.PREVIEW}
    assert sum(sums_of(outputs).values()) == len(followed)


async def test_a_flag_stands_before_the_watermark_that_covers_it(tmp_path: Path):
    outputs = await run(new_stage(tmp_path), LOG, 50)
    marked = 0
    for event in outputs:
        if not isinstance(event, ClickFlag):
            continue
        assert event.source_offset >= marked
        assert event.partition == 0
        if event.action is FlagAction.SCREENED:
            marked = event.source_offset
    assert marked == len(LOG)


@pytest.mark.parametrize("crash_after_publishing", [True, False])
async def test_I3_a_crash_before_the_commit_repeats_outputs_with_the_same_ids_and_no_count_twice(
    crash_after_publishing: bool, tmp_path: Path
):
    whole = await run(new_stage(tmp_path / "whole"), LOG, 100)
    rng = random.Random(11)
    outputs: list[Event] = []
    next_offset = 0
    while next_offset < len(LOG):
        stage = new_stage(tmp_path / "crashing")
        next_offset = (await stage.assigned([PART]))[PART]
        for _ in range(3):
            batch = LOG[next_offset : next_offset + rng.randint(1, 120)]
            if batch:
                outputs += await stage.process(batch, NOW)
                await stage.commit({PART: batch[-1].offset + 1}, NOW)
                next_offset = batch[-1].offset + 1
        lost = LOG[next_offset : next_offset + rng.randint(1, 120)]
        published = await stage.process(lost, NOW)
        if crash_after_publishing:
            outputs += published
        await stage.revoked([PART])
    outputs += await run(new_stage(tmp_path / "crashing"), LOG, 10)
    assert {f.event_id: f for f in flags_of(outputs)} == {f.event_id: f for f in flags_of(whole)}
    assert sums_of(outputs) == sums_of(whole)


async def test_I3_an_owner_without_the_store_repeats_flags_by_id_and_counts_only_the_rest(
    tmp_path: Path,
):
    whole = await run(new_stage(tmp_path / "whole"), LOG, 100)
    first = await run(new_stage(tmp_path / "lost"), LOG[:770], 70)
    reached = max(e.to_offset for e in first if isinstance(e, ClickCount))

    async def counted() -> dict[int, int]:
        return {0: reached}

    second = await run(new_stage(tmp_path / "new", counted), LOG, 90)
    assert flags_of(second) == flags_of(whole)
    assert sums_of([*first, *second]) == sums_of(whole)


async def test_the_watermark_passes_records_that_never_reach_the_stage(tmp_path: Path):
    stage = new_stage(tmp_path)
    await stage.assigned([PART])
    await stage.process(LOG[:5], NOW)
    await stage.commit({PART: 9}, NOW)
    (mark,) = [e for e in await stage.process([], NOW) if isinstance(e, ClickFlag)]
    assert (mark.action, mark.source_offset) == (FlagAction.SCREENED, 9)
    await stage.commit({}, NOW)
    assert list(await stage.process([], NOW)) == []
    await stage.revoked([PART])
