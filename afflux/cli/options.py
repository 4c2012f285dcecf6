"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from afflux.kernel import scalars
from afflux.kernel.types import Millis

Home = Annotated[Path | None, typer.Option(help="Folder of all state; AFFLUX_HOME, else .afflux.")]


def instant(text: str | None, option: str) -> Millis | None:
    """Return the instant an option names, None where it was not given.

    Errors: BadParameter for a text that is none.
    """
    try:
        return None if text is None else scalars.instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
