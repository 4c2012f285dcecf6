"""Path summaries from CSV and Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from afflux.runtime.refused import Refused
from services.attribution.paths.bad_rows import refuse_row
from services.attribution.paths.frames import LOST, PATH, ROW, VALUE, WON, Layout, load
from services.attribution.paths.summary import Paths

MAX_TOTAL = 1e300
"""Of a column: what models multiply and add up of it stays finite."""


def read_paths(file: Path, layout: Layout) -> Paths:
    """Read a file of path summaries; rows of the same path are added up.

    A path is channels joined by the separator (in Parquet also a list of texts); an empty one is
    what happened without a touch. Spaces around a channel are no part of its name. Counts are
    numbers >= 0; a value is any number, and may be left out where nothing was converted.
    Errors: Refused, with the line and the reason, for the first row that is not so; and for a
    column whose numbers, signs aside, add up to more than MAX_TOTAL.
    """
    frame, separator = load(file, layout)
    refuse = _refuser(file, layout)
    numbers = _numbers(frame, layout, refuse)
    _check_totals(file, numbers, layout)
    grouped = numbers.with_columns(_path(frame)).group_by(PATH).sum().sort(PATH)
    touched, bare = grouped.filter(pl.col(PATH) != ""), grouped.filter(pl.col(PATH) == "")
    split = touched[PATH].str.split(separator)
    channels, codes = _coded(split)
    if channels[:1] == ("",):
        refuse(*_first_gap(frame, separator))
    lengths = split.list.len().to_numpy()
    return Paths(
        channels,
        codes,
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        touched[WON].to_numpy(),
        touched[VALUE].to_numpy(),
        touched[LOST].to_numpy(),
        layout.value is not None,
        layout.nulls is not None,
        (float(bare[WON].sum()), float(bare[VALUE].sum())),
    )


def _path(frame: pl.DataFrame) -> pl.Series:
    blank = pl.col(PATH).is_null() | (pl.col(PATH).str.strip_chars() == "")
    return frame.select(pl.when(blank).then(pl.lit("")).otherwise(pl.col(PATH)).alias(PATH))[PATH]


def _coded(split: pl.Series) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the sorted names of the channels, and the number of each touch's channel."""
    flat = split.explode()
    if flat.is_empty():
        return (), np.zeros(0, dtype=np.int64)
    written = flat.unique().sort()
    touches = flat.cast(pl.Enum(written)).to_physical().to_numpy()
    names = written.str.strip_chars()
    channels = names.unique().sort()
    number = names.cast(pl.Enum(channels)).to_physical().to_numpy().astype(np.int64)
    return tuple(channels.to_list()), number[touches]


def _numbers(frame: pl.DataFrame, layout: Layout, refuse: Refuser) -> pl.DataFrame:
    found: dict[str, pl.Series] = {}
    for name in (WON, LOST, VALUE):
        if name not in frame.columns:
            found[name] = pl.Series(name, np.zeros(len(frame)))
            continue
        number = frame[name].cast(pl.Float64, strict=False)
        if name == VALUE:
            left_out = frame[name].is_null() & (found[WON] == 0)
            number = number.zip_with(~left_out, pl.Series(np.zeros(len(frame))))
        bad = number.is_null() | ~number.is_finite()
        if name != VALUE:
            bad |= number < 0
        if bad.any():
            row = int(bad.arg_max() or 0)
            refuse(frame[ROW][row], _why(layout.columns()[name], frame[name][row], name == VALUE))
        found[name] = number
    return pl.DataFrame(found)


def _check_totals(file: Path, numbers: pl.DataFrame, layout: Layout) -> None:
    for ours, theirs in layout.columns().items():
        if ours != PATH and not numbers[ours].abs().sum() <= MAX_TOTAL:
            raise Refused(
                f"{file}: the numbers of column {theirs!r} add up to more than {MAX_TOTAL:g}, "
                "which is too much to reckon with: take a larger unit"
            )


def _why(column: str, text: object, any_sign: bool) -> str:
    wanted = "a number" if any_sign else "a number >= 0"
    if text is None:
        return f"column {column!r} is empty; {wanted} is wanted"
    return f"column {column!r} holds {str(text)[:40]!r}; {wanted} is wanted"


def _first_gap(frame: pl.DataFrame, separator: str) -> tuple[int, str]:
    """Return the first row whose path has a channel without a name."""
    path = _path(frame)
    names = path.str.split(separator).list.eval(pl.element().str.strip_chars() == "")
    row = int(((path != "") & names.list.any()).arg_max() or 0)
    shown = path[row][:80]
    return frame[ROW][row], f"the path {shown!r} has a channel without a name"


Refuser = Callable[[int, str], None]


def _refuser(file: Path, layout: Layout) -> Refuser:
    def refuse(row: int, why: str) -> None:
        raise Refused(refuse_row(file, layout, row, why))

    return refuse
