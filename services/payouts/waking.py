"""Which conversions the clock wakes: those whose hold is over, and those whose money waits for a
rate that the catalogue may have by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from afflux.kernel.types import Millis
from services.payouts.queries import steps
from services.payouts.queries.steps import Db

LIMIT = 1_000
"""Most conversions woken in one batch, for each of the two causes."""
DUE_EVERY_MS = 100
SWEEP_EVERY_MS = 60_000


class Waking:
    """Asks the store at a bounded rate.

    A change of the catalogue is seen up to `lead_ms` before it is known (recorded), so the sweep
    over what waits starts that much later; one more sweep a minute needs no reason.
    """

    def __init__(self, lead_ms: int) -> None:
        self._lead_ms = lead_ms
        self.restart()

    def restart(self) -> None:
        """Forget what was asked: the partitions are new."""
        self._revision = -1
        self._due_at = 0
        self._sweep_at = 0
        self._again_at: int | None = None
        self._behind = b""

    async def keys(
        self, db: Db, partitions: Collection[int], as_of: Millis, revision: int
    ) -> dict[int, list[bytes]]:
        """Return the keys to wake by partition."""
        found: list[tuple[int, bytes]] = []
        if revision != self._revision:
            self._again_at = as_of + self._lead_ms + 1
            self._revision = revision
        if as_of >= self._due_at:
            found += await steps.due(db, sorted(partitions), as_of, LIMIT)
            self._due_at = as_of + (0 if len(found) >= LIMIT else DUE_EVERY_MS)
        if as_of >= min(self._sweep_at, self._again_at or self._sweep_at):
            found += await self._sweep(db, partitions, as_of)
        woken: dict[int, list[bytes]] = defaultdict(list)
        for partition, key in dict.fromkeys(found):
            woken[partition].append(bytes(key))
        return woken

    async def _sweep(
        self, db: Db, partitions: Collection[int], as_of: Millis
    ) -> list[tuple[int, bytes]]:
        found = await steps.waiting(db, sorted(partitions), self._behind, LIMIT)
        if len(found) < LIMIT:
            self._behind, self._sweep_at = b"", as_of + SWEEP_EVERY_MS
            if self._again_at is not None and as_of >= self._again_at:
                self._again_at = None
        else:
            self._behind, self._sweep_at = bytes(found[-1][1]), as_of
        return found
