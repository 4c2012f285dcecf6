"""`afflux kpi`: questions about the whole history, answered by the KPI API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.table import Table

from afflux.cli.asking import ask
from afflux.cli.kpi_format import Format
from afflux.cli.kpi_shadow import shadow
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.runtime.homes import load_home

_MAX_CELL = 24
app = typer.Typer(name="kpi")
Answer = Mapping[str, list[dict[str, object]] | list[str]]


@app.callback(invoke_without_command=True)
def kpi(
    context: typer.Context,
    by: Annotated[str, typer.Option(help="Dimensions, comma separated: partner,offer,day.")] = "",
    start: Annotated[str, typer.Option("--from", help="First day or instant, ISO 8601.")] = "",
    end: Annotated[str, typer.Option("--to", help="Day or instant that is not within.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="name=value, name=a,b or name!=value; repeatable.")
    ] = None,
    kpis: Annotated[str, typer.Option(help="KPIs, comma separated; `all` for all.")] = "",
    fmt: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    home: Home = None,
) -> None:
    """Show KPIs split by dimensions. Times are in UTC; money is never added across currencies.

    Example: afflux kpi --by partner,offer --from 2026-01-01 --where country=DE --format csv
    """
    if context.invoked_subcommand:
        return
    how = Format.JSON if as_json else fmt
    asked: list[tuple[str, str | int | float | bool | None]] = [
        ("by", by),
        ("kpis", kpis),
        ("from", start),
        ("to", end),
        ("format", "csv" if how is Format.CSV else "json"),
        *(("where", condition) for condition in where or []),
    ]
    text = ask(load_home(home).kpi_url, "/v1/kpi", asked)
    if how is Format.TABLE:
        console = wide_console()
        console.print(kpi_table(json.loads(text)))
    else:
        typer.echo(text, nl=how is Format.JSON)


app.command(name="shadow")(shadow)


def kpi_table(answer: Answer) -> Table:
    """Return a terminal table of an answer, with its totals below."""
    dimensions = [str(name) for name in answer["dimensions"]]
    kpis = [str(name) for name in answer["kpis"]]
    table = Table(show_footer=False, pad_edge=False)
    for name in dimensions:
        table.add_column(name, no_wrap=True)
    for name in kpis:
        table.add_column(name.replace("_", " "), justify="right")
    for row in _rows(answer, "rows"):
        table.add_row(*(_label(row, name) for name in dimensions), *_cells(row, kpis))
    if dimensions:
        table.add_section()
        for row in _rows(answer, "totals"):
            labels = ["total", *[""] * (len(dimensions) - 1)]
            if dimensions[-1] == "currency" and len(dimensions) > 1:
                labels[-1] = str(row.get("currency") or "")
            table.add_row(*labels, *_cells(row, kpis))
    return table


def _rows(answer: Answer, part: str) -> list[dict[str, object]]:
    return [row for row in answer[part] if isinstance(row, dict)]


def _label(row: Mapping[str, object], dimension: str) -> str:
    name = row.get(f"{dimension}_name")
    value = row[dimension]
    if value in ("", 0):
        return "-"
    return f"{value} {name}"[:_MAX_CELL] if name else str(value)


def _cells(row: Mapping[str, object], kpis: Sequence[str]) -> list[str]:
    return [_shown(name, row[name]) for name in kpis]


def _shown(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2%}"
    if name.startswith("ctit") and isinstance(value, int):
        return f"{value / 1000:,.1f} s"
    return f"{value:,}" if isinstance(value, int) else str(value)
