"""`afflux ledger`: balances, a partner's entries, its statement."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from afflux.cli.options import Home
from afflux.cli.wide import wide_console
from afflux.kernel.events import LedgerEntry
from afflux.kernel.money import major
from afflux.kernel.types import Millis
from afflux.runtime.homes import load_home

if TYPE_CHECKING:
    from services.payouts.domain.statement import Money, Statement

app = typer.Typer(
    name="ledger", no_args_is_help=True, help="The double-entry ledger: who owes whom how much."
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Partner = Annotated[int, typer.Option("--partner", min=1, help="The partner's id.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, UTC.")]
COLUMNS = (
    "recorded_at kind debit credit amount currency reason rule_id rule_version fx_rate "
    "conversion_key event_id corrects chain sequence"
).split()


class Format(StrEnum):
    """How entries are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command()
def balances(
    home: Home = None,
    account: Annotated[str, typer.Option(help="Only accounts that begin so.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show every balance that is not zero. All of a currency sum to zero.

    What advertisers owe is negative, what the network owes its partners positive.

    Example: afflux ledger balances --account partner:
    """
    from services.payouts.reading import read_balances  # noqa: PLC0415 - slow to import

    found = asyncio.run(read_balances(load_home(home)))
    rows = [
        {"account": name, "currency": currency, "minor": minor, "amount": major(minor, currency)}
        for (name, currency), minor in found.items()
        if minor and name.startswith(account)
    ]
    if as_json:
        _print_json(rows)
        return
    table = Table("account", "amount", "currency")
    table.columns[1].justify = "right"
    for row in rows:
        table.add_row(str(row["account"]), str(row["amount"]), str(row["currency"]))
    wide_console().print(table)


@app.command()
def entries(
    partner: Partner,
    home: Home = None,
    as_json: AsJson = False,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
) -> None:
    """Show every entry of a partner, in the order of its chain, with rule, rate and reason.

    Example: afflux ledger entries --partner 7 --format csv
    """
    from services.payouts.reading import read_partner  # noqa: PLC0415 - slow to import

    found = asyncio.run(read_partner(load_home(home), partner))
    if as_json or output is Format.JSON:
        _print_json([_plain(entry) for entry in found])
    elif output is Format.CSV:
        writer = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(map(_plain, found))
    else:
        _print_table(COLUMNS[:10], map(_plain, found))


@app.command()
def statement(
    partner: Partner,
    home: Home = None,
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    since: Day = None,
    until: Day = None,
    as_json: AsJson = False,
) -> None:
    """Show a partner's statement a currency: what it had, what moved it, what it has.

    Example: afflux ledger statement --partner 7 --currency EUR --since 2026-01-01
    """
    from services.payouts.reading import read_statements  # noqa: PLC0415 - slow to import

    start, end = _millis(since) or Millis(0), _millis(until)
    found = asyncio.run(read_statements(load_home(home), partner, start, end))
    wanted = [one for one in found if currency in (None, one.currency)]
    if as_json:
        _print_json([_statement_json(one) for one in wanted])
        return
    for one in wanted:
        _print_statement(one)
    if not wanted:
        typer.echo(f"partner {partner} has no entries", err=True)


def _plain(entry: LedgerEntry) -> dict[str, Any]:
    """Return an entry for people: bytes as hexadecimal, instants as text, the amount with cents."""
    values = {name: getattr(entry, name) for name in entry.__struct_fields__}
    texts = {n: v.hex() if isinstance(v, bytes) else v for n, v in values.items()}
    return texts | {
        "amount": major(entry.amount_minor, entry.currency),
        "recorded_at": _text(entry.recorded_at),
        "occurred_at": _text(entry.occurred_at),
    }


def _statement_json(one: Statement) -> dict[str, Any]:
    lines = [
        _plain(line.entry) | {"change": msgspec.to_builtins(line.change)} for line in one.lines
    ]
    sides = {"opening": one.opening, "closing": one.closing}
    return {
        "partner_id": one.partner_id,
        "currency": one.currency,
        **{name: msgspec.to_builtins(side) | {"due": side.due} for name, side in sides.items()},
        "lines": lines,
    }


def _print_statement(one: Statement) -> None:
    title = f"partner {one.partner_id}, {one.currency}"
    table = Table("time", "entry", "reason", "conversion", title=title)
    for state in ("pending", "available", "in payout", "paid"):
        table.add_column(state, justify="right")
    table.add_row("", "opening", "", "", *_amounts(one.opening, one.currency))
    for line in one.lines:
        key = line.entry.conversion_key or line.entry.payout_id or b""
        what = (_text(line.entry.recorded_at), line.entry.kind, line.entry.reason, key.hex()[:12])
        table.add_row(*what, *_amounts(line.change, one.currency, blank=True))
    table.add_row("", "closing", "", "", *_amounts(one.closing, one.currency), style="bold")
    wide_console().print(table)


def _amounts(money: Money, currency: str, *, blank: bool = False) -> list[str]:
    values = (money.pending, money.available, money.in_payout, money.paid)
    return ["" if blank and not value else major(value, currency) for value in values]


def _print_table(columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    wide_console().print(table)


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def _millis(day: datetime | None) -> Millis | None:
    return None if day is None else Millis(int(day.replace(tzinfo=UTC).timestamp() * 1000))


def _text(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
