"""Visitors whose browser says that they do not want to be followed."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

GPC, DNT = "gpc", "dnt"


class OptOut(StrEnum):
    """Which signals count (setting AFFLUX_EDGE_OPT_OUT)."""

    OFF = "off"
    GPC = "gpc"
    GPC_DNT = "gpc+dnt"


def signal(policy: OptOut, header: Callable[[str], str | None]) -> str | None:
    """Return the signal a visit is to be kept out of sight for, `gpc` or `dnt`, or None."""
    if policy is OptOut.GPC_DNT and header("sec-gpc") != "1" and header("dnt") == "1":
        return DNT
    return GPC if policy is not OptOut.OFF and header("sec-gpc") == "1" else None
