"""A small load generator for bench/edge.py where there is no wrk: raw sockets under asyncio.

It takes a core of its own and reaches about half of what wrk does: trust only the ratio.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop


async def connection(port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 302"), head
        latencies.append(time.perf_counter() - started)
    writer.close()


async def main(port: int, seconds: float, connections: int, cookie: str) -> None:
    request = (
        f"GET /c/shoes?sub1=abc HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\n"
        f"accept-language: de\r\ncookie: {cookie}\r\n\r\n"
    ).encode()
    latencies: list[float] = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(connection(port, request, until, latencies) for _ in range(connections)))
    latencies.sort()
    out = {
        "per_second": len(latencies) / seconds,
        "requests": len(latencies),
        "bad": 0,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
    }
    print(json.dumps(out))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
