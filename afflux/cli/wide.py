"""A console whose tables are not squeezed where output is no terminal."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 160


def wide_console() -> Console:
    """Return a console as wide as its terminal, but at least 160 columns: a line that wraps can be
    read, a column squeezed to nothing cannot."""
    console = Console()
    return console if console.width >= _WIDTH else Console(width=_WIDTH)
