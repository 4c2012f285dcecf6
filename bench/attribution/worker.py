"""The real worker of attribution until it has taken a topic: `python -m bench.attribution.worker
HOME TOPIC RECORDS`.

It is what `afflux worker attribution` runs, in this process, so that the clock can start when the
partitions are assigned and stop when the store holds the last offset and nothing is parked. Prints
one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import uvloop

from afflux.runtime.homes import load_home
from services.attribution.worker import Attribution

_LOOK_S = 0.02


def taken(attribution: Attribution, topic: str) -> int:
    """Return how many records of a topic are committed, -1 before there is anything assigned."""
    positions = attribution.status().get("positions")
    assert isinstance(positions, dict)
    mine = [at for name, at in positions.items() if name.startswith(f"{topic}/")]
    return sum(mine) if mine else -1


def queued_s() -> float:
    """Return for how long this thread has been ready to run while others had the core."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


async def drain(home: str, topic: str, records: int) -> dict[str, float]:
    """Run until `records` more records of the topic are taken; return what it took."""
    attribution, stop = Attribution(load_home(home)), asyncio.Event()
    running = asyncio.create_task(attribution.run(stop))

    async def reached(least: int) -> float:
        while not running.done() and taken(attribution, topic) < least:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return time.perf_counter()

    started, cpu, queued = await reached(0), time.process_time(), queued_s()
    begin = taken(attribution, topic)
    half = await reached(begin + records // 2)
    await reached(begin + records)
    while not running.done() and attribution.status()["parked"]:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    ended, used = time.perf_counter(), time.process_time() - cpu
    stop.set()
    await running
    return {
        "records": records,
        "wall_s": round(ended - started, 3),
        "second_half_s": round(ended - half, 3),
        "cpu_s": round(used, 3),
        "waited_for_the_core_s": round(queued_s() - queued, 3),
        "max_resident_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(drain(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
