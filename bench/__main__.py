"""`make bench`: every benchmark in a process of its own, one after the other.

Each prints one JSON object; all of them, with facts about the machine, go to bench/results. Look
at the ratios: the machine that ran them is shared and noisy. Names choose some of them, and a part
may follow its group: `python -m bench ledger`, `python -m bench edge`, `python -m bench edge soak`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from afflux.runtime.paths import ROOT

BENCHES = {
    "edge.throughput": "durable clicks/s on one core, beside six rivals in the same run",
    "edge.latency": "a click's wait at 1,000 clicks/s, open loop, beside an empty app",
    "edge.memory": "resident memory of an idle keep-alive connection, beside an empty app",
    "edge.soak": "resident memory over 300,000 clicks of many visitors",
    "edge.steps": "CPU time of each step of a click",
    "screen": "clicks/s judged and stored on one core",
    "attribution": "clicks/s and conversions/s joined and decided on one core",
    "sink": "rows/s from the clicks topic into ClickHouse",
    "shipper": "journal records/s to Kafka on one core, beside fastavro and send() in the same run",
    "paths": "a million path summaries through the batch models, beside ChannelAttribution",
    "ledger": "conversions/s through the ledger, beside bare PostgreSQL writes in the same run",
}
RESULTS = ROOT / "bench" / "results"
_LIMIT_S = 300


def main() -> int:
    """Run what was asked for, or everything; leaves with 1 when one of them failed."""
    try:
        names = chosen(sys.argv[1:])
    except KeyError as error:
        print(f"no benchmark {error}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    results: dict[str, object] = {}
    for name in names:
        print(f"{name}: {BENCHES[name]}", flush=True)
        results[name] = _run(name)
        print(f"  {json.dumps(results[name])}", flush=True)
    if len(names) == len(BENCHES):
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
        path.write_text(json.dumps({"machine": _machine(), "results": results}, indent=1) + "\n")
        print(f"recorded in {path.relative_to(ROOT)}")
    return int(any(result is None for result in results.values()))


def chosen(words: Sequence[str]) -> list[str]:
    """Return the benchmarks that the words name; no words: all of them.

    `edge` is every part of edge, `edge.soak` or `edge soak` one part. Errors: KeyError.
    """
    groups: dict[str, list[str]] = {}
    for name in BENCHES:
        groups.setdefault(_group(name), []).append(name)
    wanted: dict[str, list[str]] = {}
    group = ""
    for word in words:
        name = f"{group}.{word}" if f"{group}.{word}" in BENCHES else word
        group = _group(name)
        parts = wanted.setdefault(group, [])
        if name in BENCHES:
            parts.append(name)
        elif name not in groups:
            raise KeyError(word)
    names = [name for group, parts in wanted.items() for name in parts or groups[group]]
    return names or list(BENCHES)


def _group(name: str) -> str:
    return name.partition(".")[0]


def _run(name: str) -> object:
    started = time.monotonic()
    command = [sys.executable, "-m", f"bench.{name}"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"  not done after {_LIMIT_S} s", file=sys.stderr)
        return None
    text = done.stdout[done.stdout.find("{") :]
    if done.returncode != 0 or not text:
        print(f"  failed with {done.returncode}: {done.stderr[-1000:]}", file=sys.stderr)
        return None
    return {**json.loads(text), "took_s": round(time.monotonic() - started, 1)}


def _machine() -> dict[str, object]:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
