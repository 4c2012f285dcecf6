"""wrk as the closed-loop load: how many clicks a second a server takes at most."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from bench.edge.cores import CORES, core_busy_seconds, cpu_seconds, pinned
from bench.edge.servers import Running
from bench.edge.traffic import lua_script

PROGRAM = "wrk"
PACKAGE = "wrk"
CLICKS = 2_000
"""Different clicks in the script; then they come again, as new clicks with new ids."""
_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(Struct, frozen=True):
    """What a run of wrk saw, and who was busy meanwhile.

    `load_core` is wrk's share of its core, `others` what the server's core gave to anyone but the
    server, the kernel's network work among it.
    """

    per_second: float
    answered: int
    bad: int
    p50_ms: float
    p99_ms: float
    server_cpu_s: dict[str, float]
    load_core: float
    others: float

    @property
    def seconds(self) -> float:
        """How long wrk loaded the server."""
        return self.answered / self.per_second

    @property
    def cpu_us(self) -> float:
        """CPU microseconds that the server used for a request."""
        return sum(self.server_cpu_s.values()) / self.answered * 1e6


def missing() -> str | None:
    """Return what to install when there is no wrk."""
    return None if shutil.which(PROGRAM) else f"wrk is not there: install the package {PACKAGE}"


def press(server: Running, seconds: int, connections: int) -> Load:
    """Load a server for some seconds from the load's core."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "clicks.lua"
        script.write_text(lua_script(CLICKS))
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
        used, before, started = _own_cpu(), cpu_seconds(server.pid), time.monotonic()
        core = core_busy_seconds(CORES.server)
        with pinned(CORES.load):
            done = subprocess.run(
                [PROGRAM, *options, f"http://127.0.0.1:{server.port}/"],
                capture_output=True,
                check=True,
                text=True,
            )
        after, took = cpu_seconds(server.pid), time.monotonic() - started
        cpu = {name: after[name] - before[name] for name in after}
        others = core_busy_seconds(CORES.server) - core - sum(cpu.values())
        return read_report(done.stdout, cpu, (_own_cpu() - used) / took, max(0.0, others / took))


def read_report(text: str, server_cpu_s: dict[str, float], load_core: float, others: float) -> Load:
    """Return the figures of wrk's report; answers other than 2xx, 3xx and socket errors are bad."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    total = re.search(r"(\d+) requests in", text)
    times = {
        share: float(value) * _MS[unit]
        for share, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s|m)", text)
    }
    if rate is None or total is None or len(times) != 2:
        raise ValueError(f"that is no report of wrk: {text}")
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    bad = (int(wrong[1]) if wrong else 0) + (sum(map(int, sockets.groups())) if sockets else 0)
    return Load(
        float(rate[1]),
        int(total[1]),
        bad,
        times["50"],
        times["99"],
        server_cpu_s,
        load_core,
        others,
    )


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
