"""`afflux up`: run the whole stack of a home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.runtime.homes import home_folder
from afflux.runtime.supervise.environment import number, refuse_full_disk
from afflux.runtime.supervise.lock import holder
from afflux.runtime.supervise.services import DEFAULT_SERVICES, Service
from afflux.runtime.supervise.spec import State
from afflux.runtime.supervise.stack import Stack
from afflux.runtime.supervise.state import read_state

Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False)]


def up(
    home: Home = None,
    detach: Annotated[bool, typer.Option(help="Return once everything runs.")] = False,
    free_ports: Annotated[bool, typer.Option(help="Choose free ports for what is unset.")] = False,
    edge_port: Port = None,
    kafka_port: Port = None,
    analytics_port: Port = None,
    monitor_port: Port = None,
    services: Annotated[
        str, typer.Option(help="Only these, comma separated; A+B share a process; none: engines.")
    ] = "",
) -> None:
    """Start Kafka, PostgreSQL and all services, and keep them running.

    Ctrl-C drains and stops everything. Logs are in HOME/log.

    Example: afflux up --detach --free-ports
    """
    ports = {
        "AFFLUX_EDGE_PORT": edge_port,
        "AFFLUX_KAFKA": kafka_port and f"127.0.0.1:{kafka_port}",
        "AFFLUX_ANALYTICS_PORT": analytics_port,
        "AFFLUX_MONITOR_PORT": monitor_port,
    }
    overrides = {name: str(value) for name, value in ports.items() if value}
    folder = home_folder(home)
    if detach:
        start_detached(folder, free_ports, services, overrides)
    else:
        _run(_stack(folder, free_ports, services, overrides))


class _Asked(BaseException):
    """We were asked to leave, by Ctrl-C or SIGTERM."""


def _stack(home: Path, free_ports: bool, services: str, overrides: Mapping[str, str]) -> Stack:
    chosen: list[Service] = list(DEFAULT_SERVICES)
    if services:
        names = [] if services == "none" else services.split(",")
        chosen = [Service.of(name) for name in names]
    kafka = overrides.get("AFFLUX_KAFKA") or os.environ.get("AFFLUX_KAFKA", "127.0.0.1:9092")
    engines = []
    if kafka.rpartition(":")[0] in ("127.0.0.1", "localhost"):
        number("AFFLUX_KAFKA", kafka.rpartition(":")[2])
        engines.append("kafka")
    if not os.environ.get("AFFLUX_POSTGRES"):
        engines.append("postgres")
    return Stack(home, chosen, free_ports=free_ports, env=overrides, engines=engines, tell=_tell)


def _run(stack: Stack) -> None:
    for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number_, _leave)
    started = time.monotonic()
    try:
        stack.start()
        _tell(f"everything runs after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
        _tell(f"tracking edge {stack.settings.edge_url}   KPI API {stack.settings.kpi_url}")
        _watch(stack)
    except _Asked:
        _tell("stopping: services first, then Kafka and PostgreSQL")
    finally:
        started = time.monotonic()
        stack.stop()
    _tell(f"stopped in {time.monotonic() - started:.1f} s")


def _leave(number_: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise _Asked


def _watch(stack: Stack) -> None:
    """Say when a process is restarted, until we are asked to leave."""
    told: dict[str, tuple[int, str]] = {}
    while True:
        for process in stack.state().processes:
            restarts, state = told.get(process.name, (0, ""))
            if process.state == State.LOOPING != state:
                _tell(f"{process.name} keeps crashing; see {stack.log(process.name)}")
            elif process.restarts > restarts:
                _tell(f"{process.name} ended ({process.last_exit}) and was started again")
            told[process.name] = (process.restarts, process.state)
        time.sleep(0.5)


def start_detached(
    home: Path, free_ports: bool, services: str, overrides: Mapping[str, str]
) -> None:
    """Run ourselves in a session of our own, and pass on what that says until it is ready."""
    refuse_full_disk(home)
    if (pid := holder(home)) is not None:
        raise Refused(f"a stack already runs in {home} (process {pid}); stop it with `afflux down`")
    command = [sys.executable, "-m", "afflux.cli.main", "up", "--home", str(home)]
    command += ["--free-ports"] if free_ports else []
    command += ["--services", services] if services else []
    log = home / "log" / "supervisor.log"
    with log.open("w") as output:
        child = subprocess.Popen(
            command,
            env={**os.environ, **overrides},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _follow(child, home, log)
    except KeyboardInterrupt:
        child.terminate()
        _tell("stopping what was started")
        child.wait()
    if child.returncode is not None:
        raise typer.Exit(1)
    typer.echo(
        f"runs in the background (process {child.pid}); stop it with `afflux down`", err=True
    )


def _follow(child: subprocess.Popen[bytes], home: Path, log: Path) -> None:
    """Pass on what the child says until its stack runs or it ends."""
    with log.open() as said:
        while child.poll() is None and not _runs(home, child.pid):
            _pass_on(said.read())
            time.sleep(0.1)
        _pass_on(said.read())


def _runs(home: Path, pid: int) -> bool:
    state = read_state(home)
    return holder(home) == pid and state is not None and state.phase == "running"


def _pass_on(text: str) -> None:
    if text:
        typer.echo(text, nl=False, err=True)


def _tell(sentence: str) -> None:
    typer.echo(sentence, err=True)
