"""`afflux attribution`: models and trial runs."""

from __future__ import annotations

import typer

from afflux.cli.attribution_shadow import shadow

app = typer.Typer(
    name="attribution",
    no_args_is_help=True,
    help="Models of attribution: trial runs of another model beside an offer's own.",
)
app.command()(shadow)


@app.callback()
def root() -> None:
    """Models of attribution.

    Example: afflux attribution shadow --list
    """
