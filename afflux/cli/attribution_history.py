"""What the commands on history share: which part of it, and the journeys in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from afflux.cli.errors import Refused
from afflux.cli.waiting import wait
from afflux.kernel import scalars
from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.types import Millis
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from services.attribution.paths.history import ChannelOf, Scope

Goal = Annotated[str | None, typer.Option(help="Only conversions of this goal.")]
Since = Annotated[str, typer.Option("--from", help="Conversions from then on, e.g. 2026-01-31.")]
Until = Annotated[str | None, typer.Option("--to", help="Conversions before then; default: now.")]
Lookback = Annotated[str, typer.Option(help="How long before it a touch still belongs to it.")]
Currency = Annotated[str | None, typer.Option(help="Only conversions in this currency.")]


def catalogue(settings: Settings) -> Catalog:
    """Return the catalogue."""
    return asyncio.run(load_catalog(settings))


def scope(
    catalog: Catalog,
    offer: int | None,
    goal: str | None,
    since: str,
    until: str | None,
    lookback: str,
    currency: str | None = None,
    valued: bool = True,
) -> Scope:
    """Return the part of history that the options name.

    Errors: BadParameter for a time or a duration, Refused for an offer or a goal nobody knows.
    """
    from services.attribution.paths.history import Scope  # noqa: PLC0415 - the CLI starts fast

    advertiser = None if offer is None else _offer(catalog, offer, goal).advertiser_id
    try:
        start = scalars.instant(since)
        end = now_ms() if until is None else scalars.instant(until)
        lookback_ms = scalars.duration(lookback) * 1000
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return Scope(
        offer_id=offer,
        advertiser_id=advertiser,
        goal=goal,
        currency=currency,
        valued=valued,
        start=start,
        end=end,
        lookback_ms=lookback_ms,
    )


def read(settings: Settings, wanted: Scope, channel_of: ChannelOf) -> pl.DataFrame:
    """Return the journeys of a part of history. Errors: Refused when Kafka does not answer."""
    from services.attribution.paths.history import read_journeys  # noqa: PLC0415

    return wait(settings, read_journeys(settings, wanted, channel_of))


def _offer(catalog: Catalog, offer_id: int, goal: str | None) -> Offer:
    offer = catalog.find(Offer, offer_id, now_ms(), Millis(2**62))
    if offer is None:
        raise Refused(f"the catalogue has no offer {offer_id}")
    if goal is not None and offer.goal(goal) is None:
        raise Refused(f"offer {offer_id} has no goal {goal!r}")
    return offer
