"""From a report to its decision, under clicks: the real screen and attribution, a process each.

    python -m bench.attribution.latency [--seconds S] [--conversions PER_S] [--clicks PER_S]

An open loop: what is sent is made before the clock starts, each record with the instant at which it
is due, which is its `recorded_at`; every 10 ms what is due goes to Kafka, whatever the workers do.
Half of the reports name a click of a second before, half only the visitor: those wait until clicks
and screen have passed the end of the clicks partition. A wait is the Kafka timestamp of a
conversion's first decision minus the instant its report was due. The first and the last second do
not count. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

from afflux.kernel.events import Click, Conversion, Decision
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import read_topic
from afflux.runtime.settings import Settings
from afflux.runtime.shipping import Line
from afflux.runtime.supervise.stack import Stack
from bench.attribution.log import publish, ship
from bench.attribution.traffic import Encoded, click_id, clicks, conversion, offers
from bench.edge.cores import cpu_seconds
from bench.edge.stats import latency_figures
from tests.support.engines import temporary_home

GOAL_P99_MS = 1_000
TICK_MS = 10
_MAKING_PER_S = 40_000
"""How many records are made in a second, at least: how far ahead the first one is due."""
_START_S = 3
_LAG_MS = 1_000
"""How long before its report a click that is named was due."""
_TOUCHES = 10
_SETTLE_S = 60.0
WORKERS = ("screen", "attribution")


class Traffic:
    """Everything that will be sent, by tick; made ahead."""

    def __init__(self, seconds: int, per_s: int, clicks_per_s: int) -> None:
        making = seconds * (per_s + clicks_per_s) // _MAKING_PER_S
        self.start = int(time.time() * 1000) + (making + _START_S) * 1000
        self.ticks = seconds * 1000 // TICK_MS
        codec = Codec.load()
        count = seconds * clicks_per_s
        visitors = max(1, count // _TOUCHES)
        self.clicks = list(clicks(codec, count, visitors, self.start, clicks_per_s))
        reports = self._reports(seconds * per_s, per_s, clicks_per_s)
        self.conversions = [
            Encoded(report.key, codec.encode(report), report.recorded_at) for report in reports
        ]
        self.reports = {report.conversion_key: int(report.recorded_at) for report in reports}

    def _reports(self, count: int, per_s: int, clicks_per_s: int) -> list[Conversion]:
        dice, made = random.Random(2), []
        for number in range(count):
            at = self.start + number * 1000 // per_s
            since = (at - self.start - _LAG_MS) * clicks_per_s // 1000
            named = max(0, since) + dice.randrange(max(1, clicks_per_s // 10))
            click = self.clicks[named]
            claims = named, click_id(named, click.at), click.at
            named_too = number % 2 == 0 and click.at < at
            made.append(conversion(number, at, click.key, claims if named_too else None))
        return made

    def due(self, records: Sequence[Encoded]) -> list[list[Encoded]]:
        """Return the records of each tick."""
        slots: list[list[Encoded]] = [[] for _ in range(self.ticks)]
        for record in records:
            slots[(record.at - self.start) // TICK_MS].append(record)
        return slots


async def send(settings: Settings, traffic: Traffic) -> float:
    """Send what is due, every 10 ms; return by how many seconds the worst tick was late.

    One load is on its way at a time, as with an edge's shipper: what comes due meanwhile goes with
    the next one, and waits, and the wait counts.
    """
    topics = Click.topic, Conversion.topic
    line = Line(settings, topics)
    await line.start()
    slots = traffic.due(traffic.clicks), traffic.due(traffic.conversions)
    sent, late = 0, 0.0
    while sent < traffic.ticks:
        due = (traffic.start + (sent + 1) * TICK_MS) / 1000
        await asyncio.sleep(max(0.0, due - time.time()))
        late = max(late, time.time() - due)
        upto = min(traffic.ticks, int(time.time() * 1000 - traffic.start) // TICK_MS)
        loads = [
            ship(line, topic, [record for slot in ticks[sent:upto] for record in slot])
            for topic, ticks in zip(topics, slots, strict=True)
        ]
        await asyncio.gather(*loads)
        sent = upto
    await line.stop()
    return late


async def decided(settings: Settings) -> dict[bytes, int]:
    """Return when the first decision of each conversion was published, by conversion key."""
    first: dict[bytes, int] = {}
    async for records in read_topic(settings, [Decision.topic], Codec.load()):
        for record in records:
            if isinstance(record.event, Decision):
                key = record.event.conversion_key
                first[key] = min(first.get(key, record.timestamp), record.timestamp)
    return first


def waits(reports: dict[bytes, int], first: dict[bytes, int], start: int, end: int) -> list[float]:
    """Return the seconds each report that was due in [start, end) milliseconds waited.

    Errors: RuntimeError when one was never decided: a wait that never ended is in no percentile.
    """
    chosen = {key: at for key, at in reports.items() if start <= at < end}
    missing = len(chosen.keys() - first.keys())
    if missing or not chosen:
        raise RuntimeError(f"{missing} of {len(chosen)} reports were never decided")
    return [(first[key] - at) / 1000 for key, at in chosen.items()]


async def run(settings: Settings, traffic: Traffic) -> tuple[float, dict[bytes, int]]:
    """Send everything, wait until all is decided, return lateness and decisions."""
    late = await send(settings, traffic)
    deadline = time.monotonic() + _SETTLE_S
    while len(first := await decided(settings)) < len(traffic.conversions):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(1)
    return late, first


def main(seconds: int, per_s: int, clicks_per_s: int) -> None:
    """Run against a stack of its own."""
    with temporary_home() as home, Stack(Path(home), [], free_ports=True) as stack:
        asyncio.run(publish(stack.settings, offers()))
        for name in WORKERS:
            stack.add(name)
        traffic = Traffic(seconds, per_s, clicks_per_s)
        used = {name: sum(cpu_seconds(stack.pid(name)).values()) for name in WORKERS}
        late, first = asyncio.run(run(stack.settings, traffic))
        cores = {
            name: round((sum(cpu_seconds(stack.pid(name)).values()) - used[name]) / seconds, 2)
            for name in WORKERS
        }
    end = traffic.start + (seconds - 1) * 1000
    figures = latency_figures(waits(traffic.reports, first, traffic.start + 1000, end))
    p99 = figures["p99_ms"]
    facts = {"seconds": seconds, "conversions_per_s": per_s, "clicks_per_s": clicks_per_s}
    told = {"busy_cores": cores, "worst_send_late_ms": round(late * 1000), **figures}
    goal = {"goal": GOAL_P99_MS, "reached": p99, "met": p99 <= GOAL_P99_MS}
    print(
        json.dumps(
            {**facts, **told, "p99_goal": goal, "load_average": round(os.getloadavg()[0], 1)}
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="from a report to its decision, under clicks")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--conversions", type=int, default=1_000)
    parser.add_argument("--clicks", type=int, default=20_000)
    given = parser.parse_args()
    if given.seconds < 3:
        parser.error("the first and the last second do not count: 3 seconds or more")
    main(given.seconds, given.conversions, given.clicks)
