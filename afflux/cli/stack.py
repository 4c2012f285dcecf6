"""`afflux down` and `afflux status`: the stack of a home, from outside."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.runtime.embedded.postgres import PostgresFiles, end_leftover
from afflux.runtime.homes import home_folder
from afflux.runtime.supervise.leftovers import kill_leftovers
from afflux.runtime.supervise.lock import holder
from afflux.runtime.supervise.report import ProcessReport, StackReport, stack_report

STOP_S = 60.0
TELL_EVERY_S = 3.0


def down(home: Home = None) -> None:
    """Drain and stop the stack of a home; data stays.

    Example: afflux down --home .afflux
    """
    folder = home_folder(home)
    pid = holder(folder)
    if pid is not None:
        typer.echo(f"stopping the stack in {folder} (process {pid})", err=True)
        os.kill(pid, signal.SIGTERM)
        _wait_gone(folder, pid)
    killed = kill_leftovers(folder)
    end_leftover(PostgresFiles(folder))
    if killed:
        typer.echo(f"killed {killed} processes that were left behind", err=True)
    typer.echo("stopped" if pid or killed else f"no stack runs in {folder}", err=True)


def status(
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every process of the stack: health, restarts, consumer lag.

    Leaves with 1 when nothing runs or something is not healthy.

    Example: afflux status --json
    """
    report = stack_report(home_folder(home))
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    elif report.supervisor is None:
        typer.echo(f"no stack runs in {report.home}; start one with `afflux up`", err=True)
    else:
        wide_console().print(_table(report))
    if not report.healthy:
        raise typer.Exit(1)


def _table(report: StackReport) -> Table:
    title = f"{report.home}: {report.phase}, supervisor {report.supervisor}"
    table = Table(title=title, title_justify="left")
    for column in ("process", "pid", "state", "restarts", "uptime", "health", "lag", "admin"):
        right = column in ("pid", "restarts", "uptime", "lag")
        table.add_column(column, justify="right" if right else "left")
    for process in report.processes:
        table.add_row(*_row(process))
    return table


def _row(process: ProcessReport) -> tuple[str, ...]:
    minutes, seconds = divmod(process.uptime_s, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        process.name,
        str(process.pid or "-"),
        process.state,
        str(process.restarts),
        f"{hours}:{minutes:02}:{seconds:02}",
        "[green]ok[/]" if process.healthy else "[red]not healthy[/]",
        "-" if process.lag is None else f"{process.lag:,}",
        process.admin_url,
    )


def _wait_gone(home: Path, pid: int) -> None:
    started = time.monotonic()
    told = started
    while holder(home) is not None:
        now = time.monotonic()
        if now - started > STOP_S:
            raise Refused(f"process {pid} did not stop within {STOP_S:.0f} s; see {home}/log")
        if now - told > TELL_EVERY_S:
            told = now
            typer.echo(f"still draining, {now - started:.0f} s", err=True)
        time.sleep(0.05)
