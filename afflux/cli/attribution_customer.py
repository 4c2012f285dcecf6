"""`afflux attribution customer`: whose a customer is, and by which conversion."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from afflux.cli.options import Home
from afflux.cli.waiting import wait
from afflux.cli.wide import wide_console
from afflux.kernel import scalars
from afflux.kernel.events import CustomerBound, Decision
from afflux.runtime.homes import load_home
from services.attribution.customer_book import Line, read_book
from services.tracking.domain.privacy import customer_key, customer_secret

_COLUMNS = ("ordered", "goal", "transaction", "without the customer", "binds", "stands")


def customer(
    advertiser: Annotated[int, typer.Argument(help="The advertiser.")],
    customer_id: Annotated[str, typer.Argument(help="The customer_id of its reports.")],
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a customer's key and conversions, and by which of them it is bound to whom.

    The key is what `customer_bindings` in the catalogue name it by. Only conversions that the
    customer had a say in are shown: those of advertisers with lifetime offers.

    Example: afflux attribution customer 1 c-17
    """
    settings = load_home(home)
    secret = customer_secret(settings.secret.get_secret_value().encode())
    key = customer_key(secret, advertiser, customer_id)
    book = wait(settings, read_book(settings, key))
    rows = [dict(zip(_COLUMNS, _row(line), strict=True)) for line in book]
    if as_json:
        told: dict[str, Any] = {"customer": key.hex(), "conversions": rows}
        typer.echo(json.dumps(told, indent=1))
        return
    typer.echo(f"customer {key.hex()} of advertiser {advertiser}")
    if not rows:
        typer.echo("no conversions that the customer has a say in")
        return
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*row.values())
    wide_console().print(table)


def tell(decision: Decision) -> str:
    """Return in a few words who gets which part, or why nobody does."""
    if not decision.shares:
        return str(decision.reason)
    return ", ".join(
        f"partner {share.partner_id} {share.numerator}/{share.denominator}"
        for share in decision.shares
    )


def _row(line: Line) -> list[str]:
    asked, stands = line.asked, line.stands
    by = f"bound by {stands.bound_by.hex()[:8]}, " if stands.bound_by else ""
    return [
        scalars.instant_text(asked.occurred_at),
        asked.goal,
        asked.transaction_id or asked.conversion_key.hex(),
        f"{tell(asked)} ({asked.signal})",
        _binds(line.request),
        f"{tell(stands)} ({by}{stands.signal})",
    ]


def _binds(request: CustomerBound) -> str:
    if not request.shares:
        return "no"
    terms = []
    if request.months is not None:
        terms.append(f"{request.months} months")
    if request.payments is not None:
        terms.append(f"{request.payments} payments")
    return " and ".join(terms) or "for ever"
