"""`afflux visitors`: what is held of a visitor, and its erasure (law T5)."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from afflux.cli.asking import ask
from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.kernel.events import Erasure
from afflux.kernel.ids import derive
from afflux.kernel.keys import click_key
from afflux.kernel.token import TokenError, verify
from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.codec import Codec
from afflux.runtime.homes import load_home
from afflux.runtime.producer import Publisher, PublishError
from afflux.runtime.settings import Settings
from afflux.runtime.visitor_log import Held, held_of

app = typer.Typer(
    name="visitors",
    no_args_is_help=True,
    help="What is held of a visitor, and its erasure. See docs/privacy.md.",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[
    str, typer.Argument(metavar="KEY", help="The visitor's cookie (32 hex digits), or a click id.")
]
Keys = Annotated[
    list[str],
    typer.Argument(metavar="KEY...", help="Visitors' cookies (32 hex digits), or click ids."),
]


@app.command()
def erase(
    keys: Keys,
    home: Home = None,
    reason: Annotated[str | None, typer.Option(help="Why, kept with the erasure.")] = None,
    author: Annotated[str | None, typer.Option(help="Who; default: the login name.")] = None,
    as_json: Json = False,
) -> None:
    """Forget visitors: delete journeys and analytics rows, refuse what comes later.

    Edges follow within a second, stores as soon as they have read what the log holds. An erasure
    cannot be taken back; the second one of a visitor changes nothing. Name nobody in --reason: it
    is kept for ever.

    Example: afflux visitors erase 8f14e45fceea167a5a36dedd4bea2543 --reason "request 17"
    """
    settings = load_home(home)
    visitors = [_visitor(settings, key) for key in keys]
    events = _erasures(settings, visitors, author or getpass.getuser(), reason)
    asyncio.run(_publish(settings, events))
    if as_json:
        typer.echo(json.dumps({"erased": [visitor.hex() for visitor in visitors]}, indent=1))
        return
    for visitor in visitors:
        typer.echo(f"{visitor.hex()} is being erased; see `afflux visitors show {visitor.hex()}`")


@app.command()
def show(key: Key, home: Home = None, as_json: Json = False) -> None:
    """Show how much is held of a visitor, by store.

    Kafka's records stay until their retention is over; ClickHouse's rows go with an erasure.

    Example: afflux visitors show 8f14e45fceea167a5a36dedd4bea2543
    """
    settings = load_home(home)
    visitor = _visitor(settings, key)
    stored: dict[str, Any] = json.loads(ask(settings.kpi_url, f"/v1/visitors/{visitor.hex()}", []))
    log = asyncio.run(held_of(settings, visitor))
    if as_json:
        kafka = {name: {"records": one.records, "retention": one.retention} for name, one in log}
        typer.echo(json.dumps({**stored, "kafka": kafka}, indent=1))
        return
    wide_console().print(_table(stored, log, settings.retention_visitor_days))
    typer.echo(f"erased: {stored['erased_at'] or 'no'}")


def _visitor(settings: Settings, text: str) -> bytes:
    """Return the visitor key of a cookie or of a click id. Errors: Refused when it is neither."""
    if len(text) == 32:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    secret = settings.secret.get_secret_value().encode()
    active = [int(number) for number in settings.click_key_ids.split(",")]
    try:
        return verify(text, {number: click_key(secret, number) for number in active}).visitor_key
    except TokenError as error:
        raise Refused(
            f"{text!r} is neither a visitor's cookie (32 hexadecimal digits) nor a click id of "
            f"this network ({error})"
        ) from error


def _erasures(
    settings: Settings, visitors: Sequence[bytes], author: str, reason: str | None
) -> list[Erasure]:
    """Return the events; they hold a moment later, so that all who must know can (law A2)."""
    at = Millis(now_ms() + settings.catalog_lead_ms)
    return [
        Erasure(
            event_id=derive("erasure", visitor, at),
            occurred_at=at,
            recorded_at=at,
            tenant_id=settings.tenant_id,
            visitor_key=visitor,
            author=author[:100],
            reason=reason and reason[:500],
        )
        for visitor in dict.fromkeys(visitors)
    ]


async def _publish(settings: Settings, events: Sequence[Erasure]) -> None:
    publisher = Publisher(settings, Codec.load(), "cli")
    try:
        await publisher.start()
        await publisher.publish(events)
    except PublishError as error:
        raise Refused(f"nothing was erased: {error}") from error
    finally:
        await publisher.stop()


def _kept(table: str, days: int) -> str:
    """Return how long a table leads to its visitor if nobody erases it."""
    limited = days > 0 and table != "raw_tracking_conversions"
    return f"{days} days, or until erased" if limited else "until erased"


def _table(stored: dict[str, Any], log: Sequence[tuple[str, Held]], days: int) -> Table:
    table = Table(title=f"Visitor {stored['visitor_key']}", title_justify="left")
    for name in ("where", "held", "kept"):
        table.add_column(name, justify="right" if name == "held" else "left")
    for name, count in stored["rows"].items():
        table.add_row(f"ClickHouse {name}", f"{count:,}", _kept(name, days))
    for name, one in log:
        table.add_row(f"Kafka {name}", f"{one.records:,}", one.retention)
    return table
