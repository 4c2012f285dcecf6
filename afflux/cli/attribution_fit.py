"""`afflux attribution fit`: weights of partners from history, as a document of the catalogue."""

from __future__ import annotations

import asyncio
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afflux.cli.attribution_history import (
    Goal,
    Lookback,
    Since,
    Until,
    catalogue,
    read,
    scope,
)
from afflux.cli.errors import Refused
from afflux.cli.options import Home
from afflux.cli.who import login
from afflux.runtime.catalog_file import CatalogFile, FileRefused, to_yaml
from afflux.runtime.catalog_store import apply_plan
from afflux.runtime.homes import load_home
from afflux.runtime.settings import Settings

if TYPE_CHECKING:
    from services.attribution.paths.summary import Paths


class BatchModel(StrEnum):
    """Models whose weights come from history."""

    MARKOV = "markov"
    SHAPLEY = "shapley"


def fit(
    model: Annotated[BatchModel, typer.Option(help="The model.")],
    offer: Annotated[int, typer.Option(help="The offer whose history is looked at.")],
    goal: Goal = None,
    since: Since = "ever",
    until: Until = None,
    lookback: Lookback = "30d",
    order: Annotated[int, typer.Option(min=1, help="Order of the Markov chain.")] = 1,
    name: Annotated[
        str | None, typer.Option("--id", help="Id of the weights; default: offer-OFFER-MODEL.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply them to the catalogue.")] = False,
    home: Home = None,
) -> None:
    """Compute the weights of partners by markov or shapley from an offer's clicks and conversions.

    Prints a document for `afflux catalog apply`; with --apply it is applied too, as a new version
    of these weights. What was decided before keeps its version.

    Example: afflux attribution fit --model markov --offer 1 --from 2026-01-01 --apply
    """
    from services.attribution.paths.journeys import as_paths, summarised  # noqa: PLC0415

    settings = load_home(home)
    wanted = scope(catalogue(settings), offer, goal, since, until, lookback, valued=False)
    found = read(settings, wanted, lambda click: str(click.partner_id))
    paths = as_paths(summarised(found))
    weights = _weights(paths, offer, model, order)
    named = name or "-".join(["offer", str(offer), *([goal] if goal else []), model.value])
    said = (
        f"{model.value} weights of {paths.conversions.sum():g} conversions and "
        f"{paths.nulls.sum():g} journeys without, {_span(since, until)}"
    )
    document = {"attribution_weights": [{"id": named, "model": model.value, "weights": weights}]}
    text = to_yaml({"reason": said, **document})
    typer.echo(text, nl=False)
    if apply:
        _apply(settings, text, said)
        taken = f"model: {{name: {model.value}, weights: {named}}}"
        typer.echo(f"applied; an offer or a goal takes them by `{taken}`", err=True)


def _weights(paths: Paths, offer: int, model: BatchModel, order: int) -> dict[str, str]:
    from services.attribution.paths.markov import TooManyStates  # noqa: PLC0415
    from services.attribution.paths.weights import fit as fitted  # noqa: PLC0415

    if not paths.conversions.any():
        raise Refused(
            f"offer {offer} has no conversion with a click before it in this part of history: "
            "there is nothing to fit"
        )
    try:
        return fitted(paths, model.value, order)
    except TooManyStates as error:
        raise Refused(str(error)) from error


def _span(since: str, until: str | None) -> str:
    return f"from {since} to {until or 'now'}"


def _apply(settings: Settings, text: str, why: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.yaml"
        file.write_text(text)
        try:
            asyncio.run(apply_plan(settings, CatalogFile(file).plan, login(), why))
        except FileRefused as refused:
            raise Refused("\n".join(refused.lines())) from refused
