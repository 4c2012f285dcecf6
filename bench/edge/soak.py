"""Does the edge's memory stand still? Resident memory over many clicks of many visitors.

    python -m bench.edge.soak [--clicks 300000]     (in full: --clicks 10000000)

Visitors, addresses, browsers and referrers are more than the edge's caches hold, so that those fill
and turn over. The first 150,000 addresses send two clicks each, those after them fifty. Closed
segments of the journal are removed, as the shipper does once they are in Kafka. The growth that
counts is the slope over the second half, when the caches are full.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from bench.edge.client import REDIRECT, Connection, connect
from bench.edge.cores import CORES, pinned, raise_file_limit, resident_bytes
from bench.edge.servers import Running, serving
from bench.edge.stats import second_half, slope
from bench.edge.traffic import request

CONNECTIONS = 64
SAMPLES = 100
AGENTS, REFERRERS = 20_011, 10_007
_MANY = 150_000
_FULL_RUN = 10_000_000
_GOAL_BYTES = 3.0
"""A click: 30 MB over ten million, about the noise of an allocator."""


def source(number: int) -> str:
    """Return the `number`-th address of this machine's own network, 127.0.0.0/8."""
    number %= 250 * 250 * 250
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


class Visitors:
    """Clicks one after the other on each of some connections, which are replaced now and then."""

    def __init__(self, port: int, clicks: int, on_click: Callable[[int], None]) -> None:
        self._port, self._clicks, self._on_click = port, clicks, on_click
        self._numbers: Iterator[int] = iter(range(clicks))
        self._addresses: Iterator[int] = iter(range(1 << 62))
        self.answered = self.bad = self.addresses = 0

    async def run(self) -> None:
        """Send all clicks and wait for their answers."""
        await asyncio.gather(*(self._one_after_another() for _ in range(CONNECTIONS)))

    async def _one_after_another(self) -> None:
        for address in self._addresses:
            if not await self._visit(address, 2 if address < _MANY else 50):
                return

    async def _visit(self, address: int, clicks: int) -> bool:
        """Click from one address; return False when there is nothing left to send."""
        loop = asyncio.get_running_loop()
        finished: asyncio.Future[bool] = loop.create_future()
        left = clicks

        def go_on(connection: Connection) -> None:
            nonlocal left
            number = next(self._numbers, None) if left else None
            if number is None:
                connection.close()
                finished.set_result(left == 0)
                return
            left -= 1
            connection.send(request(number, AGENTS, REFERRERS))

        def answered(connection: Connection, status: int) -> None:
            self.answered += 1
            self.bad += status != REDIRECT
            self._on_click(self.answered)
            go_on(connection)

        def lost(connection: Connection) -> None:
            if not finished.done():
                self.bad += 1
                finished.set_result(True)

        self.addresses += 1
        go_on(await connect(self._port, answered, lost, source(address)))
        return await finished


def drop_closed_segments(journal: Path) -> None:
    """Remove all segments but the newest two, as if they were in Kafka."""
    for path in sorted(journal.glob("*.journal"))[:-2]:
        path.unlink(missing_ok=True)


async def soak(server: Running, clicks: int) -> tuple[Visitors, list[tuple[float, float]]]:
    """Send the clicks; return who sent them and (clicks, resident bytes) along the way."""
    points: list[tuple[float, float]] = []
    every = max(1, clicks // SAMPLES)

    def sample(answered: int) -> None:
        if answered % every == 0:
            points.append((answered, resident_bytes(server.pid)))
            drop_closed_segments(server.journal)

    visitors = Visitors(server.port, clicks, sample)
    await visitors.run()
    return visitors, points


def main() -> None:
    """Run and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clicks", type=int, default=300_000)
    args = parser.parse_args()
    raise_file_limit(CONNECTIONS + 200)
    started = time.monotonic()
    with serving("edge") as server, pinned(CORES.load):
        visitors, points = uvloop.run(soak(server, args.clicks))
        journaled = server.journaled_clicks(visitors.answered)
    late = second_half(points)
    growth = slope(late)
    result = {
        "clicks": args.clicks,
        "answered": visitors.answered,
        "bad": visitors.bad,
        "journaled": journaled,
        "addresses": visitors.addresses,
        "clicks_per_second": round(args.clicks / (time.monotonic() - started)),
        "resident_mib": {
            f"after_{round(share * 100)}_percent": _mib(points, share)
            for share in (0.01, 0.25, 0.5, 0.75, 1.0)
        },
        "highest_mib_of_second_half": round(max(size for _, size in late) / 2**20, 1),
        "second_half_bytes_a_click": round(growth, 2),
        "goal": f"<= {_GOAL_BYTES} bytes a click over the second half of {_FULL_RUN} clicks",
        "met": growth <= _GOAL_BYTES if args.clicks >= _FULL_RUN else None,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


def _mib(points: list[tuple[float, float]], share: float) -> float:
    return round(points[max(0, round(len(points) * share) - 1)][1] / 2**20, 1)


if __name__ == "__main__":
    main()
