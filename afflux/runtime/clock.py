"""The wall clock, in one place."""

from __future__ import annotations

import time

from afflux.kernel.types import Millis


def now_ms() -> Millis:
    """Return the current instant."""
    return Millis(time.time_ns() // 1_000_000)
