"""`afflux kpi shadow`: what another model would move, by partner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from afflux.cli.asking import ask
from afflux.cli.kpi_format import Format
from afflux.cli.wide import wide_console
from afflux.runtime.homes import load_home

_HEADS = {
    "partner": "partner",
    "conversions_real": "conversions",
    "conversions_shadow": "trial",
    "currency": "",
    "order_value_real": "order value",
    "order_value_shadow": "trial",
    "commission_real": "commission",
    "commission_shadow": "trial",
    "commission_moved": "would move",
}


def shadow(
    offer: Annotated[int, typer.Option(help="The offer.")],
    model: Annotated[str, typer.Option(help="The model on trial.")],
    goal: Annotated[str, typer.Option(help="One goal only.")] = "",
    start: Annotated[str, typer.Option("--from", help="First day or instant, ISO 8601.")] = "",
    end: Annotated[str, typer.Option("--to", help="Day or instant that is not within.")] = "",
    fmt: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    home: Annotated[
        Path | None, typer.Option(help="Folder of all state; AFFLUX_HOME, else .afflux.")
    ] = None,
) -> None:
    """Show what a trial run (`afflux attribution shadow`) would move between partners.

    The commission of each conversion is divided by the trial's shares; partners' own commission
    rules are not run again. No money moves.

    Example: afflux kpi shadow --offer 101 --model linear --from 2026-01-01
    """
    how = Format.JSON if as_json else fmt
    asked: list[tuple[str, str | int | float | bool | None]] = [
        ("offer", offer),
        ("model", model),
        ("from", start),
        ("to", end),
        ("format", "csv" if how is Format.CSV else "json"),
        *([("goal", goal)] if goal else []),
    ]
    text = ask(load_home(home).kpi_url, "/v1/kpi/shadow", asked)
    if how is Format.TABLE:
        _show(json.loads(text))
    else:
        typer.echo(text, nl=how is Format.JSON)


def _show(answer: dict[str, Any]) -> None:
    console = wide_console()
    table = Table(pad_edge=False)
    for name, head in _HEADS.items():
        table.add_column(head, justify="left" if name in ("partner", "currency") else "right")
    for row in answer["rows"]:
        table.add_row(*(_cell(row[name]) for name in _HEADS))
    table.add_section()
    for total in answer["totals"]:
        known = {**dict.fromkeys(_HEADS, ""), **total, "partner": "total"}
        table.add_row(*(_cell(known[name]) for name in _HEADS))
    console.print(table)
    console.print(
        f"{answer['conversions']} conversions; {answer['only_real']} that the trial credits to "
        f"nobody, {answer['only_shadow']} that it alone credits"
    )
    for total in answer["totals"]:
        if float(total["commission_lost"]):
            console.print(f"{total['commission_lost']} {total['currency']} would be nobody's")


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
