"""One server for bench/edge.py: `empty`, a bare RSGI redirect, or `edge`, the real one.

The edge gets its catalogue from its cache, as it does when it starts without Kafka.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces, TaskImpl
from granian.server.embed import Server

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from afflux.runtime.homes import settings_from
from services.tracking import edge_worker
from tests.tracking_samples import SECRET, changes

HEADERS = [("location", "https://shop.example/?cid=x"), ("cache-control", "no-store")]


class Empty:
    """What Granian alone can do."""

    async def __rsgi__(self, scope: object, wire: object) -> None:
        wire.response_empty(302, HEADERS)  # type: ignore[attr-defined]


async def empty(port: int) -> None:
    server = Server(
        Empty(),
        port=port,
        interface=Interfaces.RSGI,
        task_impl=TaskImpl.asyncio,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        log_enabled=False,
    )
    await server.serve()


def edge(port: int, home: Path) -> None:
    cache = home / "cache" / "catalog-edge-1.json"
    cache.parent.mkdir(parents=True)
    cache.write_bytes(msgspec.json.encode(changes()))
    env = {
        "AFFLUX_HOME": str(home),
        "AFFLUX_EDGE_PORT": str(port),
        "AFFLUX_SECRET": SECRET.decode(),
        "AFFLUX_KAFKA": "127.0.0.1:1",
    }
    edge_worker.main(settings_from(env))


if __name__ == "__main__":
    if sys.argv[1] == "edge":
        edge(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        uvloop.run(empty(int(sys.argv[2])))
