"""The share of some records among all of a sliding window, and when it is worth a warning."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from afflux.kernel.types import Millis

_STEPS = 60


class Limit(Struct, frozen=True):
    """Warn when more than `share` (0 to 1) of at least `least` records in `window_ms` are bad."""

    name: str
    share: float
    least: int
    window_ms: int


class Crossing(Struct, frozen=True):
    """The share went over its limit: `bad` of `total` records since `since`."""

    limit: Limit
    bad: int
    total: int
    since: Millis
    at: Millis


class ShareWatch:
    """Counts in steps of a sixtieth of the window, in log time.

    Warns once when the share goes over the limit and again only after it was back under it, so
    that one trouble is one alert. A record older than the window does not count.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._step_ms = max(1, limit.window_ms // _STEPS)
        self._steps: deque[list[int]] = deque()  # [step, bad, total], ascending
        self._bad = 0
        self._total = 0
        self._over = False

    @property
    def share(self) -> float:
        """The share now; 0 without records."""
        return self._bad / self._total if self._total else 0.0

    def state(self) -> dict[str, object]:
        """Return what the web view shows."""
        return {
            "share": round(self.share, 4),
            "limit": self.limit.share,
            "bad": self._bad,
            "total": self._total,
            "window_s": self.limit.window_ms // 1_000,
            "over": self._over,
        }

    def add(self, at: Millis, bad: bool) -> Crossing | None:
        """Take one record of log time `at`; return a crossing if it leads over the limit."""
        step = at // self._step_ms
        newest = self._steps[-1][0] if self._steps else step
        if step <= newest - _STEPS:
            return None
        self._count(step, bad)
        self._forget(max(step, newest) - _STEPS)
        was, limit = self._over, self.limit
        self._over = self._total >= limit.least and self._bad > limit.share * self._total
        if was or not self._over:
            return None
        since = Millis(self._steps[0][0] * self._step_ms)
        return Crossing(limit, self._bad, self._total, since, at)

    def _count(self, step: int, bad: bool) -> None:
        place = len(self._steps)
        while place and self._steps[place - 1][0] > step:
            place -= 1
        if not place or self._steps[place - 1][0] != step:
            self._steps.insert(place, [step, 0, 0])
            place += 1
        self._steps[place - 1][1] += bad
        self._steps[place - 1][2] += 1
        self._bad += bad
        self._total += 1

    def _forget(self, oldest: int) -> None:
        while self._steps and self._steps[0][0] <= oldest:
            _, bad, total = self._steps.popleft()
            self._bad -= bad
            self._total -= total
