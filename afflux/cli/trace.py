"""`afflux trace`: everything that happened to a conversion, in order, and why; or what a partner
may know of it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.story import tell
from afflux.cli.why import tell_partner, tell_why
from afflux.cli.wide import wide_console
from afflux.kernel.catalog import Catalog, Offer
from afflux.kernel.ids import conversion_key
from afflux.kernel.types import AdvertiserId
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings

Trace = dict[str, Any]


def trace(
    key: Annotated[str, typer.Argument(help="Conversion key: 32 hexadecimal digits.")] = "",
    txn: Annotated[str, typer.Option(help="ADVERTISER:TRANSACTION instead of a key.")] = "",
    as_partner: Annotated[
        int | None, typer.Option(help="Only what this partner may know: no data of others.")
    ] = None,
    language: Annotated[str, typer.Option("--lang", help="Of the reasons: en or ru.")] = "en",
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show click, touches, decision, verdict and transfers of a conversion, and the reasons.

    Then why it is whose it is: each touch with its share or its reason, the versions of the
    decision, what other models would have given. A transaction with several goals shows one trace
    for each. Leaves with 1 if nothing is known, or the partner had no touch.

    Example: afflux trace --txn 1:T000042
    """
    if bool(key) == bool(txn):
        raise typer.BadParameter("give a conversion key or --txn, not both", param_hint="--txn")
    settings = load_home(home)
    if language not in ("en", "ru"):
        raise typer.BadParameter("en or ru", param_hint="--lang")
    traces = asyncio.run(_find(settings, key, txn, as_partner))
    if not traces:
        whose = "" if as_partner is None else f" of partner {as_partner} with a touch"
        raise Refused(f"nothing is known of {txn or key}{whose} (the sink may still be reading)")
    if as_json:
        typer.echo(json.dumps(traces, indent=1))
        return
    console = wide_console()
    for one in traces:
        if as_partner is not None:
            tell_partner(one, console, language)
        else:
            tell(one, console)
            tell_why(one["explanation"], console, language)


async def show_trace(
    settings: Settings, console: Console, advertiser_id: int, transaction_id: str
) -> None:
    """Print the traces of a transaction."""
    for one in await _find(settings, "", f"{advertiser_id}:{transaction_id}"):
        tell(one, console)
        tell_why(one["explanation"], console)


async def _find(
    settings: Settings, key: str, txn: str, partner_id: int | None = None
) -> list[Trace]:
    keys = [key] if key else _keys(await load_catalog(settings), txn)
    scope = "" if partner_id is None else f"/partners/{partner_id}"
    async with httpx.AsyncClient(base_url=settings.kpi_url, timeout=60) as client:
        traces = [await _ask(client, f"/v1{scope}/conversions/{one}/trace") for one in keys]
    return [one for one in traces if one is not None and (scope or _is_known(one))]


async def _ask(client: httpx.AsyncClient, path: str) -> Trace | None:
    try:
        answer = await client.get(path)
    except httpx.TransportError as error:
        raise Refused(f"the KPI API at {client.base_url} does not answer: {error}") from error
    if answer.status_code == 404:
        return None
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
