"""How KPIs are printed."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
