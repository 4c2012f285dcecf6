"""Leaving alone an endpoint that does not answer, but for a probe now and then.

Every delivery keeps its own schedule; this bounds how many of them knock at a dead door at once,
and how long each of them occupies a place that others could use.
"""

from __future__ import annotations

from msgspec import Struct

from afflux.kernel.types import Millis

TRIES = 5
FIRST_MS = 1_000
LONGEST_MS = 60_000


class Breaker(Struct, frozen=True):
    """`failures`: attempts in a row that found nobody; `open_until`: no attempt before that."""

    failures: int = 0
    open_until: Millis = Millis(0)

    def failed(self, now: Millis) -> Breaker:
        """Return the breaker after nobody answered at `now`."""
        failures = self.failures + 1
        if failures < TRIES:
            return Breaker(failures, self.open_until)
        wait = min(LONGEST_MS, FIRST_MS << min(failures - TRIES, 16))
        return Breaker(failures, Millis(now + wait))

    def room(self, most: int, busy: int, now: Millis) -> int:
        """Return how many attempts may begin: one at a time while it is not known to answer."""
        if now < self.open_until:
            return 0
        return max(0, (1 if self.failures >= TRIES else most) - busy)
