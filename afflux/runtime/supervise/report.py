"""What `afflux status` shows: the supervisor's view, and what each process says of itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from afflux.runtime.embedded.ports import answers
from afflux.runtime.embedded.postgres import server_ready
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings
from afflux.runtime.supervise.lock import holder
from afflux.runtime.supervise.services import fetch
from afflux.runtime.supervise.state import ProcessState, read_state


class ProcessReport(msgspec.Struct, frozen=True):
    """One process; uptime in seconds; lag in records, None where there is no consumer."""

    name: str
    pid: int | None
    state: str
    restarts: int
    uptime_s: int
    healthy: bool
    lag: int | None
    admin_url: str


class StackReport(msgspec.Struct, frozen=True):
    """The stack of one home; `supervisor` is its process id, None when nothing runs."""

    home: str
    supervisor: int | None
    phase: str
    processes: list[ProcessReport]

    @property
    def healthy(self) -> bool:
        """Tell whether the stack runs and every process of it is healthy."""
        return self.phase == "running" and all(p.healthy for p in self.processes)


def stack_report(home: Path) -> StackReport:
    """Ask every process of the stack of `home` how it is. Nothing is started or changed."""
    supervisor, state = holder(home), read_state(home)
    if supervisor is None or state is None:
        return StackReport(
            str(home), supervisor, "stopped" if supervisor is None else "starting", []
        )
    settings = load_home(home)
    with ThreadPoolExecutor(max_workers=8) as pool:
        reports = list(pool.map(lambda process: _report(process, settings), state.processes))
    return StackReport(str(home), supervisor, state.phase, reports)


def total_lag(page: object) -> int | None:
    """Return the `lag` of a status page, else the sum over its parts; None when it has none."""
    if not isinstance(page, dict):
        return None
    lag = page.get("lag")
    if isinstance(lag, int):
        return lag
    parts = page.get("parts")
    found = [total_lag(part) for part in parts.values()] if isinstance(parts, dict) else []
    known = [lag for lag in found if lag is not None]
    return sum(known) if known else None


def _report(process: ProcessState, settings: Settings) -> ProcessReport:
    healthy, lag = _ask(process, settings) if process.pid else (False, None)
    alive = process.pid is not None
    return ProcessReport(
        name=process.name,
        pid=process.pid,
        state=process.state,
        restarts=process.restarts,
        uptime_s=int(time.time() - process.started_at / 1000) if alive else 0,
        healthy=healthy,
        lag=lag,
        admin_url=f"http://127.0.0.1:{process.admin_port}" if process.admin_port else "",
    )


def _ask(process: ProcessState, settings: Settings) -> tuple[bool, int | None]:
    if process.name == "kafka":
        host, _, port = settings.kafka.rpartition(":")
        return answers(host, int(port)), None
    if process.name == "postgres":
        return server_ready(settings.postgres), None
    status, body = fetch(process.admin_port, "/status")
    try:
        lag = total_lag(msgspec.json.decode(body)) if status == 200 else None
    except msgspec.DecodeError:
        lag = None
    return fetch(process.admin_port, "/healthz")[0] == 200, lag
