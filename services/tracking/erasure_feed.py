"""Erased visitors for the edge, followed from Kafka and kept on disk for a start without it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from afflux.runtime import metrics
from afflux.runtime.codec import Codec
from afflux.runtime.erasure_follower import ErasureFollower
from afflux.runtime.log import get_logger
from afflux.runtime.settings import Settings
from services.tracking.domain.erased import Damaged, pack, unpack

log = get_logger(__name__)
_POLL_S = 0.5


class ErasureFeed:
    """Follows the erasures; `keys` only grows, in place: about 100 bytes a visitor, 16 on disk."""

    def __init__(self, settings: Settings, cache: Path) -> None:
        self.keys: set[bytes] = set()
        self._cache = cache
        self._follower = ErasureFollower(settings, Codec.load())
        self._saved = 0
        self._taken = 0

    def load_cache(self) -> None:
        """Know what the last run knew. A damaged file is left aside: Kafka has them all."""
        try:
            self.keys |= unpack(self._cache.read_bytes())
            self._saved = len(self.keys)
        except FileNotFoundError:
            return
        except Damaged as error:
            log.error("erasures_cache_damaged", path=str(self._cache), error=str(error))

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until `stop`; Kafka may come and go, what is known stays."""
        await self._follower.keep(stop, _POLL_S, self._take, self._away)

    async def _away(self, error: Exception) -> None:
        log.warning("erasures_not_followed", error=repr(error))

    async def _take(self) -> None:
        if len(self._follower.view) != self._taken:
            self._taken = len(self._follower.view)
            self.keys.update(self._follower.view)
        if len(self.keys) != self._saved:
            self._save()
        metrics.ERASED_VISITORS.labels("edge").set(len(self.keys))

    def _save(self) -> None:
        fresh = self._cache.with_suffix(".new")
        try:
            fresh.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(pack(self.keys))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._cache)
            self._saved = len(self.keys)
        except OSError as error:
            log.warning("erasures_cache_not_written", error=repr(error))
