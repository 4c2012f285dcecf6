"""`afflux attribution shadow`: run another model beside an offer's own, without effect on money."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from afflux.cli.options import Home
from afflux.cli.who import login
from afflux.kernel import scalars
from afflux.kernel.catalog import MODEL_NAMES, Catalog, ModelTerms, ShadowModel
from afflux.kernel.catalog.attribution_fields import decimal_text
from afflux.kernel.catalog.fields import show_entity
from afflux.kernel.types import Millis
from afflux.runtime.catalog_one import ending, putting
from afflux.runtime.catalog_store import Applied, apply_plan, load_catalog
from afflux.runtime.clock import now_ms
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings


def shadow(
    model: Annotated[str, typer.Option(help="The model to try: linear, time_decay, ...")] = "",
    offer: Annotated[int, typer.Option(help="The offer.")] = 0,
    goal: Annotated[str | None, typer.Option(help="One goal only; default: all.")] = None,
    half_life: Annotated[str, typer.Option(help="Of time_decay, such as 7d.")] = "",
    first: Annotated[str, typer.Option(help="Part of the first touch, of position.")] = "",
    last: Annotated[str, typer.Option(help="Part of the last touch, of position.")] = "",
    weights: Annotated[str | None, typer.Option(help="Frozen weights of markov, shapley.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End it.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show what runs.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, kept with the change.")] = None,
    author: Annotated[str | None, typer.Option(help="Who; default: the login name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: Home = None,
) -> None:
    """Run another model on the live stream beside an offer's own, or end that.

    It begins with the conversions reported from now on, writes to attribution.shadow, and moves no
    money; `afflux kpi shadow` shows what would move. Leaves with 1 when something is wrong.

    Example: afflux attribution shadow --model linear --offer 101 --reason "is last click fair?"
    """
    settings = load_home(home)
    if listing:
        _list(settings, as_json)
        return
    if not model or not offer:
        raise typer.BadParameter("give --model and --offer, or --list", param_hint="--model")
    run = ShadowModel(
        offer_id=offer, goal=goal, model=_terms(model, half_life, first, last, weights)
    )
    plan = ending(run.kind, run.entity_id) if stop else putting(run)
    done = asyncio.run(apply_plan(settings, plan, author or login(), reason))
    _say(run, done, stop, as_json)


def _terms(name: str, half_life: str, first: str, last: str, weights: str | None) -> ModelTerms:
    given: dict[str, Any] = {
        "half_life_s": _read(scalars.duration, half_life, "--half-life"),
        "first": _read(decimal_text, first, "--first"),
        "last": _read(decimal_text, last, "--last"),
        "weights": weights,
    }
    _read(scalars.one_of(*MODEL_NAMES), name, "--model")
    return ModelTerms(name=name, **{key: value for key, value in given.items() if value})


def _read(parse: Callable[[str], object], text: str, option: str) -> object:
    try:
        return parse(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _say(run: ShadowModel, done: Applied, stop: bool, as_json: bool) -> None:
    at = done.recorded_at
    if as_json:
        known = None if at is None else scalars.instant_text(at)
        report = {"id": run.entity_id, "running": not stop, "changed": at is not None}
        typer.echo(json.dumps({**report, "known_from": known}))
        return
    what = f"{run.entity_id} {'has ended' if stop else 'runs'}"
    typer.echo(f"{what}; nothing changed" if at is None else _since(what, at))


def _since(what: str, at: Millis) -> str:
    return f"{what}, for conversions reported from {scalars.instant_text(at)} on"


def _list(settings: Settings, as_json: bool) -> None:
    shown = _running(asyncio.run(load_catalog(settings)))
    if as_json:
        typer.echo(json.dumps(shown))
        return
    if not shown:
        typer.echo("no trial runs")
    for one in shown:
        typer.echo("  ".join(f"{key}={_flat(value)}" for key, value in one.items()))


def _running(catalog: Catalog) -> list[dict[str, Any]]:
    now = now_ms()
    return [
        {"id": run.entity_id, **_plain(show_entity(run))}
        for run, _ in catalog.all(ShadowModel, now, now)
    ]


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case int() | str():
            return value
        case _:
            return str(value)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {inner}" for key, inner in value.items()) + ")"
    return str(value)
