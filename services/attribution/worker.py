"""Wiring of attribution."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from afflux.kernel.events import Click
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import EndOffsets
from afflux.runtime.loop import Loop
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.attribution.erasures import ErasureLog
from services.attribution.process import Policy
from services.attribution.stage import AttributionStage


class Attribution:
    """The loop, with the catalogue followed as long as it runs."""

    name = AttributionStage.name

    def __init__(self, settings: Settings) -> None:
        codec = Codec.load()
        self._settings = settings
        self._follower = CatalogFollower(settings, codec)
        policy = Policy(
            grace_ms=settings.attribution_grace_s * 1000, wait_ms=settings.screen_wait_ms
        )
        folder = settings.home / "attribution"
        self._erasures = ErasureLog(settings, codec)
        self._ends = EndOffsets(settings, [Click.topic])
        self._stage = AttributionStage(
            folder, self._follower, self._clicks_ends, policy, self._erasures
        )
        self._loop = Loop(settings, self._stage, codec)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the catalogue and the erasures, then run the loop; all end together."""
        await self._follower.start()
        await self._erasures.start()
        try:
            await self._loop.run(stop)
        finally:
            await self._ends.stop()
            await self._erasures.stop()
            await self._follower.stop()

    def status(self) -> dict[str, object]:
        """Return the loop's status; parked conversions are work not done, so they count as lag."""
        status = self._loop.status()
        lag, parked = status.get("lag"), self._stage.parked
        erasing = self._stage.erasing
        return {
            **status,
            "parked": parked,
            "erased_visitors": len(self._erasures.view),
            "erasing": erasing,
            "lag": parked + (lag if isinstance(lag, int) else 0),
        }

    async def _clicks_ends(self) -> Mapping[int, int]:
        bound = self._settings.send_timeout_s
        ends = await asyncio.wait_for(self._ends.now(), bound)
        return {part.partition: offset for part, offset in ends.items()}


def build(settings: Settings) -> Sequence[Runnable]:
    """Return attribution, ready to run."""
    return [Attribution(settings)]
