"""Resident memory of a keep-alive connection that waits for its next click.

    python -m bench.edge.memory [--connections 5000]

Connections are opened and each gets redirects; then all are idle, as they are between two
clicks. Beside the edge an empty Granian application in the same run, with the server's default
buffers and with the smallest that hyper allows: what they take the edge cannot save. That is 2.4 KB
for a connection that never said anything; the first click adds a page of memory of hyper's read
buffer and one of its write buffer, 8 KB each, which it keeps until the connection ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import suppress

import uvloop

from bench.edge.client import REDIRECT, Connection, connect
from bench.edge.cores import CORES, pinned, raise_file_limit, resident_bytes
from bench.edge.servers import serving
from bench.edge.traffic import request

GOAL_BYTES = 4096
LINES = ("empty_rsgi", "empty_rsgi:8192", "edge")
_SETTLE_S = 1.0
_PAUSE_S = 0.02
_OPEN_S = 20.0
_AT_ONCE = 100


class Crowd:
    """Many connections to one server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._all: list[Connection] = []
        self._answers = 0
        self.bad = self.lost = 0

    async def open(self, count: int) -> None:
        """Open connections that say nothing yet."""
        for start in range(0, count, _AT_ONCE):
            fresh = range(min(_AT_ONCE, count - start))
            made = [connect(self._port, self._answered, self._closed) for _ in fresh]
            self._all += await asyncio.gather(*made)

    async def click(self, settle_s: float = _SETTLE_S) -> int:
        """Send a click on each connection; return how many were redirected in time.

        A server that takes fewer connections than there are leaves the others without an answer.
        """
        self._answers = 0
        for start in range(0, len(self._all), _AT_ONCE):
            some = self._all[start : start + _AT_ONCE]
            for number, connection in enumerate(some, start):
                if connection.is_open and not connection.is_busy:
                    connection.send(request(number))
            await asyncio.sleep(_PAUSE_S)
        await asyncio.sleep(settle_s)
        return self._answers

    async def leave(self) -> None:
        """Close everything."""
        for connection in self._all:
            connection.close()
        await asyncio.sleep(_SETTLE_S)

    def _answered(self, connection: Connection, status: int) -> None:
        self._answers += 1
        self.bad += status != REDIRECT

    def _closed(self, connection: Connection) -> None:
        self.lost += 1


async def measure(name: str, connections: int) -> dict[str, float]:
    """Return bytes a served connection: silent, after one click, after three, after all left."""
    with serving(name) as server:
        await _warm_up(server.port)
        crowd = Crowd(server.port)
        base = resident_bytes(server.pid)

        def grown(served: int) -> int:
            return round((resident_bytes(server.pid) - base) / served)

        with suppress(TimeoutError):  # a server that is full takes no more
            await asyncio.wait_for(crowd.open(connections), _OPEN_S)
        await asyncio.sleep(_SETTLE_S)
        opened = resident_bytes(server.pid) - base
        served = await crowd.click()
        if served == 0:
            raise RuntimeError(f"{name} answered none of {connections} connections")
        figures = {"served": served, "silent_bytes": round(opened / connections)}
        figures["after_a_click_bytes"] = grown(served)
        await crowd.click()
        await crowd.click()
        figures["after_three_clicks_bytes"] = grown(served)
        figures |= {"bad": crowd.bad, "lost": crowd.lost}
        await crowd.leave()
        figures["left_behind_bytes"] = grown(served)
        return {**figures, "base_mib": round(base / 2**20, 1)}


async def _warm_up(port: int) -> None:
    """A few thousand clicks first: caches and arenas that are filled once are no connection's."""
    crowd = Crowd(port)
    await crowd.open(_AT_ONCE)
    for _ in range(50):
        await crowd.click(0.05)
    await crowd.leave()


def main() -> None:
    """Measure every line and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--connections", type=int, default=5_000)
    args = parser.parse_args()
    raise_file_limit(args.connections + 500)
    with pinned(CORES.load):
        lines = {name: uvloop.run(measure(name, args.connections)) for name in LINES}
    edge, floor = lines["edge"]["after_a_click_bytes"], lines["empty_rsgi"]["after_a_click_bytes"]
    result = {
        "connections": args.connections,
        "lines": lines,
        "edge_bytes_a_connection": edge,
        "of_these_granian": floor,
        "the_edge_adds": edge - floor,
        "goal": f"<= {GOAL_BYTES} bytes a connection",
        "met": edge <= GOAL_BYTES and lines["edge"]["served"] == args.connections,
        "python": sys.version.split()[0],
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
