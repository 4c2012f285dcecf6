"""Documents whose commands work as they stand: a shell for them, and a stack of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.paths import ROOT

_NAMES = ("EDGE_PORT", "ANALYTICS_PORT", "MONITOR_PORT")


def run_document(
    home: Path, script: str, timeout_s: float, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script in the project's folder, for a stack in `home` on free ports, and stop that."""
    ports = Reservations()
    env = {
        **os.environ,
        "AFFLUX_HOME": str(home),
        "AFFLUX_KAFKA": f"127.0.0.1:{ports.free_port()}",
        **{f"AFFLUX_{name}": str(ports.free_port()) for name in _NAMES},
        **(more or {}),
    }
    ports.release()
    try:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    finally:
        down = [".venv/bin/afflux", "down", "--home", str(home)]
        subprocess.run(down, cwd=ROOT, capture_output=True, check=False)
