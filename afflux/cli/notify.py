"""`afflux notify`: the postbacks to partners: their log, what is parked, the signing key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.kernel.catalog import Partner
from afflux.kernel.keys import partner_key
from afflux.runtime.catalog_store import load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home

app = typer.Typer(
    name="notify", no_args_is_help=True, help="Postbacks to partners: log, parked ones, keys."
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")]
Secrets = Annotated[
    bool, typer.Option(help="Show the values of URL parameters named like secrets.")
]
MaybePartner = Annotated[int | None, typer.Option("--partner", min=1, help="Id of a partner.")]
OnePartner = Annotated[int, typer.Option("--partner", min=1, help="Id of the partner.")]


@app.command("list")
def list_(
    home: Home = None,
    parked: Annotated[bool, typer.Option("--parked", help="Only those that are parked.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those not ended.")] = False,
    partner: MaybePartner = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show postbacks of all partners: state, attempts, the last status or reason, the next try.

    Example: afflux notify list --parked
    """
    from services.notify.reading import ALL, OPEN, PARKED, Asked, read_log  # noqa: PLC0415 - slow to import

    if parked and waiting:
        raise typer.BadParameter("a postback is parked or waiting, not both")
    states = PARKED if parked else OPEN if waiting else ALL
    found = asyncio.run(read_log(load_home(home), Asked(partner, states, limit=limit)))
    _show(found, as_json)


@app.command()
def log(
    partner: OnePartner,
    home: Home = None,
    conversion: Annotated[str, typer.Option(help="Only this conversion (its id, hex).")] = "",
    limit: Limit = 50,
    secrets: Secrets = False,
    as_json: AsJson = False,
) -> None:
    """Show a partner's postbacks with every attempt: URL, status, what was answered.

    Example: afflux notify log --partner 7 --json
    """
    from services.notify.reading import Asked, read_log  # noqa: PLC0415 - slow to import

    key = _hex(conversion, "conversion id") if conversion else None
    asked = Asked(partner, conversion_key=key, limit=limit, show_secrets=secrets)
    found = asyncio.run(read_log(load_home(home), asked))
    _show(found, as_json)
    if not as_json:
        for row in found:
            _show_attempts(row)


@app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Delivery ids.")] = None,
    home: Home = None,
    partner: MaybePartner = None,
    as_json: AsJson = False,
) -> None:
    """Send parked postbacks once more, for as long as new ones: by id, or all of a partner.

    A receiver that looks at {sequence} recognises one that is older than what it has.

    Example: afflux notify retry --partner 7
    """
    from services.notify import reading  # noqa: PLC0415 - slow to import

    settings = load_home(home)
    if bool(ids) == (partner is not None):
        raise typer.BadParameter("name delivery ids, or --partner for all that it has parked")
    if partner is not None:
        wanted = asyncio.run(reading.parked_of(settings, partner))
    else:
        wanted = [_hex(text, "delivery id") for text in ids or []]
    done = asyncio.run(reading.retry(settings, wanted))
    missing = [one.hex() for one in wanted if one not in done]
    if as_json:
        _print_json({"retried": [one.hex() for one in wanted if one in done], "missing": missing})
    else:
        typer.echo(f"{len(done)} postbacks will be sent again")
    if missing:
        raise Refused(f"not parked: {', '.join(missing[:10])}")


@app.command()
def key(partner: OnePartner, home: Home = None, as_json: AsJson = False) -> None:
    """Show the key that signs a partner's postbacks. Give it to nobody else.

    Example: afflux notify key --partner 7
    """
    settings = load_home(home)
    now = now_ms()
    found = asyncio.run(load_catalog(settings)).find(Partner, partner, now, now)
    if found is None:
        raise Refused(f"the catalogue has no partner {partner}")
    secret = settings.secret.get_secret_value().encode()
    text = partner_key(secret, partner, found.postback_key).decode()
    if as_json:
        _print_json({"partner": partner, "key_id": found.postback_key, "key": text})
    else:
        typer.echo(f"key    {found.postback_key}  {text}")


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        _print_json(found)
        return
    table = Table(
        "id", "partner", "conversion", "no", "event", "state", "tries", "last", "next", "url"
    )
    for row in found:
        last = row["reason"] or ("" if row["status"] is None else str(row["status"]))
        cells = (row["delivery_id"], row["partner_id"], row["conversion_key"][:12], row["number"])
        more = (row["event"], row["state"], row["attempts"], last, _text(row["next_at"]))
        table.add_row(*_cells((*cells, *more, f"{row['method']} {row['url']}")))
    wide_console().print(table)


def _show_attempts(row: dict[str, Any]) -> None:
    if not row["tried"]:
        return
    table = Table(
        "at", "ms", "status", "result", "answer", title=f"{row['event']} {row['event_id']}"
    )
    for one in row["tried"]:
        said = one["answer"] or one["detail"]
        table.add_row(
            *_cells((_text(one["at"]), one["took_ms"], one["status"], one["result"], said))
        )
    wide_console().print(table)


def _cells(values: Iterable[object]) -> list[str]:
    return ["" if value is None else str(value).replace("[", "\\[") for value in values]


def _hex(text: str, what: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 16:
        raise typer.BadParameter(f"{text[:40]!r} is not a {what}: 32 hexadecimal digits")
    return value


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _text(at: int | None) -> str:
    return (
        "" if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
    )
