"""`afflux attribution models`: credit of channels over path summaries from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from afflux.cli.wide import wide_console

if TYPE_CHECKING:
    from services.attribution.paths.report import Line

_PLAIN = "markov,shapley,first,last,linear,position,time-decay"
_RATES = "shapley-cr"


class Format(StrEnum):
    """How the result is printed."""

    CSV = "csv"
    JSON = "json"
    TABLE = "table"


Paths = Annotated[Path, typer.Option(help="A CSV or Parquet file of path summaries.")]
PathColumn = Annotated[str, typer.Option(help="The column with the path.")]
Sep = Annotated[str, typer.Option(help="What stands between two channels.")]
Conversions = Annotated[str, typer.Option(help="How often the path led to a conversion.")]
Value = Annotated[str | None, typer.Option(help="The value of these conversions.")]
Null = Annotated[str | None, typer.Option(help="How often the path led to no conversion.")]
Models = Annotated[
    str | None, typer.Option("--models", help="Models, with commas between; default: all that can.")
]
Order = Annotated[
    int,
    typer.Option(
        min=1,
        help="Order of the Markov chain: channels it remembers. More than the longest path has "
        "change nothing.",
    ),
]
HalfLife = Annotated[
    float, typer.Option(min=1e-3, help="Half-life of time-decay, in steps of the path.")
]
Delimiter = Annotated[str, typer.Option(help="What stands between two columns of a CSV.")]
Output = Annotated[Format, typer.Option("--format", help="How to print.")]


def models(
    paths: Paths,
    path_column: PathColumn = "path",
    sep: Sep = " > ",
    conversions_column: Conversions = "total_conversions",
    value_column: Value = None,
    null_column: Null = None,
    names: Models = None,
    order: Order = 1,
    half_life: HalfLife = 1.0,
    delimiter: Delimiter = ",",
    output: Output = Format.TABLE,
) -> None:
    """Divide conversions, and their value, among the channels of the paths that led to them.

    Models: markov, shapley, shapley-cr, shapley-cr-full, first, last, linear, position,
    time-decay; what each means stands in docs/attribution-paths.md. Nothing is sampled. Prints
    channel, model, conversions, value. A bad row is named with its line, and nothing is printed.

    Example: afflux attribution models --paths paths.csv --null-column total_null --format csv
    """
    from services.attribution.paths.frames import Layout  # noqa: PLC0415 - the CLI starts fast
    from services.attribution.paths.models import Options  # noqa: PLC0415
    from services.attribution.paths.reading import read_paths  # noqa: PLC0415
    from services.attribution.paths.report import attribute, check_models  # noqa: PLC0415

    _check(sep, delimiter)
    check_models(wanted := _names(names, null_column), null_column is not None)
    layout = Layout(
        path=path_column,
        separator=sep,
        conversions=conversions_column,
        value=value_column,
        nulls=null_column,
        delimiter=delimiter,
    )
    found = read_paths(paths, layout)
    _print(attribute(found, wanted, Options(order, half_life)), output)
    if lost := found.untouched[0]:
        typer.echo(f"{lost:g} conversions had no touch and are credited to nobody", err=True)


def _print(lines: Sequence[Line], output: Format) -> None:
    from services.attribution.paths.report import as_csv, as_json  # noqa: PLC0415

    match output:
        case Format.CSV:
            typer.echo(as_csv(lines), nl=False)
        case Format.JSON:
            typer.echo(as_json(lines))
        case Format.TABLE:
            wide_console().print(_table(lines))


def _check(sep: str, delimiter: str) -> None:
    if not sep:
        raise typer.BadParameter("a separator is not empty", param_hint="--sep")
    if len(delimiter.encode()) != 1:
        raise typer.BadParameter("a delimiter is one character", param_hint="--delimiter")


def _names(names: str | None, null_column: str | None) -> list[str]:
    if names is None:
        names = _PLAIN if null_column is None else f"{_PLAIN},{_RATES}"
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise typer.BadParameter("name at least one model", param_hint="--models")
    return found


def _table(lines: Sequence[Line]) -> Table:
    valued = any(line.value is not None for line in lines)
    table = Table()
    table.add_column("channel")
    table.add_column("model")
    table.add_column("conversions", justify="right")
    if valued:
        table.add_column("value", justify="right")
    for line in lines:
        numbers = [line.conversions, line.value or 0.0][: 1 + valued]
        table.add_row(line.channel, line.model, *(f"{number:,.6f}" for number in numbers))
    return table
