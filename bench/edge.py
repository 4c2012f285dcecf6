"""Durable clicks a second on one core, beside an empty Granian RSGI application in the same run.

    python bench/edge.py [--seconds 5] [--connections 256] [--rounds 3]

Both servers run pinned to one core each in turn, the load generator (wrk, else a small client of
our own) on another. Prints JSON: requests a second of both, their ratio, latency, and how many
records the journal held afterwards, so that no answer was left out. No Kafka takes part: the
journal is what the answer waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from services.tracking.journal import journal_counts  # noqa: E402

SERVER = Path(__file__).with_name("edge_server.py")
CLIENT = Path(__file__).with_name("edge_client.py")
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"
COOKIE = "afflux_v=00112233445566778899aabbccddeeff"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(kind: str, home: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server pinned to the first core; return it and its port once it listens."""
    port = free_port()
    child = subprocess.Popen([sys.executable, str(SERVER), kind, str(port), str(home)])
    os.sched_setaffinity(child.pid, {sorted(os.sched_getaffinity(0))[0]})
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return child, port
        time.sleep(0.05)
    raise RuntimeError(f"the {kind} server does not listen")


def measure(port: int, seconds: float, connections: int) -> dict[str, float]:
    """Load a server; return requests a second and latency in milliseconds."""
    url = f"http://127.0.0.1:{port}/c/shoes?sub1=abc"
    core = str(sorted(os.sched_getaffinity(0))[-1])
    if shutil.which("wrk") is None:
        command = [sys.executable, str(CLIENT), str(port), str(seconds), str(connections), COOKIE]
        done = subprocess.run(["taskset", "-c", core, *command], capture_output=True, check=True)
        own: dict[str, float] = json.loads(done.stdout)
        return own
    headers = ["-H", f"user-agent: {AGENT}", "-H", f"cookie: {COOKIE}", "-H", "accept-language: de"]
    options = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", *headers, url]
    done = subprocess.run(
        ["taskset", "-c", core, "wrk", *options], capture_output=True, check=True, text=True
    )
    return read_wrk(done.stdout)


def read_wrk(text: str) -> dict[str, float]:
    """Return the figures in wrk's report; errors and answers other than 2xx, 3xx are counted."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    latency = {
        f"p{share}_ms": float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
        for share, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", text)
    }
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    total = re.search(r"(\d+) requests in", text)
    assert rate is not None and total is not None, text
    return {
        "per_second": float(rate[1]),
        "requests": float(total[1]),
        "bad": float(bad[1]) if bad else 0.0,
        **latency,
    }


def one_round(seconds: float, connections: int) -> dict[str, object]:
    """Measure the empty application and the edge, one after the other."""
    out: dict[str, object] = {}
    for kind in ("empty", "edge"):
        with tempfile.TemporaryDirectory() as folder:
            child, port = serve(kind, Path(folder))
            try:
                measure(port, 1, connections)
                out[kind] = measure(port, seconds, connections)
            finally:
                child.send_signal(signal.SIGTERM)
                child.wait(20)
            if kind == "edge":
                out["journaled"] = journal_counts(Path(folder) / "journal" / "edge-1")["click"]
    return out


def main() -> None:
    """Run the rounds and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rounds = [one_round(args.seconds, args.connections) for _ in range(args.rounds)]

    def rate(kind: str) -> float:
        found = [one[kind] for one in rounds]
        return statistics.median(one["per_second"] for one in found if isinstance(one, dict))

    result = {
        "name": "edge: durable clicks on one core",
        "durable_clicks_per_second": round(rate("edge")),
        "empty_rsgi_per_second": round(rate("empty")),
        "ratio": round(rate("edge") / rate("empty"), 3),
        "generator": "wrk" if shutil.which("wrk") else "bench/edge_client.py",
        "rounds": rounds,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
