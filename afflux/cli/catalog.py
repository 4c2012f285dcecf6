"""`afflux catalog apply` and `afflux catalog export`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from afflux.cli.options import Home, instant
from afflux.cli.who import login
from afflux.kernel import scalars
from afflux.kernel.catalog.export import export_catalog
from afflux.kernel.catalog.plan import Plan, Step, differences, label
from afflux.runtime.catalog_file import CatalogFile, FileRefused, to_yaml
from afflux.runtime.catalog_store import Applied, apply_plan, load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings

app = typer.Typer(
    name="catalog",
    no_args_is_help=True,
    help="Partners, advertisers, offers, links, commission rules and FX rates, declared in YAML.",
)
_COLORS = {"+": "green", "~": "yellow", "-": "red"}
_SHOWN = 200


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The YAML file.")],
    home: Home = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, kept with every version.")] = None,
    author: Annotated[str | None, typer.Option(help="Who; default: the login name.")] = None,
) -> None:
    """Check a file, show the difference, write it as new versions and publish them.

    What the file does not name stays as it is; deletions stand in its `delete` list. Nothing is
    written unless all of the file is right. Leaves with 1 when it is not.

    Example: afflux catalog apply examples/demo/catalog.yaml --dry-run
    """
    settings = load_home(home)
    try:
        declared = CatalogFile(file)
        if dry_run:
            catalog = asyncio.run(load_catalog(settings))
            done = Applied(declared.plan(catalog, now_ms()), None, 0)
        else:
            why = reason or declared.declaration.reason
            done = asyncio.run(apply_plan(settings, declared.plan, author or login(), why))
    except FileRefused as refused:
        _show_problems(refused, as_json)
        raise typer.Exit(1) from refused
    if as_json:
        typer.echo(msgspec.json.encode(_report(file, done, dry_run)).decode())
    else:
        _show(done, dry_run)


@app.command()
def export(
    home: Home = None,
    at: Annotated[str | None, typer.Option(help="An instant, e.g. 2026-01-31T12:00:00Z.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the catalogue as YAML that `apply` takes without a change.

    With --at: as it was at that instant, as known then.

    Example: afflux catalog export --at 2026-01-31 > catalog.yaml
    """
    asked = instant(at, "--at")
    seen_at = now_ms() if asked is None else asked
    settings: Settings = load_home(home)
    sections = export_catalog(asyncio.run(load_catalog(settings)), seen_at, seen_at)
    typer.echo(msgspec.json.encode(sections).decode() if as_json else to_yaml(sections), nl=as_json)


def _show_problems(refused: FileRefused, as_json: bool) -> None:
    if as_json:
        report = {"file": str(refused.path), "errors": refused.problems}
        typer.echo(msgspec.json.encode(report).decode())
        return
    for line in refused.lines():
        typer.secho(line, err=True, fg="red")
    count = len(refused.problems)
    typer.echo(f"nothing was applied: {count} error{'s' if count > 1 else ''}", err=True)


def _show(done: Applied, dry_run: bool) -> None:
    for step in done.plan.steps[:_SHOWN]:
        typer.secho(f"{step.sign} {label(step)}{_validity(step)}", fg=_COLORS[step.sign])
        for change in differences(step):
            if step.sign == "+":
                typer.echo(f"      {change.path}: {change.after}")
            else:
                typer.echo(
                    f"      {change.path}: {_or_default(change.before)}"
                    f" -> {_or_default(change.after)}"
                )
    if len(done.plan.steps) > _SHOWN:
        typer.echo(f"... and {len(done.plan.steps) - _SHOWN} more")
    counts = _counts(done.plan)
    typer.echo(
        f"{counts['created']} created, {counts['changed']} changed, {counts['deleted']} deleted, "
        f"{counts['unchanged']} unchanged"
    )
    if done.resent:
        typer.echo(f"{done.resent} changes that an earlier apply left unpublished were published")
    if dry_run:
        typer.echo("dry run: nothing was written")
    elif done.recorded_at is not None:
        typer.echo(f"known to every service since {scalars.instant_text(done.recorded_at)}")


def _validity(step: Step) -> str:
    start = "" if step.valid_from == 0 else f" from {scalars.instant_text(step.valid_from)}"
    end = "" if step.valid_to is None else f" until {scalars.instant_text(step.valid_to)}"
    return start + end


def _or_default(text: str | None) -> str:
    return "(default)" if text is None else text


def _counts(plan: Plan) -> dict[str, int]:
    signs = [step.sign for step in plan.steps]
    return {
        "created": signs.count("+"),
        "changed": signs.count("~"),
        "deleted": signs.count("-"),
        "unchanged": plan.unchanged,
    }


def _report(file: Path, done: Applied, dry_run: bool) -> dict[str, Any]:
    steps = [
        {
            "sign": step.sign,
            "kind": step.kind,
            "id": step.entity_id,
            "version": step.version,
            "valid_from": step.valid_from,
            "valid_to": step.valid_to,
            "fields": differences(step),
        }
        for step in done.plan.steps
    ]
    return {
        "file": str(file),
        "dry_run": dry_run,
        "counts": _counts(done.plan),
        "changes": steps,
        "recorded_at": done.recorded_at,
        "resent": done.resent,
    }
