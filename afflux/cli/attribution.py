"""`afflux attribution`: models on history. Each command stands in a module of its own."""

from __future__ import annotations

import typer

from afflux.cli.attribution_export import paths
from afflux.cli.attribution_fit import fit
from afflux.cli.attribution_models import models
from afflux.cli.attribution_shadow import shadow

app = typer.Typer(
    name="attribution",
    no_args_is_help=True,
    help="Attribution models on paths and on history. See docs/attribution-paths.md.",
)
app.command()(models)
app.command()(paths)
app.command()(fit)
app.command()(shadow)
