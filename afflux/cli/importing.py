"""`afflux import clicks` and `afflux import conversions`: history from a CSV."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.kernel.document import Problems
from afflux.runtime.catalog_file import FileRefused
from afflux.runtime.homes import load_home
from afflux.runtime.yaml_document import load_document

if TYPE_CHECKING:
    from services.tracking.importer import Summary
    from services.tracking.importer_file import CsvFile
    from services.tracking.importer_map import ImportMap

app = typer.Typer(
    name="import", no_args_is_help=True, help="History from elsewhere, with its original times."
)
File = Annotated[Path, typer.Argument(help="The CSV file; its first line names the columns.")]
Map = Annotated[Path, typer.Option("--map", help="What the columns mean, in YAML.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def clicks(file: File, map_file: Map, home: Home = None, as_json: Json = False) -> None:
    """Import clicks. A row that was imported before is not sent again.

    Refused rows go, with their reasons, beside the input (events.csv: events.rejected.csv);
    the rest is sent. Leaves with 1 if a row was refused.

    Example: afflux import clicks events.csv --map clicks.map.yaml
    """
    _import("clicks", file, map_file, home, as_json)


@app.command()
def conversions(file: File, map_file: Map, home: Home = None, as_json: Json = False) -> None:
    """Import conversions. A row that was imported before is not sent again.

    Refused rows go, with their reasons, beside the input (events.csv: events.rejected.csv);
    the rest is sent. Leaves with 1 if a row was refused.

    Example: afflux import conversions events.csv --map conversions.map.yaml
    """
    _import("conversions", file, map_file, home, as_json)


def _import(kind: str, path: Path, map_path: Path, home: Path | None, as_json: bool) -> None:
    try:
        found, file = _open(kind, path, map_path)
    except FileRefused as refused:
        for line in refused.lines():
            typer.secho(line, err=True, fg="red")
        raise typer.Exit(1) from refused
    try:
        summary = _run(found, file, path, map_path, home)
    finally:
        file.close()
    if as_json:
        typer.echo(msgspec.json.encode(summary).decode())
    else:
        wide_console().print(_table(summary, path))
        if summary.rejected_file:
            typer.echo(f"refused rows and their reasons: {summary.rejected_file}")
    if summary.refused:
        raise typer.Exit(1)


def _open(kind: str, path: Path, map_path: Path) -> tuple[ImportMap, CsvFile]:
    """Read the map and the header; everything that is wrong with both is reported at once."""
    from services.tracking.importer_file import CsvFile  # noqa: PLC0415 - the CLI starts fast
    from services.tracking.importer_map import check_header, read_map  # noqa: PLC0415

    problems = Problems()
    found = read_map(load_document(map_path, problems), kind, problems)
    if found is None:
        raise FileRefused(map_path, problems)
    try:
        file = CsvFile(path, found.delimiter, found.encoding)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from error
    except csv.Error as error:
        raise Refused(f"{path} is no CSV file for us: {error}") from error
    check_header(file.header, found, problems)
    if problems:
        file.close()
        raise FileRefused(map_path, problems)
    return found, file


def _run(found: ImportMap, file: CsvFile, path: Path, map_path: Path, home: Path | None) -> Summary:
    from services.tracking.importer import Source, import_file  # noqa: PLC0415
    from services.tracking.importer_file import file_digest  # noqa: PLC0415
    from services.tracking.user_agents import UserAgents  # noqa: PLC0415

    settings = load_home(home)
    size = path.stat().st_size
    with _bar() as bar:
        hashing = bar.add_task("reading", total=size, rows="")
        digest = file_digest(
            path, map_path.read_bytes(), lambda done: bar.update(hashing, completed=done)
        )
        bar.remove_task(hashing)
        task = bar.add_task("importing", total=size, rows="")

        def tell(read: int, rows: int) -> None:
            bar.update(task, completed=read, rows=f"{rows:,} rows")

        source = Source(path, digest, found)
        return asyncio.run(import_file(settings, source, file, UserAgents(), tell))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[rows]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _table(summary: Summary, path: Path) -> Table:
    table = Table(title=path.name, title_justify="left")
    table.add_column("rows")
    table.add_column("count", justify="right")
    for name in ("read", "skipped", "sent", "repeated", "refused"):
        table.add_row(name, f"{getattr(summary, name):,}")
    for reason, count in sorted(summary.reasons.items()):
        table.add_row(f"  {reason}", f"{count:,}")
    if summary.created:
        table.add_row("catalogue entities created", f"{summary.created:,}")
    return table
