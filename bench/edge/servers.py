"""Starting and ending the servers under test, each a process pinned to the server's core."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from afflux.runtime.embedded.ports import Reservations
from afflux.runtime.paths import ROOT
from afflux.runtime.supervise.services import fetch, healthy
from bench.edge import nginx
from bench.edge.catalogue import CODES, SECRET, write_cache
from bench.edge.cores import CORES, pinned

START_S = 60.0
STOP_S = 20.0
EDGE_ID = "edge-1"


@dataclass(frozen=True)
class Running:
    """A server that answers: its process, its port, its folder, the edge's admin port."""

    name: str
    pid: int
    port: int
    home: Path
    admin_port: int = 0

    def journaled_clicks(self, answered: int) -> int:
        """Return how many clicks the edge says it has journaled since it started.

        Errors: RuntimeError when it is fewer than were answered: then its speed counts for nothing.
        """
        code, body = fetch(self.admin_port, "/status", 5)
        if code != 200:
            raise RuntimeError(f"{self.name}: /status answers {code}")
        journaled = int(json.loads(body)["parts"]["edge"]["journaled"]["click"])
        if journaled < answered:
            raise RuntimeError(f"{answered} clicks were answered and {journaled} are journaled")
        return journaled

    @property
    def journal(self) -> Path:
        """Folder of the edge's journal."""
        return self.home / "journal" / EDGE_ID


@contextmanager
def serving(name: str, kafka: str = "", topic: str = "") -> Iterator[Running]:
    """Run a server until the block ends.

    `edge`; `empty_rsgi`, `empty_asgi` (in our loop, as the edge runs Granian), `empty_reading` (it
    reads the request), `empty_command` (the stock `granian` command), `empty_rsgi:8192` (with
    hyper's buffer limited); `aiohttp_wait` and `aiohttp_fire`, which need `kafka` and `topic`;
    `nginx`.
    """
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder, ExitStack() as after:
        home, ports = Path(folder), Reservations()
        after.callback(ports.release)
        home.chmod(0o755)  # nginx, started by root, works as another account
        port, admin = ports.free_port(), ports.free_port()
        command, env = _command(name, port, home, kafka, topic), _environment(home, port, admin)
        if name == "edge":
            write_cache(home, EDGE_ID)
        with pinned(CORES.server), (home / "output").open("wb") as output:
            child = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output)
        try:
            _wait(child, lambda: _ready(name, port, admin), home / "output", name)
            yield Running(name, child.pid, port, home, admin)
        finally:
            _end(child)


def missing(name: str) -> str | None:
    """Return why a server cannot run on this machine, naming the package; None: it can."""
    if name == "nginx" and shutil.which(nginx.PROGRAM) is None:
        return f"{nginx.PROGRAM} is not there: install the package {nginx.PACKAGE}"
    return None


def _command(name: str, port: int, home: Path, kafka: str, topic: str) -> list[str]:
    python = [sys.executable, "-m"]
    kind, _, option = name.partition(":")
    match kind:
        case "edge":
            return [*python, "afflux.cli.main", "worker", "edge"]
        case "empty_rsgi" | "empty_asgi" | "empty_reading":
            interface = kind.removeprefix("empty_")
            return [*python, "bench.edge.empty", interface, str(port), *filter(None, [option])]
        case "empty_command":
            options = "--interface rsgi --loop uvloop --http 1 --no-ws --no-log --backlog 1024"
            target = "bench.edge.empty:serve_rsgi"
            return [*python, "granian", *options.split(), "--port", str(port), target]
        case "aiohttp_wait" | "aiohttp_fire":
            kind = kind.removeprefix("aiohttp_")
            return [*python, "bench.edge.kafka_edge", kind, str(port), kafka, topic]
        case "nginx":
            return nginx.command(port, home)
    raise ValueError(f"no server {name}")


def _environment(home: Path, port: int, admin_port: int) -> Mapping[str, str]:
    """Nothing of a stack outside may reach the edge; it runs without Kafka, from its cache."""
    outside = {key: text for key, text in os.environ.items() if not key.startswith("AFFLUX_")}
    return {
        **outside,
        "PYTHONPATH": str(ROOT),
        "AFFLUX_HOME": str(home),
        "AFFLUX_EDGE_ID": EDGE_ID,
        "AFFLUX_EDGE_PORT": str(port),
        "AFFLUX_ADMIN_PORT": str(admin_port),
        "AFFLUX_SECRET": SECRET,
        "AFFLUX_KAFKA": "127.0.0.1:1",
        "AFFLUX_JOURNAL_LIMIT_BYTES": str(64 << 30),
    }


def _ready(name: str, port: int, admin_port: int) -> bool:
    if name == "edge" and not healthy(admin_port):
        return False
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/c/{CODES[0]}?sub1=ready")
        return connection.getresponse().status == 302
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(
    child: subprocess.Popen[bytes], ready: Callable[[], bool], output: Path, name: str
) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            said = output.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the server {name} does not answer; it said: {said}")
        time.sleep(0.1)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
