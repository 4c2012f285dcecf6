"""How long a click waits for its redirect at a steady rate, fsync included.

    python -m bench.edge.latency [--per-second 1000] [--seconds 20] [--connections 1000]

An open-loop client on its own core; the same schedule against an empty Granian application gives
the floor: what of the figures is the client's, the kernel's and Granian's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from afflux.runtime.paths import ROOT
from bench.edge.cores import CORES, disk_facts, pinned, raise_file_limit
from bench.edge.servers import Running, serving

GOAL_P99_MS = 25.0
WARM_UP_S = 2.0


def measure(
    server: Running, per_second: float, seconds: float, connections: int
) -> dict[str, float]:
    """Run the schedule once, from the load's core, after a short one that does not count."""

    def run(length: float) -> dict[str, float]:
        options = map(str, (server.port, per_second, length, connections))
        command = [sys.executable, "-m", "bench.edge.open_loop", *options]
        with pinned(CORES.load):
            done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        figures: dict[str, float] = json.loads(done.stdout)
        return figures

    run(WARM_UP_S)
    return run(seconds)


def main() -> None:
    """Measure the floor, then the edge, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-second", type=float, default=1_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--connections", type=int, default=1_000)
    args = parser.parse_args()
    raise_file_limit(args.connections + 200)
    load = (args.per_second, args.seconds, args.connections)
    with serving("empty_rsgi") as server:
        floor = measure(server, *load)
    with serving("edge") as server:
        edge = measure(server, *load)
        journaled = server.journaled_clicks(int(edge["clicks"] - edge["errors"]))
        disk = disk_facts(server.home)
    result = {
        "clicks_per_second": args.per_second,
        "connections": args.connections,
        "edge": edge,
        "floor_of_an_empty_app": floor,
        "goal": f"p99 <= {GOAL_P99_MS} ms and no errors",
        "met": edge["p99_ms"] <= GOAL_P99_MS and edge["errors"] == 0,
        "journaled": journaled,
        "cores": CORES.facts(),
        "disk": disk,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
