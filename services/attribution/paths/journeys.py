"""Journeys out of touches and conversions, and their summaries by path."""

from __future__ import annotations

import polars as pl

from services.attribution.paths.repeats import Repeats
from services.attribution.paths.summary import Paths, paths_of

WHO = ("visitor", "advertiser")
TOUCHES = {
    "visitor": pl.Binary,
    "advertiser": pl.Int64,
    "at": pl.Int64,
    "click": pl.Binary,
    "channel": pl.String,
}
"""A touch: whose, when (ms), its click id (which orders touches of one instant), its channel."""
CONVERSIONS = {
    "visitor": pl.Binary,
    "advertiser": pl.Int64,
    "at": pl.Int64,
    "value": pl.Float64,
}
"""A conversion: of whom (null if unknown), when (ms), its value in units of its currency."""


def journeys(touches: pl.DataFrame, conversions: pl.DataFrame, lookback_ms: int) -> pl.DataFrame:
    """Return every journey: visitor, at, path (a list of channels), conversions, value, nulls.

    The journey of a conversion is the touches of its visitor with its advertiser from `lookback`
    before it until it, both included; it may be empty. Who had touches and no conversion has one
    journey to null: the touches from `lookback` before the last one.
    """
    won = conversions.with_row_index("journey")
    age = pl.col("at") - pl.col("at_touch")
    seen = (
        won.join(touches, on=WHO, how="inner", suffix="_touch")
        .filter(age.is_between(0, lookback_ms))
        .sort("journey", "at_touch", "click")
        .group_by("journey", maintain_order=True)
        .agg(pl.col("channel").alias("path"))
    )
    converted = won.join(seen, on="journey", how="left", maintain_order="left").select(
        "visitor",
        "at",
        pl.col("path").fill_null(pl.lit([], dtype=pl.List(pl.String))),
        pl.lit(1, pl.Int64).alias("conversions"),
        pl.col("value").fill_null(0.0),
        pl.lit(0, pl.Int64).alias("nulls"),
    )
    return pl.concat([converted, _unconverted(touches, conversions, lookback_ms)])


def _unconverted(
    touches: pl.DataFrame, conversions: pl.DataFrame, lookback_ms: int
) -> pl.DataFrame:
    return (
        touches.join(conversions, on=WHO, how="anti")
        .with_columns(pl.col("at").max().over(WHO).alias("end"))
        .filter(pl.col("end") - pl.col("at") <= lookback_ms)
        .sort(*WHO, "at", "click")
        .group_by(WHO, maintain_order=True)
        .agg(pl.col("end").first().alias("at"), pl.col("channel").alias("path"))
        .select(
            "visitor",
            "at",
            "path",
            pl.lit(0, pl.Int64).alias("conversions"),
            pl.lit(0.0).alias("value"),
            pl.lit(1, pl.Int64).alias("nulls"),
        )
    )


def with_repeats(found: pl.DataFrame, repeats: Repeats) -> pl.DataFrame:
    """Return the journeys with runs of a channel as one touch, or each channel once, or as is."""
    path, each = pl.col("path"), pl.element()
    match repeats:
        case Repeats.COLLAPSE:
            return found.with_columns(path.list.eval(each.filter(each.ne_missing(each.shift()))))
        case Repeats.ONCE:
            return found.with_columns(path.list.unique(maintain_order=True))
        case Repeats.KEEP:
            return found


def summarised(found: pl.DataFrame) -> pl.DataFrame:
    """Return one row a path, sorted: path (a list), conversions, value, nulls."""
    return found.group_by("path").agg(pl.col("conversions", "value", "nulls").sum()).sort("path")


def as_paths(summary: pl.DataFrame) -> Paths:
    """Return a summary for the models."""
    return paths_of(summary.select("path", "conversions", "value", "nulls").iter_rows())
