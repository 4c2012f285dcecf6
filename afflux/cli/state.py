"""`afflux state inspect | checkpoint | restore | rebuild`: what attribution keeps on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from afflux.cli.errors import Refused
from afflux.cli.options import Home, instant
from afflux.cli.wide import wide_console
from afflux.runtime.checkpointing import REQUEST, ask
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.restoring import Mark
from afflux.runtime.settings import Settings
from afflux.runtime.store_faults import StoreBusy, StoreFault, full_sentence
from services.attribution import tending
from services.attribution.tending import Places, Report

app = typer.Typer(
    name="state",
    no_args_is_help=True,
    help="The state of attribution, a folder a partition, and its checkpoints.",
)
One = Annotated[int, typer.Option("--partition", "-p", min=0, help="Partition.")]
Some = Annotated[int | None, typer.Option("--partition", "-p", min=0, help="This one only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_WAIT_S = 60.0
_LOOK_S = 0.2


@app.command(name="inspect")
def inspect_state(
    home: Home = None,
    partition: Some = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not read checkpoints' files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every partition: how far it has read, its size, its checkpoints and whether each is
    whole, byte for byte.

    Works while the worker runs, and without it. Leaves with 1 if something is damaged; the file is
    named. A damaged checkpoint is never used: the one before it is.

    Example: afflux state inspect --json
    """
    settings = load_home(home)
    reports = [
        tending.look(Places(settings, number), read=not quick)
        for number in _numbers(settings, partition)
    ]
    if as_json:
        typer.echo(msgspec.json.encode(reports).decode())
    else:
        _print(reports)
    if any(report.damaged for report in reports):
        raise typer.Exit(1)


@app.command(name="checkpoint")
def make_checkpoint(home: Home = None, partition: Some = None, as_json: AsJson = False) -> None:
    """Make a checkpoint now, of every partition or of one.

    A partition that a worker owns is asked for one and makes it between two batches; one that
    nobody owns is opened here. Leaves with 1 when a checkpoint failed; the earlier ones stay.

    Example: afflux state checkpoint --partition 0
    """
    settings = load_home(home)
    made = [_checkpoint(Places(settings, n), settings) for n in _numbers(settings, partition)]
    if as_json:
        typer.echo(msgspec.json.encode(made).decode())
        return
    for path in made:
        typer.echo(path)


@app.command(name="restore")
def restore_state(
    partition: One,
    home: Home = None,
    number: Annotated[
        int | None, typer.Option("--from", min=1, help="Checkpoint; else the newest whole one.")
    ] = None,
) -> None:
    """Put a checkpoint in the place of a partition's live state; the worker must be stopped.

    The live folder and later checkpoints are set aside, not deleted. When the worker starts it
    reads the log from where the checkpoint stands, and decides the same as before.

    Example: afflux state restore --partition 0 --from 12
    """
    places = Places(load_home(home), partition)
    _tell(places, _told(places, lambda: tending.put_back(places, number)))


@app.command(name="rebuild")
def rebuild_state(
    partition: One,
    home: Home = None,
    since: Annotated[
        str | None, typer.Option(help="Read clicks from this instant on; else all Kafka has.")
    ] = None,
) -> None:
    """Begin an empty state that the worker builds from the log; the worker must be stopped.

    The live folder and all checkpoints are set aside, not deleted. What was decided and is older
    than the grace stands as it is. With --since choose an instant before the longest window.

    Example: afflux state rebuild --partition 0 --since 2026-01-01
    """
    places = Places(load_home(home), partition)
    at = instant(since, "--since")
    _tell(places, _told(places, lambda: tending.build_anew(places, at)))


def _numbers(settings: Settings, partition: int | None) -> list[int]:
    found = tending.partitions(settings)
    if partition is not None and partition not in found:
        raise Refused(f"partition {partition} has no state in {settings.home}")
    if not found:
        raise Refused(f"attribution has no state in {settings.home}")
    return found if partition is None else [partition]


def _checkpoint(places: Places, settings: Settings) -> str:
    try:
        manifest = tending.checkpoint(places, settings.checkpoint_keep)
        return str(places.checkpoints.path(manifest.number))
    except StoreBusy:
        return _ask(places)
    except StoreFault as fault:
        raise Refused(str(fault)) from fault
    except OSError as error:
        raise Refused(_sentence(places, error)) from error


def _ask(places: Places) -> str:
    """Ask the owner, wait, and return the new checkpoint's folder."""
    folder, checkpoints = places.checkpoints.folder, places.checkpoints
    before = max(checkpoints.numbers(), default=0)
    ask(folder)
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        if (folder / "failed").exists():
            raise Refused((folder / "failed").read_text())
        newest = max(checkpoints.numbers(), default=0)
        if newest > before and not (folder / REQUEST).exists():
            return str(checkpoints.path(newest))
    raise Refused(
        f"the owner of partition {places.number} made no checkpoint within {_WAIT_S:.0f} s: "
        "look at `afflux status` and its log"
    )


def _told(places: Places, act: Callable[[], Mark]) -> Mark:
    try:
        return act()
    except StoreFault as fault:
        raise Refused(str(fault)) from fault
    except OSError as error:
        raise Refused(_sentence(places, error)) from error


def _sentence(places: Places, error: OSError) -> str:
    if "No space left" in str(error):
        return f"disk_full: {places.checkpoints.folder}: {full_sentence(places.checkpoints.folder)}"
    return str(error)


def _tell(places: Places, mark: Mark) -> None:
    source = "the log" if mark.number is None else f"checkpoint {mark.number}"
    typer.echo(f"partition {places.number}: goes on from {source} when the worker starts")
    for path in sorted(places.live.parent.glob(f"{places.live.name}.aside-*")):
        typer.echo(f"set aside: {path}", err=True)


def _print(reports: list[Report]) -> None:
    table = Table()
    for column in ("partition", "what", "age", "clicks", "flags", "conversions", "epoch"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for column in ("rows", "bytes"):
        table.add_column(column, justify="right")
    table.add_column("state", overflow="fold")
    for report in reports:
        live = report.live
        counts = [*_offsets(live.offsets), str(live.epoch), f"~{live.rows}", str(live.bytes)]
        table.add_row(str(report.partition), "live", "", *counts, live.state)
        for one in report.checkpoints:
            age = f"{(now_ms() - one.made_at) / 60_000:.1f} min" if one.made_at else "-"
            counts = [*_offsets(one.offsets), str(one.epoch), "", str(one.bytes)]
            table.add_row("", f"checkpoint {one.number}", age, *counts, one.state)
    wide_console().print(table)
    for report in reports:
        for path in report.aside:
            typer.echo(f"set aside, delete it when nobody needs it: {path}", err=True)


def _offsets(offsets: Mapping[str, int]) -> list[str]:
    topics = ("tracking.clicks", "fraud.click-flags", "tracking.conversions")
    return [str(offsets.get(topic, "-")) for topic in topics]
