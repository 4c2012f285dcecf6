"""Path summaries through the batch models: seconds for a file of a million paths, beside a rival.

The paths have 12 channels and up to 14 touches, drawn from a fixed seed; many are equal, as in
life. Both read the same CSV; the rival, ChannelAttribution from PyPI, computes its Markov model
and its heuristic models in a process of its own, with the Python that AFFLUX_RIVAL_PYTHON names.
The largest difference of Markov credits is relative to the conversions: the rival simulates.

Run: python -m bench.paths [ROWS]. Prints one JSON line.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from services.attribution.paths.frames import Layout
from services.attribution.paths.models import MODELS, Options
from services.attribution.paths.reading import read_paths

ROWS = 1_000_000
CHANNELS = 12
LONGEST = 14
RIVAL = """
import json, sys, time
import pandas as pd
import ChannelAttribution as ca
started, cpu = time.perf_counter(), time.process_time()
frame = pd.read_csv(sys.argv[1])
read = time.perf_counter()
names = dict(var_path="path", var_conv="total_conversions")
markov = ca.markov_model(
    frame, **names, var_null="total_null", var_value="total_conversion_value", order=1, verbose=0,
    flg_pro=False,
)
models = time.perf_counter()
ca.heuristic_models(frame, **names, var_value="total_conversion_value", flg_pro=False)
ended = time.perf_counter()
if isinstance(markov, dict):
    markov = markov["result"]
print(json.dumps({
    "all_s": round(ended - started, 2), "read_s": round(read - started, 2),
    "markov_s": round(models - read, 2),
    "heuristic_s": round(ended - models, 2),
    "cpu_s": round(time.process_time() - cpu, 2),
    "markov": dict(zip(markov["channel_name"], map(float, markov["total_conversions"]))),
}))
"""


def make(file: Path, rows: int) -> None:
    """Write a file of path summaries; the same for the same number of rows."""
    random = np.random.default_rng(20_26)
    lengths = np.minimum(random.geometric(0.35, rows), LONGEST)
    popular = 1 / np.arange(1, CHANNELS + 1)
    codes = random.choice(CHANNELS, int(lengths.sum()), p=popular / popular.sum())
    owner = np.repeat(np.arange(rows), lengths)
    names = pl.Series([f"channel_{number:02}" for number in range(CHANNELS)])
    won = random.binomial(3, 0.08, rows)
    frame = (
        pl.DataFrame({"owner": owner, "name": names.gather(codes)})
        .group_by("owner", maintain_order=True)
        .agg(pl.col("name").str.join(" > ").alias("path"))
        .drop("owner")
        .with_columns(
            pl.Series("total_conversions", won),
            pl.Series("total_conversion_value", won * random.integers(5, 200, rows)),
            pl.Series("total_null", random.integers(1, 9, rows)),
        )
    )
    frame.write_csv(file)


def ours(file: Path) -> tuple[dict[str, object], dict[str, float]]:
    """Return what each step took, and the credits by the Markov model."""
    started, cpu = time.perf_counter(), cpu_s()
    layout = Layout(value="total_conversion_value", nulls="total_null")
    paths = read_paths(file, layout)
    read_s, read_cpu_s = time.perf_counter() - started, cpu_s() - cpu
    took: dict[str, float] = {}
    runs = [(name, name, Options()) for name in MODELS] + [
        ("markov order 2", "markov", Options(order=2)),
        ("markov order 3", "markov", Options(order=3)),
    ]
    credit: dict[str, float] = {}
    for label, name, options in runs:
        before = cpu_s()
        found = MODELS[name](paths, options)
        took[label] = round(cpu_s() - before, 3)
        if label == "markov":
            credit = dict(zip(paths.channels, found.conversions.tolist(), strict=True))
    result: dict[str, object] = {
        "read_s": round(read_s, 2),
        "read_cpu_s": round(read_cpu_s, 2),
        "distinct_paths": len(paths.conversions),
        "models_cpu_s": took,
        "all_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(cpu_s() - cpu, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }
    return result, credit


def cpu_s() -> float:
    """Return the processor seconds of this process, all threads."""
    return time.process_time()


def rival(file: Path, credit: Mapping[str, float]) -> dict[str, object]:
    """Return what the rival took, or why it did not run."""
    python = os.environ.get("AFFLUX_RIVAL_PYTHON")
    if python is None:
        return {"absent": "set AFFLUX_RIVAL_PYTHON to a Python that has ChannelAttribution"}
    command = [python, "-c", RIVAL, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        return {"absent": (done.stderr.strip().splitlines() or ["it failed"])[-1][:200]}
    found = json.loads(done.stdout.splitlines()[-1])
    theirs = found.pop("markov")
    off = max(abs(theirs[channel] - won) for channel, won in credit.items())
    return {**found, "markov_largest_difference": off / sum(credit.values())}


def main() -> None:
    """Make the file, run both, print the line."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "paths.csv"
        make(file, rows)
        size = file.stat().st_size
        result, credit = ours(file)
        line = {"rows": rows, "mib": size >> 20, "afflux": result}
        print(json.dumps({**line, "ChannelAttribution": rival(file, credit)}))


if __name__ == "__main__":
    main()
