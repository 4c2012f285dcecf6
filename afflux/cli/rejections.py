"""`afflux rejections list | show ID | resubmit ID...`: reports that the edges refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from afflux.cli.options import Home, instant
from afflux.cli.waiting import wait
from afflux.cli.who import login
from afflux.cli.wide import wide_console
from afflux.kernel import scalars
from afflux.kernel.reasons import REASONS
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings
from services.tracking.domain.refusal import Refusal
from services.tracking.resubmit import (
    Filter,
    Kept,
    Wish,
    choose,
    outcome,
    prepare,
    read_rejections,
    resubmit,
)

app = typer.Typer(
    name="rejections",
    no_args_is_help=True,
    help="Reports that an edge refused, kept as they were sent.",
)
Owner = Annotated[int | None, typer.Option(help="Only of this advertiser.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason code.")]
Since = Annotated[str | None, typer.Option(help="Only since then, e.g. 2026-01-31T12:00:00Z.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(name="list")
def list_rejections(
    home: Home = None,
    advertiser: Owner = None,
    reason: Reason = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """List the refused reports, oldest first, and what was resubmitted.

    Example: afflux rejections list --advertiser 1 --since 2026-01-31
    """
    wanted = _filter(advertiser, reason, since)
    settings = load_home(home)
    found = wait(settings, read_rejections(settings, wanted))
    if as_json:
        _print_json([_summary(kept) for kept in found])
    elif not found:
        typer.echo("no rejections", err=True)
    else:
        wide_console().print(_table(found))


@app.command()
def show(
    rejection_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or how it begins.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show one refused report: why, what was sent, and what became of it.

    Tokens and signatures are hidden.

    Example: afflux rejections show 019a3f
    """
    settings = load_home(home)
    (kept,) = choose(wait(settings, read_rejections(settings, Filter())), [rejection_id])
    if as_json:
        _print_json({**_summary(kept), **_details(kept)})
        return
    for line in _lines(kept):
        typer.echo(line)


@app.command(name="resubmit")
def resubmit_rejections(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Ids, or how they begin.")
    ] = None,
    home: Home = None,
    every: Annotated[
        bool, typer.Option("--all", help="All that the filters leave and that are not done.")
    ] = False,
    advertiser: Owner = None,
    reason: Reason = None,
    since: Since = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a field; empty takes it away."),
    ] = None,
    owner: Annotated[
        int | None,
        typer.Option("--as", help="Whose reports they are, where the sender was not proven."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send refused reports again through the edge, after what was wrong was mended.

    They go to the endpoint they came to, signed by the network for their advertiser. What named
    no order time keeps the time at which it first came in. A report that is known already is
    answered as the duplicate it is, so nothing is paid twice. Leaves with 1 if one is refused.

    Example: afflux rejections resubmit 019a3f --set goal=sale
    """
    wanted = _filter(advertiser, reason, since)
    _check(wanted, every, ids or [])
    wish, settings = Wish(_changes(changes or []), owner, login()), load_home(home)
    found = wait(settings, read_rejections(settings, wanted))
    chosen = [kept for kept in found if not _is_done(kept)] if every else choose(found, ids or [])
    if dry_run:
        told = [(kept, _preview(kept, wish)) for kept in chosen]
    else:
        told = wait(settings, _resubmit(settings, chosen, wish, as_json))
    _tell(told, dry_run, as_json)


def _check(wanted: Filter, every: bool, ids: Sequence[str]) -> None:
    if every == bool(ids):
        raise typer.BadParameter("give either IDs or --all")
    if every and wanted == Filter():
        raise typer.BadParameter("--all goes with --reason, --advertiser or --since")


def _tell(told: Sequence[tuple[Kept, dict[str, object]]], dry_run: bool, as_json: bool) -> None:
    """Show what became of each report, and leave with 1 if one was refused."""
    if as_json:
        _print_json({"resubmitted": [{"id": kept.id, "answer": each} for kept, each in told]})
    elif dry_run:
        for kept, each in told:
            typer.echo(_answer_line(kept, each))
    refused = sum(outcome(each) == "refused" for _, each in told)
    done = "would be sent" if dry_run else "sent"
    typer.echo(f"{len(told) - refused} {done}, {refused} refused", err=True)
    if refused:
        raise typer.Exit(1)


async def _resubmit(
    settings: Settings, chosen: Sequence[Kept], wish: Wish, quiet: bool
) -> list[tuple[Kept, dict[str, object]]]:
    told = []
    async for kept, answer in resubmit(settings, chosen, wish):
        told.append((kept, answer))
        if not quiet:
            typer.echo(_answer_line(kept, answer))
    return told


def _preview(kept: Kept, wish: Wish) -> dict[str, object]:
    made = prepare(kept, wish)
    if isinstance(made, Refusal):
        return made.as_answer()
    request, owner = made
    where = f"{request.path}?{request.query}" if request.query else request.path
    return {
        "status": "dry run",
        "advertiser": owner,
        "request": f"{request.method} {where}",
        "body": request.body.decode("utf-8", "replace"),
    }


def _answer_line(kept: Kept, answer: dict[str, object]) -> str:
    if "request" in answer:
        return f"{kept.id}  {answer['request']} {answer['body']}".rstrip()
    status = outcome(answer)
    why = f"{answer.get('reason') or ''} {answer.get('detail') or ''}".strip()
    results = answer.get("results")
    if status == "refused" and isinstance(results, list):
        why = "; ".join(str(each.get("reason")) for each in results if each.get("reason"))
    return f"{kept.id}  {status}{'  ' + why if status == 'refused' else ''}"


def _filter(advertiser: int | None, reason: str | None, since: str | None) -> Filter:
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"no reason code {reason!r}", param_hint="--reason")
    return Filter(advertiser, reason, instant(since, "--since"))


def _changes(texts: Sequence[str]) -> dict[str, str]:
    changes = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not FIELD=VALUE", param_hint="--set")
        changes[name] = value
    return changes


def _is_done(kept: Kept) -> bool:
    return kept.attempt is not None and kept.attempt.done


def _summary(kept: Kept) -> dict[str, Any]:
    rejection, attempt = kept.rejection, kept.attempt
    return {
        "id": kept.id,
        "received_at": rejection.occurred_at,
        "advertiser": rejection.advertiser_id,
        "path": rejection.path,
        "status": rejection.status,
        "reason": rejection.reason,
        "field": rejection.field,
        "detail": rejection.detail,
        "conversion_key": None
        if rejection.conversion_key is None
        else rejection.conversion_key.hex(),
        "edge": rejection.edge_id,
        "resubmitted": None if attempt is None else msgspec.to_builtins(attempt),
    }


def _details(kept: Kept) -> dict[str, Any]:
    rejection = kept.rejection
    known = REASONS.get(rejection.reason)
    return {
        "sentence": {"en": known.en, "ru": known.ru} if known else None,
        "method": rejection.method,
        "query": rejection.query,
        "content_type": rejection.content_type,
        "body": b64encode(rejection.body).decode(),
    }


def _table(found: Sequence[Kept]) -> Table:
    table = Table()
    table.add_column("id", no_wrap=True)  # whole, to be copied into the next command
    for column in ("received at", "advertiser", "path", "reason", "field", "detail", "resubmitted"):
        table.add_column(column)
    for kept in found:
        rejection, attempt = kept.rejection, kept.attempt
        table.add_row(
            kept.id,
            scalars.instant_text(rejection.occurred_at),
            "-" if rejection.advertiser_id is None else str(rejection.advertiser_id),
            rejection.path,
            f"{rejection.status} {rejection.reason}",
            rejection.field or "",
            rejection.detail[:80],
            attempt.outcome if attempt else "",
        )
    return table


def _lines(kept: Kept) -> Iterator[str]:
    rejection, attempt = kept.rejection, kept.attempt
    known = REASONS.get(rejection.reason)
    yield f"id           {kept.id}"
    yield f"received     {scalars.instant_text(rejection.occurred_at)} by {rejection.edge_id}"
    yield f"advertiser   {rejection.advertiser_id or 'not proven'}"
    yield f"reason       {rejection.reason}: {known.en if known else 'not in the catalogue'}"
    yield f"detail       {rejection.detail}"
    if rejection.field:
        yield f"field        {rejection.field}"
    if attempt:
        when = scalars.instant_text(attempt.sent_at)
        why = f" ({attempt.reason})" if attempt.reason else ""
        yield f"resubmitted  {when} by {attempt.author}: {attempt.outcome}{why}"
    where = f"{rejection.path}?{rejection.query}" if rejection.query else rejection.path
    yield f"request      {rejection.method} {where}"
    if rejection.content_type:
        yield f"type         {rejection.content_type}"
    if rejection.body:
        yield f"body         {rejection.body.decode('utf-8', 'backslashreplace')}"


def _print_json(value: Any) -> None:
    typer.echo(msgspec.json.encode(value).decode())
