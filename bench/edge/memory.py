"""Resident memory of a keep-alive connection that waits for its next click.

    python -m bench.edge.memory [--connections 5000]

Connections are opened and each gets one redirect; then all are idle, as they are between two
clicks. Beside the edge an empty Granian application in the same run, with the server's default
buffers and with the smallest that hyper allows: what they take the edge cannot save.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

import uvloop

from bench.edge.client import REDIRECT, Connection, connect
from bench.edge.cores import CORES, pinned, raise_file_limit, resident_bytes
from bench.edge.servers import serving
from bench.edge.traffic import request

GOAL_BYTES = 4096
LINES = ("empty_rsgi", "empty_rsgi:8192", "edge")
_SETTLE_S = 0.5
_AT_ONCE = 100


class Crowd:
    """Many connections to one server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._all: list[Connection] = []
        self._missing = 0
        self._answered_all = asyncio.Event()
        self.bad = self.lost = 0

    async def open(self, count: int) -> None:
        """Open connections that say nothing yet."""
        for start in range(0, count, _AT_ONCE):
            fresh = range(min(_AT_ONCE, count - start))
            made = [connect(self._port, self._answered, self._closed) for _ in fresh]
            self._all += await asyncio.gather(*made)

    async def click(self) -> None:
        """Send a click on each connection and wait for all redirects."""
        for start in range(0, len(self._all), _AT_ONCE):
            some = self._all[start : start + _AT_ONCE]
            self._missing = len(some)
            self._answered_all.clear()
            for number, connection in enumerate(some, start):
                connection.send(request(number))
            await self._answered_all.wait()

    async def leave(self) -> None:
        """Close everything."""
        for connection in self._all:
            connection.close()
        await asyncio.sleep(_SETTLE_S)

    def _answered(self, connection: Connection, status: int) -> None:
        self.bad += status != REDIRECT
        self._missing -= 1
        if self._missing == 0:
            self._answered_all.set()

    def _closed(self, connection: Connection) -> None:
        self.lost += 1


async def measure(name: str, connections: int) -> dict[str, float]:
    """Return bytes a connection: opened only, after one click, after three."""
    with serving(name) as server:
        await _warm_up(server.port)
        crowd, figures = Crowd(server.port), {}
        base = resident_bytes(server.pid)

        async def record(state: str) -> None:
            await asyncio.sleep(_SETTLE_S)
            figures[state] = round((resident_bytes(server.pid) - base) / connections)

        await crowd.open(connections)
        await record("opened_bytes")
        await crowd.click()
        await record("after_a_click_bytes")
        await crowd.click()
        await crowd.click()
        await record("after_three_clicks_bytes")
        lost = crowd.lost
        await crowd.leave()
        await record("left_behind_bytes")
        return {**figures, "base_mib": round(base / 2**20, 1), "bad": crowd.bad, "lost": lost}


async def _warm_up(port: int) -> None:
    """A few thousand clicks first: caches and arenas that are filled once are no connection's."""
    crowd = Crowd(port)
    await crowd.open(_AT_ONCE)
    for _ in range(50):
        await crowd.click()
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
        "goal": f"<= {GOAL_BYTES} bytes a connection",
        "met": edge <= GOAL_BYTES,
        "python": sys.version.split()[0],
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
