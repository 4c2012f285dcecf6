"""Wiring of attribution."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from afflux.kernel.events import Click, Impression
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import TopicPartition, end_offsets
from afflux.runtime.loop import Loop
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.attribution.erasures import ErasureLog
from services.attribution.process import Policy, TouchEnds
from services.attribution.stage import AttributionStage
from services.attribution.upkeep import upkeep_of


class Attribution:
    """The loop, with the catalogue followed as long as it runs."""

    name = AttributionStage.name

    def __init__(self, settings: Settings) -> None:
        codec = Codec.load()
        self._settings = settings
        self._follower = CatalogFollower(settings, codec)
        policy = Policy(
            grace_ms=settings.attribution_grace_s * 1000,
            wait_ms=settings.screen_wait_ms,
            keep_ms=settings.attribution_keep_days * 86_400_000,
        )
        folder = settings.home / "attribution"
        self._erasures = ErasureLog(settings, codec)
        self._upkeep = upkeep_of(settings, codec)
        self._stage = AttributionStage(
            folder, self._follower, self._touch_ends, policy, self._erasures, self._upkeep
        )
        self._loop = Loop(settings, self._stage, codec)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the catalogue and the erasures, then run the loop; all end together."""
        await self._follower.start()
        await self._erasures.start()
        try:
            await self._loop.run(stop)
        finally:
            self._upkeep.end()
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

    async def _touch_ends(self) -> Mapping[int, TouchEnds]:
        bound = self._settings.send_timeout_s
        topics = (Click.topic, Impression.topic)
        ends = await asyncio.wait_for(end_offsets(self._settings, topics), bound)
        return {
            number: TouchEnds(*(ends.get(TopicPartition(topic, number), 0) for topic in topics))
            for number in sorted({part.partition for part in ends})
        }


def build(settings: Settings) -> Sequence[Runnable]:
    """Return attribution, ready to run."""
    return [Attribution(settings)]
