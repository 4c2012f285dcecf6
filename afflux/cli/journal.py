"""`afflux journal inspect | repair`: what an edge answered for and Kafka does not have yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.kernel import scalars
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from services.tracking.domain.entries import Kind
from services.tracking.journal import inspect as journal
from services.tracking.journal.repair import repair as mend
from services.tracking.journal.segment import JournalOutdated

app = typer.Typer(
    name="journal",
    no_args_is_help=True,
    help="The journal of an edge: what it answered for, on disk until Kafka has it.",
)
Folder = Annotated[
    Path | None,
    typer.Argument(metavar="[PATH]", help="A journal's folder; else that of the edge of --home."),
]
EdgeId = Annotated[str | None, typer.Option(help="Edge whose journal it is; AFFLUX_EDGE_ID.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="inspect")
def inspect_journal(
    path: Folder = None,
    home: Home = None,
    edge_id: EdgeId = None,
    records: Annotated[int, typer.Option(min=0, help="Also show the newest N records.")] = 0,
    kind: Annotated[str | None, typer.Option(help="Records of this kind only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every byte of a journal and say what it holds, what Kafka has of it, and how old the
    rest is.

    Works while edge and shipper run, and without them. Leaves with 1 if a segment is damaged: see
    `afflux journal repair`. A torn end of the newest segment is a write under way, or one that a
    crash cut off; the edge cuts it when it starts. Personal data is shown as it is kept.

    Example: afflux journal inspect --records 5 --kind click
    """
    chosen = _kind(kind)
    folder = _folder(path, home, edge_id)
    try:
        report = journal.inspect(folder)
        shown = journal.newest_records(folder, records, chosen) if records else []
    except JournalOutdated as error:
        raise Refused(str(error)) from error
    if as_json:
        _print_json({**_summary(report), "records": shown})
    else:
        _print(report)
        for one in shown:
            _print_json(one)
    if report.damaged:
        raise typer.Exit(1)


@app.command(name="repair")
def repair_journal(
    path: Folder = None, home: Home = None, edge_id: EdgeId = None, as_json: AsJson = False
) -> None:
    """Make damaged closed segments readable again, so that the shipper goes on behind the damage.

    The bytes that are no record stay in files beside the segment; their positions become a hole, so
    that `afflux verify` goes on missing what was answered for and is not in Kafka. May run beside
    edge and shipper. The newest segment is the edge's: it mends that when it starts.

    Example: afflux journal repair --edge-id edge-2
    """
    folder = _folder(path, home, edge_id)
    try:
        mended = mend(folder)
    except JournalOutdated as error:
        raise Refused(str(error)) from error
    if as_json:
        _print_json(mended)
        return
    for one in mended:
        typer.echo(
            f"{one.segment}: {one.bytes} bytes at byte {one.at} were no record, {one.lost} lost; "
            f"kept in {one.kept_in}"
        )
    if not mended:
        typer.echo("nothing to repair in closed segments", err=True)
    if journal.inspect(folder).damaged:
        raise Refused("the newest segment is damaged: the edge mends it when it starts")


def _folder(path: Path | None, home: Path | None, edge_id: str | None) -> Path:
    if path is not None and (home is not None or edge_id is not None):
        raise typer.BadParameter("give either PATH or --home and --edge-id")
    if path is None:
        settings = load_home(home)
        if edge_id is not None and settings.journal_dir is None:
            settings = settings.model_copy(update={"edge_id": edge_id})
        path = settings.journal
    if not path.is_dir():
        raise Refused(f"there is no journal in {path}")
    return path


def _kind(text: str | None) -> Kind | None:
    names = {kind.name.lower(): kind for kind in Kind}
    if text is not None and text not in names:
        raise typer.BadParameter(f"there are {', '.join(names)}", param_hint="--kind")
    return None if text is None else names[text]


def _summary(report: journal.Report) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(report)
    return {**told, "damaged": report.damaged, "oldest_unshipped_age_s": _age_s(report)}


def _age_s(report: journal.Report) -> float | None:
    oldest = report.oldest_unshipped_at
    return None if oldest is None else (now_ms() - oldest) / 1_000


def _print(report: journal.Report) -> None:
    table = Table()
    table.add_column("segment", no_wrap=True)
    table.add_column("created at")
    for column in ("first position", "bytes", *(kind.name.lower() for kind in Kind), "shipped"):
        table.add_column(column, justify="right")
    table.add_column("state")
    for one in report.segments:
        created = "-" if one.created_at is None else scalars.instant_text(Millis(one.created_at))
        numbers = [one.first_position, one.bytes, *one.records.values(), one.shipped]
        table.add_row(one.file, created, *map(_number, numbers), _state(one))
    wide_console().print(table)
    age = _age_s(report)
    typer.echo(f"{report.folder}: {report.bytes} bytes, shipped up to {report.shipped_position}")
    typer.echo(
        "everything is shipped"
        if age is None
        else f"{report.unshipped} records are not, the oldest for {age:.1f} s"
    )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _state(one: journal.Segment) -> str:
    lost = f", {one.lost} lost" if one.lost else ""
    return (one.state if one.at is None else f"{one.state} at byte {one.at}") + lost


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value).decode())
