"""`afflux attribution`: who is credited, and why. Each command stands in a module of its own."""

from __future__ import annotations

import typer

from afflux.cli.attribution_customer import customer
from afflux.cli.attribution_export import paths
from afflux.cli.attribution_fit import fit
from afflux.cli.attribution_models import models
from afflux.cli.attribution_redecide import redecide
from afflux.cli.attribution_shadow import shadow

app = typer.Typer(
    name="attribution",
    no_args_is_help=True,
    help="Models on paths and on history, trial runs, customers, deciding again. "
    "See docs/attribution.md.",
)
app.command()(models)
app.command()(redecide)
app.command()(customer)
app.command()(paths)
app.command()(fit)
app.command()(shadow)
