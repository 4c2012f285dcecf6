"""docs/quickstart.md, run line by line as a newcomer would."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.paths import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_quickstart_works_as_it_stands(home: Path) -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text()
    ports = Reservations()
    names = ("EDGE_PORT", "ANALYTICS_PORT", "MONITOR_PORT")
    env = {
        **os.environ,
        "AFFLUX_HOME": str(home),
        "AFFLUX_KAFKA": f"127.0.0.1:{ports.free_port()}",
        **{f"AFFLUX_{name}": str(ports.free_port()) for name in names},
    }
    ports.release()
    script = "set -ex\n" + "\n".join(BLOCK.findall(text))
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    finally:
        down = [".venv/bin/afflux", "down", "--home", str(home)]
        subprocess.run(down, cwd=ROOT, capture_output=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    assert '"accepted"' in said
    assert '"duplicate"' in said
    assert "conflicting_report" in said
    assert re.search(r"7\.50", said), "10% of 100.00, less a quarter"
    assert said.count("every law checked holds") == 2
