"""The columns of a file of paths, as they were written: rows and types are checked elsewhere."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
from msgspec import Struct
from polars.exceptions import PolarsError

from afflux.kernel.document import unknown
from afflux.runtime.refused import Refused
from services.attribution.paths.bad_rows import ragged

PATH, WON, VALUE, LOST = "path", "conversions", "value", "nulls"
ROW = "row"
"""The number of a row in its file, from 0 below the header."""
_UNUSED = "\x1f"
"""A control character that no name has: joins paths that came as lists."""


class Layout(Struct, frozen=True, kw_only=True):
    """Which columns mean what, and how a path is written."""

    path: str = "path"
    separator: str = " > "
    conversions: str = "total_conversions"
    value: str | None = None
    nulls: str | None = None
    delimiter: str = ","

    def columns(self) -> dict[str, str]:
        """Return our names of the columns, with theirs."""
        found = {PATH: self.path, WON: self.conversions, VALUE: self.value, LOST: self.nulls}
        return {ours: theirs for ours, theirs in found.items() if theirs is not None}


def load(file: Path, layout: Layout) -> tuple[pl.DataFrame, str]:
    """Return the columns under our names with the numbers of rows, and what separates channels.

    Errors: Refused when the file cannot be read, a column is missing or there are no rows.
    """
    _check_roles(layout)
    try:
        found = _parquet(file, layout) if _is_parquet(file) else _csv(file, layout)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror or error}") from error
    columns = layout.columns()
    numbered = found.with_row_index(_UNUSED)
    frame = numbered.select(
        pl.col(_UNUSED).alias(ROW),
        *(pl.col(theirs).alias(ours) for ours, theirs in columns.items()),
    ).filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))
    if frame.is_empty():
        raise Refused(f"{file} has no rows below the names of its columns")
    if frame.schema[PATH] == pl.List(pl.String):
        return frame.with_columns(pl.col(PATH).list.join(_UNUSED)), _UNUSED
    if frame.schema[PATH] != pl.String:
        raise Refused(f"{file}: column {layout.path!r} holds {frame.schema[PATH]}, not text")
    return frame, layout.separator


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def _parquet(file: Path, layout: Layout) -> pl.DataFrame:
    try:
        _check(file, layout, list(pl.read_parquet_schema(file)))
        return pl.read_parquet(file, columns=sorted(set(layout.columns().values())))
    except PolarsError as error:
        raise Refused(f"{file} is no Parquet file for us: {error}") from error


def _csv(file: Path, layout: Layout) -> pl.DataFrame:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            if opened.readline().endswith("\r"):
                raise Refused(
                    f"{file}: its first line ends with a lone carriage return (CR): "
                    "save it with line ends LF or CRLF"
                )
            opened.seek(0)
            header = next(csv.reader(opened, delimiter=layout.delimiter), None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(ragged(file, layout.delimiter, str(error))) from error
    if header is None:
        raise Refused(f"{file} is empty")
    _check(file, layout, header)
    try:
        found = pl.read_csv(
            file,
            has_header=True,
            columns=[header.index(name) for name in dict.fromkeys(layout.columns().values())],
            separator=layout.delimiter,
            infer_schema=False,
        )
    except PolarsError as error:
        raise Refused(ragged(file, layout.delimiter, str(error).splitlines()[0])) from error
    trimmed = pl.exclude(layout.path).str.strip_chars()
    return found.with_columns(pl.when(trimmed == "").then(None).otherwise(trimmed).name.keep())


def _check_roles(layout: Layout) -> None:
    """Only the conversions may be another thing too: their own value."""
    roles = layout.columns()
    if layout.value == layout.conversions:
        del roles[VALUE]
    used = list(roles.values())
    for name in used:
        if used.count(name) > 1:
            raise Refused(
                f"column {name!r} is asked for as {' and as '.join(_roles(roles, name))}: "
                "a column has one role (only the value may be the conversions)"
            )


def _roles(roles: dict[str, str], name: str) -> list[str]:
    return [ours for ours, theirs in roles.items() if theirs == name]


def _check(file: Path, layout: Layout, header: list[str]) -> None:
    for name in layout.columns().values():
        if header.count(name) > 1:
            raise Refused(f"{file} has {header.count(name)} columns {name!r}: rename one")
        if name not in header:
            raise Refused(f"{file}: {unknown(name, header, 'column')}")
