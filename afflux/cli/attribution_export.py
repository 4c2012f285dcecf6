"""`afflux attribution paths`: path summaries out of the log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afflux.cli.attribution_history import (
    Currency,
    Goal,
    Lookback,
    Since,
    Until,
    catalogue,
    read,
    scope,
)
from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.kernel.catalog import Catalog, Partner
from afflux.kernel.document import unknown
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from services.attribution.paths.repeats import Repeats

if TYPE_CHECKING:
    import polars as pl

    from services.attribution.paths.history import ChannelOf

_NONE = "(none)"
_SUBS = {f"sub{number}": number - 1 for number in range(1, 11)}


def paths(
    offer: Annotated[int | None, typer.Option(help="Only clicks of this offer.")] = None,
    goal: Goal = None,
    since: Since = "ever",
    until: Until = None,
    lookback: Lookback = "30d",
    by: Annotated[
        str, typer.Option(help="What a channel is: partner, partner_id, offer, link, source, subN.")
    ] = "partner",
    repeats: Annotated[
        Repeats, typer.Option(help="Runs of one channel: keep, collapse; or each channel once.")
    ] = Repeats.KEEP,
    currency: Currency = None,
    sep: Annotated[str, typer.Option(help="What stands between two channels.")] = " > ",
    out: Annotated[Path | None, typer.Option(help="A file; default: standard output.")] = None,
    home: Home = None,
) -> None:
    """Write path summaries of what was tracked or imported, as CSV for `attribution models`.

    Columns: path, total_conversions, total_conversion_value, total_null. A conversion's path is
    the clicks of its visitor with the same advertiser from --lookback before it; a visitor
    without conversion is one path to null. Invalid clicks and rejected conversions are left out.

    Example: afflux attribution paths --offer 1 --out paths.csv
    """
    from services.attribution.paths.journeys import (  # noqa: PLC0415 - the CLI starts fast
        summarised,
        with_repeats,
    )

    settings = load_home(home)
    catalog = catalogue(settings)
    wanted = scope(catalog, offer, goal, since, until, lookback, currency)
    summary = summarised(with_repeats(read(settings, wanted, channel_of(by, catalog)), repeats))
    text = as_csv(summary, sep)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)
    typer.echo(_counted(summary), err=True)


def _counted(summary: pl.DataFrame) -> str:
    won, lost = summary.select("conversions", "nulls").sum().row(0)
    return f"{len(summary):,} paths of {won:,} conversions and {lost:,} visitors without"


def as_csv(summary: pl.DataFrame, sep: str) -> str:
    """Return a summary as CSV. Errors: Refused when a channel's name holds the separator."""
    import polars as pl  # noqa: PLC0415

    names = summary["path"].explode().drop_nulls().unique()
    clash = names.filter(names.str.contains(sep, literal=True))
    if len(clash):
        raise Refused(f"the channel {clash[0]!r} holds the separator {sep!r}: choose another --sep")
    return summary.select(
        pl.col("path").list.join(sep),
        pl.col("conversions").alias("total_conversions"),
        pl.col("value").alias("total_conversion_value"),
        pl.col("nulls").alias("total_null"),
    ).write_csv()


def channel_of(by: str, catalog: Catalog) -> ChannelOf:
    """Return what the channel of a click is. Errors: Refused for a word nobody knows."""
    if by == "partner":
        names = {each.id: each.name for each, _ in catalog.all(Partner, now_ms(), Millis(2**62))}
        return lambda click: names.get(click.partner_id, str(click.partner_id))
    if by in _SUBS:
        place = _SUBS[by]
        return lambda click: (click.sub[place : place + 1] or [""])[0] or _NONE
    plain: dict[str, ChannelOf] = {
        "partner_id": lambda click: str(click.partner_id),
        "offer": lambda click: str(click.offer_id),
        "link": lambda click: str(click.link_id),
        "source": lambda click: click.source or _NONE,
    }
    if by not in plain:
        raise Refused(unknown(by, ["partner", *plain, *_SUBS], "channel"))
    return plain[by]
