"""A console whose tables are not squeezed where output is no terminal."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 140


def wide_console() -> Console:
    """Return a console as wide as its terminal, or 140 columns in a pipe or a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)
