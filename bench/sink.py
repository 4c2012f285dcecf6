"""Rows/s from the clicks topic into ClickHouse (chDB), with the broker on the same machine.

Run: python -m bench.sink [CLICKS]. Prints one JSON line. The whole way is measured: fetch, decode,
plan in PostgreSQL, insert into the raw table and its two-column aggregate with fsync, mark done.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import end_offsets
from afflux.runtime.producer import Publisher, Raw
from afflux.runtime.settings import Settings
from afflux.runtime.sink_loop import Limits
from afflux.runtime.supervise.stack import Stack
from services.analytics.worker import Analytics
from tests.analytics_samples import clicks
from tests.support.engines import temporary_home

TOPIC = "tracking.clicks"
_POOL = 20_000
_CHUNK = 20_000


async def publish(settings: Settings, number: int) -> None:
    """Publish `number` clicks from a pool of encoded ones."""
    codec = Codec.load()
    pool = [Raw(TOPIC, one.key, codec.encode(one)) for one in clicks(min(number, _POOL))]
    publisher = Publisher(settings, codec, "bench")
    await publisher.start()
    for start in range(0, number, _CHUNK):
        await publisher.publish_raw((pool * (_CHUNK // len(pool) + 1))[: number - start][:_CHUNK])
    await publisher.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Look every 10 ms whether the condition holds."""
    while not condition():  # noqa: ASYNC110 - it is a status, not an event
        await asyncio.sleep(0.01)


async def drain(settings: Settings, number: int) -> dict[str, float | int]:
    """Store everything and return the rate, from the first turn to the last mark."""
    analytics = Analytics(settings, Limits())
    stop = asyncio.Event()
    running = asyncio.create_task(analytics.run(stop))
    await until(lambda: running.done() or not analytics.status().get("starting"))
    started, used = time.perf_counter(), time.process_time()
    ends = await end_offsets(settings, [TOPIC])

    def drained() -> bool:
        at = analytics.status()["positions"]
        assert isinstance(at, dict)
        return all(at.get(f"{p.topic}/{p.partition}", 0) >= end for p, end in ends.items())

    await until(lambda: running.done() or drained())
    took, used = time.perf_counter() - started, time.process_time() - used
    stop.set()
    await running
    return {
        "rows": number,
        "rows_per_s": round(number / took),
        "rows_per_cpu_s": round(number / used),
        "took_to_drain_s": round(took, 2),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main(number: int) -> None:
    """Run against engines of their own in a temporary home."""
    with temporary_home() as home, Stack(home, [], free_ports=True) as stack:
        asyncio.run(publish(stack.settings, number))
        print(json.dumps(asyncio.run(drain(stack.settings, number))))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000)
