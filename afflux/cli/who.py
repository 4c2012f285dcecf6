"""Who runs a command, for what is kept of it."""

from __future__ import annotations

import getpass


def login() -> str:
    """Return the name of who is logged in, or `unknown`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
