"""Conversions decided a second by one worker, each with a journey of many touches.

    python -m bench.attribution.decide [--visitors N] [--touches N] [--conversions N] [--model NAME]

First the journeys of all visitors go into the stores of four partitions, through the state's own
interface, in order of time; then the topic of conversions is filled; then the real worker takes it
from its start, publishes every decision and commits. Half of the reports name a click, half only
the visitor. `--visitors 10000000` is the size the goal speaks of: it takes as long as it takes to
write 100 million touches. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from msgspec.structs import replace

from afflux.kernel.events import ClickFlag, Conversion, FlagAction
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import end_offsets
from afflux.runtime.partitioning import choose
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.stack import Stack
from bench.attribution.children import measured, rates
from bench.attribution.log import fill, publish
from bench.attribution.traffic import (
    SHAPES,
    Encoded,
    click_id,
    clicks,
    conversion,
    offers,
    shaped,
    visitor_key,
)
from bench.edge.cores import CORES, pinned
from services.attribution.domain.facts import seen_of
from services.attribution.domain.journey import Seen
from services.attribution.state import CLICKS, State
from services.attribution.store import RocksTable
from tests.support.engines import temporary_home

GOAL_PER_S = 10_000
_BATCH = 20_000
_SPACING_MS = 600_000
"""Between two touches of a visitor."""
_LIMIT_S = 3_600.0


class Plan:
    """Who has which touches. Touch t of visitor v is click number t * visitors + v."""

    def __init__(self, visitors: int, touches: int, start: int) -> None:
        self.visitors, self.touches, self.start = visitors, touches, start

    @property
    def end(self) -> int:
        """The instant behind the last touch."""
        return self.start + self.touches * _SPACING_MS

    def at(self, number: int) -> int:
        """Return the instant of a click."""
        touch, visitor = divmod(number, self.visitors)
        return self.start + touch * _SPACING_MS + visitor * _SPACING_MS // self.visitors

    def reports(self, count: int) -> Iterator[Conversion]:
        """Yield conversions of different visitors, spread evenly over them, in random order."""
        step = self.visitors // count
        chosen = [step * place for place in range(count)]
        random.Random(1).shuffle(chosen)
        for number, visitor in enumerate(chosen):
            click = (self.touches - 1) * self.visitors + visitor
            named = (click, click_id(click, self.at(click)), self.at(click))
            yield conversion(
                number, self.end + number, visitor_key(visitor), named if number % 2 else None
            )


def load(folder: Path, plan: Plan, partitions: int) -> None:
    """Write every touch into the stores, as if the clicks had come in order of time.

    All of them are at offset 0 of their partition, which holds one click: the worker goes on behind
    it, and need not find millions of clicks in the topic.
    """
    states = [State(RocksTable(folder / str(number))) for number in range(partitions)]
    for state in states:
        state.take_ownership()
    for first in range(0, plan.visitors * plan.touches, _BATCH):
        _write(states, plan, range(first, min(first + _BATCH, plan.visitors * plan.touches)))
    for state in states:
        state.release()


def _write(states: list[State], plan: Plan, numbers: range) -> None:
    kinds = _kinds()
    visitors = [visitor_key(number % plan.visitors) for number in numbers]
    places = choose(visitors, len(states))
    for number, visitor, place in zip(numbers, visitors, places, strict=True):
        at = plan.at(number)
        states[place].journeys.add(
            visitor,
            replace(
                kinds[number % SHAPES],
                click_id=click_id(number, at),
                occurred_at=at,
                recorded_at=at,
                log_time=at,
            ),
        )
    for state in states:
        log_time = Millis(plan.at(numbers[-1]))
        state.progress = replace(state.progress, clicks_log=log_time, flags_log=log_time)
        state.commit({CLICKS: 1})


@lru_cache(maxsize=1)
def _kinds() -> list[Seen]:
    """A touch of each shape; what differs from click to click is put in later."""
    return [seen_of(shaped(number), 0, Millis(0)) for number in range(SHAPES)]


async def prepare(settings: Settings, plan: Plan, count: int, model: str) -> None:
    """Publish the offers, one click and one watermark a partition, and the conversions."""
    codec = Codec.load()
    await publish(settings, offers(model))
    one_each = _one_each(list(clicks(codec, 200, 200, plan.start, 1_000)), settings)
    await fill(settings, CLICKS, one_each)
    await publish(settings, [_watermark(part, plan.end) for part in range(len(one_each))])
    reports = (Encoded(one.key, codec.encode(one), one.recorded_at) for one in plan.reports(count))
    await fill(settings, Conversion.topic, reports)
    ends = await end_offsets(settings, [CLICKS])
    assert all(end == 1 for end in ends.values()), ends


def _one_each(some: list[Encoded], settings: Settings) -> list[Encoded]:
    places = choose([one.key for one in some], settings.topic_partitions)
    return list(dict(zip(places, some, strict=True)).values())


def _watermark(partition: int, at: int) -> ClickFlag:
    return ClickFlag(
        event_id=derive("screened", partition),
        occurred_at=Millis(at),
        recorded_at=Millis(at),
        action=FlagAction.SCREENED,
        source_partition=partition,
        source_offset=1,
    )


def main(visitors: int, touches: int, count: int, model: str) -> None:
    """Load, fill, run the worker, tell."""
    plan = Plan(visitors, touches, int(time.time() * 1000) - (touches + 1) * _SPACING_MS)
    with pinned(CORES.engines), temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        asyncio.run(prepare(stack.settings, plan, count, model))
        began = time.perf_counter()
        folder = home / "attribution"
        load(folder, plan, stack.settings.topic_partitions)
        loaded = time.perf_counter() - began
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        worker = [sys.executable, "-m", "bench.attribution.worker", str(home)]
        took = rates(measured([*worker, Conversion.topic, str(count)], _LIMIT_S))
    facts = {"visitors": visitors, "touches": touches, "conversions": count, "model": model}
    state = {"loaded_touches_per_s": round(visitors * touches / loaded), "state_mib": size >> 20}
    goal = {"goal": GOAL_PER_S, "reached": took["per_s"], "met": took["per_s"] >= GOAL_PER_S}
    load_now = round(os.getloadavg()[0], 1)
    told = {**facts, **state, "cores": CORES.facts(), **took, "per_s_goal": goal}
    print(json.dumps({**told, "load_average": load_now}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="conversions decided a second")
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--touches", type=int, default=10)
    parser.add_argument("--conversions", type=int, default=40_000)
    parser.add_argument("--model", default="last")
    given = parser.parse_args()
    if given.conversions > given.visitors:
        parser.error("each conversion has a visitor of its own: fewer conversions or more visitors")
    main(given.visitors, given.touches, given.conversions, given.model)
