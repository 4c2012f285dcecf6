"""What a path does with a channel that stands in it more than once."""

from __future__ import annotations

from enum import StrEnum


class Repeats(StrEnum):
    """What becomes of a channel that stands in a journey more than once."""

    KEEP = "keep"
    COLLAPSE = "collapse"
    ONCE = "once"
