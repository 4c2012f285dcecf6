"""`afflux trace`: everything that happened to a conversion, in order, and why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from afflux.cli.errors import Refused
from afflux.cli.story import tell
from afflux.cli.wide import wide_console
from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.ids import conversion_key
from afflux.kernel.types import AdvertiserId
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings

Home = Annotated[Path | None, typer.Option(help="Folder of all state; AFFLUX_HOME, else .afflux.")]
Trace = dict[str, Any]


def trace(
    key: Annotated[str, typer.Argument(help="Conversion key: 32 hexadecimal digits.")] = "",
    txn: Annotated[str, typer.Option(help="ADVERTISER:TRANSACTION instead of a key.")] = "",
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show click, touches, decision, verdict and transfers of a conversion, and the reasons.

    A transaction with several goals shows one trace for each. Leaves with 1 if nothing is known.

    Example: afflux trace --txn 1:T000042
    """
    if bool(key) == bool(txn):
        raise typer.BadParameter("give a conversion key or --txn, not both", param_hint="--txn")
    settings = load_home(home)
    traces = asyncio.run(_find(settings, key, txn))
    if not traces:
        raise Refused(f"nothing is known of {txn or key} (the sink may still be reading)")
    if as_json:
        typer.echo(json.dumps(traces, indent=1))
        return
    for one in traces:
        tell(one, wide_console())


async def show_trace(
    settings: Settings, console: Console, advertiser_id: int, transaction_id: str
) -> None:
    """Print the traces of a transaction."""
    for one in await _find(settings, "", f"{advertiser_id}:{transaction_id}"):
        tell(one, console)


async def _find(settings: Settings, key: str, txn: str) -> list[Trace]:
    keys = [key] if key else _keys(await load_catalog(settings), txn)
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=60) as client:
        traces = [await _ask(client, one) for one in keys]
    return [one for one in traces if _is_known(one)]


async def _ask(client: httpx.AsyncClient, key: str) -> Trace:
    try:
        answer = await client.get(f"/v1/trace/{key}")
    except httpx.TransportError as error:
        raise Refused(f"the KPI API at {client.base_url} does not answer: {error}") from error
    if answer.status_code == 422:
        raise Refused(str(answer.json()["detail"]))
    answer.raise_for_status()
    found: Trace = answer.json()
    return found


def _is_known(found: Trace) -> bool:
    return any(rows for rows in found.values() if isinstance(rows, list))


def _keys(catalog: Catalog, txn: str) -> list[str]:
    """Return the keys that a transaction may have: one for each goal of the advertiser."""
    advertiser, colon, transaction = txn.partition(":")
    if not colon or not advertiser.isdigit() or not transaction:
        raise typer.BadParameter(f"{txn!r} is not ADVERTISER:TRANSACTION", param_hint="--txn")
    now = now_ms()
    goals = {
        goal.name
        for offer, _ in catalog.all(Offer, now, now)
        if offer.advertiser_id == int(advertiser)
        for goal in offer.goals
    }
    number = AdvertiserId(int(advertiser))
    return [conversion_key(number, goal, transaction, None).hex() for goal in sorted(goals)]
