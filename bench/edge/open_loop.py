"""An open-loop client: clicks leave by the clock, whatever the answers do.

    python -m bench.edge.open_loop PORT PER_SECOND SECONDS CONNECTIONS

A click's latency counts from when it was due, not from when it was sent: a server that stalls
delays nothing but its own answers, and every click that was due meanwhile shows it (no coordinated
omission). Prints JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from contextlib import suppress

import uvloop

from bench.edge.client import REDIRECT, Connection, connect
from bench.edge.stats import due_times, latency_figures, percentile
from bench.edge.traffic import request

POOL = 2_000
GRACE_S = 10.0


class OpenLoop:
    """One run. Connections take turns; when all wait for answers, the click waits for one."""

    def __init__(self, port: int, per_second: float, seconds: float, connections: int) -> None:
        self._port, self._connections = port, connections
        self._count = round(per_second * seconds)
        self._per_second = per_second
        self._requests = [request(number) for number in range(POOL)]
        self._idle: deque[Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._latencies: list[float] = []
        self._late: list[float] = []
        self._waited = self._bad = self._lost = 0
        self._finished = asyncio.Event()

    async def run(self) -> dict[str, float]:
        """Open the connections, keep the schedule, return the figures."""
        for _ in range(self._connections):
            self._idle.append(await connect(self._port, self._answered, self._closed))
        gc.collect()
        gc.freeze()
        gc.disable()  # a pause of ours must not look like one of the server
        await self._keep_schedule()
        with suppress(TimeoutError):  # what is missing then is counted as an error
            await asyncio.wait_for(self._finished.wait(), GRACE_S)
        return self._figures()

    async def _keep_schedule(self) -> None:
        start = time.monotonic() + 0.2
        for number, due in enumerate(due_times(start, self._per_second, self._count)):
            while (early := due - time.monotonic()) > 0:  # noqa: ASYNC110 - it is a clock
                # uvloop's clock has milliseconds: the last part of one is spent in turns of 0 s.
                await asyncio.sleep(early if early > 0.001 else 0)
            self._late.append(time.monotonic() - due)
            click = self._requests[number % POOL]
            if self._idle:
                self._idle.popleft().send(click, due)
            else:
                self._waited += 1
                self._waiting.append((click, due))

    def _answered(self, connection: Connection, status: int) -> None:
        self._latencies.append(time.monotonic() - connection.due)
        if status != REDIRECT:
            self._bad += 1
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)
        if len(self._latencies) + self._lost == self._count:
            self._finished.set()

    def _closed(self, connection: Connection) -> None:
        if connection.is_busy:
            self._lost += 1
        elif connection in self._idle:
            self._idle.remove(connection)

    def _figures(self) -> dict[str, float]:
        unanswered = self._count - len(self._latencies)
        return {
            "clicks": self._count,
            "errors": self._bad + unanswered,
            "waited_for_a_connection": self._waited,
            "sent_late_p99_ms": round(percentile(sorted(self._late), 99) * 1000, 2),
            "sent_late_max_ms": round(max(self._late) * 1000, 2),
            **latency_figures(self._latencies),
        }


async def main(port: int, per_second: float, seconds: float, connections: int) -> None:
    """Run once and print the figures."""
    print(json.dumps(await OpenLoop(port, per_second, seconds, connections).run()))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
