"""Time zones as data: a pure decision about local time needs no clock and no files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from msgspec import Struct

from afflux.kernel.types import Millis

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_MONDAY = 3  # 1 January 1970 was a Thursday


class ZoneRules(Struct, frozen=True):
    """From `instants[i]` on, local time is UTC plus `offsets[i]` milliseconds; both ascend in time
    and have the same length."""

    instants: tuple[int, ...]
    offsets: tuple[int, ...]

    def local(self, at: Millis) -> int:
        """Return the milliseconds that the clocks of the zone show, counted as if they were UTC."""
        if len(self.offsets) == 1:
            return at + self.offsets[0]
        return at + self.offsets[max(bisect_right(self.instants, at) - 1, 0)]


Zones = Callable[[str], ZoneRules]
UTC = ZoneRules((0,), (0,))


def week_minute(local: int) -> int:
    """Return the minute of the week, from Monday 00:00, of a local time."""
    days, rest = divmod(local, DAY_MS)
    return (days + _MONDAY) % 7 * 1_440 + rest // 60_000
