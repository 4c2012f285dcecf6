"""What the sender does now and then: gauges, parking what is given up, forgetting old log."""

from __future__ import annotations

from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.pg import Pool
from afflux.runtime.settings import Settings
from services.notify.queries import deliveries, stories
from services.notify.queries.deliveries import Counts

COUNT_EVERY_MS = 10_000
PARK_EVERY_MS = 5_000
FORGET_EVERY_MS = 600_000
AT_ONCE = 1_000
DAY_MS = 86_400_000
STORY_DAYS = 400
"""A story outlives its last change by this: what comes later is told to nobody."""


class Housekeeping:
    """Each chore at its own pace; see the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts = Counts(0, 0, None)
        self._age_s = 0.0
        self._next = {"count": 0, "park": 0, "forget": 0}

    def status(self) -> dict[str, object]:
        """Return the last counts."""
        return {
            "waiting": self._counts.waiting,
            "parked": self._counts.parked,
            "oldest_s": round(self._age_s),
        }

    async def turn(self, pool: Pool, now: Millis) -> None:
        """Do what is due."""
        if self._is_due("park", now, PARK_EVERY_MS):
            await self._park(pool, now)
        if self._is_due("count", now, COUNT_EVERY_MS):
            await self._count(pool, now)
        if self._is_due("forget", now, FORGET_EVERY_MS):
            await self._forget(pool, now)

    def _is_due(self, chore: str, now: Millis, every_ms: int) -> bool:
        if now < self._next[chore]:
            return False
        self._next[chore] = now + every_ms
        return True

    async def _park(self, pool: Pool, now: Millis) -> None:
        async with pool.connection() as db, db.transaction():
            give_up_ms = 1000 * self._settings.notify_give_up_s
            parked = await deliveries.park_late(db, now, give_up_ms, AT_ONCE)
        if parked:
            metrics.POSTBACKS.labels("parked").inc(parked)

    async def _count(self, pool: Pool, now: Millis) -> None:
        async with pool.connection() as db:
            self._counts = counts = await deliveries.counts(db)
        self._age_s = 0.0 if counts.oldest_at is None else max(0, now - counts.oldest_at) / 1000
        metrics.POSTBACKS_WAITING.set(counts.waiting)
        metrics.POSTBACKS_PARKED.set(counts.parked)
        metrics.POSTBACK_OLDEST_SECONDS.set(self._age_s)

    async def _forget(self, pool: Pool, now: Millis) -> None:
        before = Millis(now - self._settings.notify_log_days * DAY_MS)
        old = Millis(now - STORY_DAYS * DAY_MS)
        async with pool.connection() as db:
            while await deliveries.forget(db, before, AT_ONCE) == AT_ONCE:
                await db.commit()
            await db.commit()
            while await stories.forget(db, old, AT_ONCE) == AT_ONCE:
                await db.commit()
