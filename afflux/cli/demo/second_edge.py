"""A second edge that is cut off from Kafka: it answers and journals, and ships only later.

So that sales come in before their clicks do: they are parked, and resolved when the clicks arrive.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from afflux.cli.errors import Refused
from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.homes import env_file, parse_env
from afflux.runtime.supervise.services import fetch, healthy

EDGE_ID = "edge-2"
_START_S = 60
_STOP_S = 10


class SecondEdge:
    """The edge `edge-2` of a home, and its shipper once `ship` is called."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._ports = Reservations()
        self._running: list[subprocess.Popen[bytes]] = []
        self._port = self._ports.free_port()
        self._shipper_port = 0
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> SecondEdge:
        self._start("edge")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._running):
            process.terminate()
        for process in self._running:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._ports.release()

    def ship(self) -> None:
        """Connect it to Kafka: what it has journaled goes out now."""
        self._shipper_port = self._start("shipper")

    @property
    def shipper_port(self) -> int:
        """Admin port of its shipper."""
        return self._shipper_port

    def _start(self, worker: str) -> int:
        admin = self._ports.free_port()
        env = {
            **os.environ,
            **parse_env(env_file(self._home).read_text()),
            "AFFLUX_EDGE_ID": EDGE_ID,
            "AFFLUX_EDGE_PORT": str(self._port),
            "AFFLUX_EDGE_PUBLIC_URL": self.url,
            "AFFLUX_ADMIN_PORT": str(admin),
        }
        command = [sys.executable, "-m", "afflux.cli.main", "worker", worker]
        with (self._home / "log" / f"{EDGE_ID}-{worker}.log").open("ab") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        self._running.append(process)
        deadline = time.monotonic() + _START_S
        while not healthy(admin):
            if process.poll() is not None or time.monotonic() > deadline:
                told = fetch(admin, "/healthz")
                raise Refused(f"the {worker} of {EDGE_ID} does not start: {told}")
            time.sleep(0.1)
        return admin
