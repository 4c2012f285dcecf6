"""`afflux attribution redecide`: decide conversions again, with what the catalogue says today."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from afflux.cli.attribution_customer import tell
from afflux.cli.options import Home, instant
from afflux.cli.waiting import wait
from afflux.cli.who import login
from afflux.cli.wide import wide_console
from afflux.kernel import scalars
from afflux.kernel.ids import conversion_key
from afflux.kernel.reasons import REASONS
from afflux.kernel.types import AdvertiserId
from afflux.runtime.homes import load_home
from services.attribution.domain.preview import Preview, Prospect
from services.attribution.redecide import Plan, Which, ask, plan

_SHOWN = 20


def redecide(
    offer: Annotated[int | None, typer.Option(help="Only with a touch or terms of it.")] = None,
    advertiser: Annotated[int | None, typer.Option(help="Only of this advertiser.")] = None,
    goal: Annotated[str | None, typer.Option(help="Only of this goal.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Ordered then or later.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Ordered before then.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only those nobody is credited with, for this reason.")
    ] = None,
    txn: Annotated[
        list[str] | None,
        typer.Option(metavar="ADVERTISER:GOAL:TRANSACTION", help="Only this one; repeatable."),
    ] = None,
    note: Annotated[str, typer.Option(help="Why; kept with each request.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Send; without it nothing is sent.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Send also for those that look unchanged.")
    ] = False,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide conversions again after a rule was changed retroactively.

    Shows which conversions are meant and what would become of them; with --yes they are sent to
    attribution, which publishes a new version of each decision that changes, and the ledger
    follows by compensation. How much of each was paid does not matter: what is owed is corrected.

    Example: afflux attribution redecide --offer 7 --reason outside_window --note "30 days agreed"
    """
    which = _which(offer, advertiser, goal, since, until, reason, txn or [])
    if yes and not note.strip():
        raise typer.BadParameter("say why: it is kept with each request", param_hint="--note")
    settings = load_home(home)
    found = wait(settings, plan(settings, which))
    chosen = [one for one in found.previews if every or one.prospect is not Prospect.STAYS]
    if yes and chosen:
        wait(settings, ask(settings, chosen, found.known_at, login(), note.strip()))
    sent = len(chosen) if yes else 0
    _print(found, chosen, sent, as_json)


def _which(
    offer: int | None,
    advertiser: int | None,
    goal: str | None,
    since: str | None,
    until: str | None,
    reason: str | None,
    txns: Sequence[str],
) -> Which:
    if offer is None and advertiser is None and not txns:
        raise typer.BadParameter("say which: --offer, --advertiser or --txn", param_hint="--offer")
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"no reason code {reason!r}", param_hint="--reason")
    keys = frozenset(_key(text) for text in txns)
    return Which(
        advertiser,
        offer,
        goal,
        instant(since, "--from"),
        instant(until, "--to"),
        reason,
        keys,
    )


def _key(text: str) -> bytes:
    owner, _, rest = text.partition(":")
    goal, _, transaction = rest.partition(":")
    if not owner.isdigit() or not goal or not transaction:
        raise typer.BadParameter(f"{text!r} is not ADVERTISER:GOAL:TRANSACTION", param_hint="--txn")
    return conversion_key(AdvertiserId(int(owner)), goal, transaction, None)


def _print(found: Plan, chosen: Sequence[Preview], sent: int, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_told(found, chosen, sent), indent=1))
        return
    counts = Counter(one.prospect for one in found.previews)
    for prospect in Prospect:
        typer.echo(f"{counts[prospect]:>8} {prospect}")
    if chosen:
        table = Table("ordered", "advertiser", "goal", "transaction", "now", "then")
        for one in chosen[:_SHOWN]:
            table.add_row(*_row(one))
        wide_console().print(table)
    if len(chosen) > _SHOWN:
        typer.echo(f"... and {len(chosen) - _SHOWN} more (--json shows all)")
    if sent:
        typer.echo(f"asked to decide {sent} again")
    elif chosen:
        typer.echo(f"nothing was sent: --yes asks to decide {len(chosen)} again")
    else:
        typer.echo("nothing to decide again")


def _row(one: Preview) -> list[str]:
    now = one.now
    then = "its customer decides" if one.prospect is Prospect.CUSTOMER else tell(one.then)
    return [
        scalars.instant_text(now.occurred_at),
        str(now.advertiser_id),
        now.goal,
        now.transaction_id or now.conversion_key.hex(),
        tell(now),
        then,
    ]


def _told(found: Plan, chosen: Sequence[Preview], sent: int) -> dict[str, Any]:
    counts = Counter(one.prospect for one in found.previews)
    names = ("ordered_at", "advertiser", "goal", "transaction", "now", "then")
    return {
        "known_at": found.known_at,
        "counts": {prospect.name.lower(): counts[prospect] for prospect in Prospect},
        "sent": sent,
        "conversions": [
            {"conversion_key": one.now.conversion_key.hex(), "prospect": one.prospect.name.lower()}
            | dict(zip(names, _row(one), strict=True))
            for one in chosen
        ],
    }
