"""Who runs this command, for what keeps its author."""

from __future__ import annotations

import getpass


def login() -> str:
    """Return the login name, `unknown` where the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
