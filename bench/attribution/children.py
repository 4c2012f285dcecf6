"""Running the process under test on a core of its own, and what it says at its end."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from afflux.runtime.paths import ROOT
from bench.edge.cores import CORES, pinned
from bench.edge.stats import digits

Took = Mapping[str, float]
"""`records`, `wall_s` from the first record to the last commit, `second_half_s` and `cpu_s`."""


def measured(command: Sequence[str], timeout_s: float) -> Took:
    """Run a command on the worker's core and return the last line it prints.

    Errors: RuntimeError with the end of what it said when it fails or does not end in time.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with pinned(CORES.server):
        child = subprocess.Popen(
            command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    try:
        said, trouble = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        said, trouble = child.communicate()
        raise RuntimeError(f"not done after {timeout_s} s: {trouble[-1000:]}") from None
    if child.returncode:
        raise RuntimeError(f"ended with {child.returncode}: {trouble[-1000:]}")
    found: Took = json.loads(said.splitlines()[-1])
    return found


def rates(took: Took) -> dict[str, float]:
    """Return records a second: of the whole, of its second half, and of processor time.

    Errors: RuntimeError when all came in one batch: a second half that took no time has no rate.
    """
    records = took["records"]
    if not took["second_half_s"]:
        raise RuntimeError(f"{records:g} records are one batch: too few to measure")
    return {
        **took,
        "per_s": digits(records / took["wall_s"]),
        "second_half_per_s": digits((records - records // 2) / took["second_half_s"]),
        "per_cpu_s": digits(records / took["cpu_s"]),
    }
