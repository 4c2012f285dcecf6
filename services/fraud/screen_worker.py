"""Wiring of the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from afflux.kernel.events import ClickCount
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.codec import Codec
from afflux.runtime.erasure_follower import ErasureFollower
from afflux.runtime.log_reader import read_topic
from afflux.runtime.loop import Loop
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.fraud.erasures import Erasures
from services.fraud.offers import Following
from services.fraud.screen_stage import ScreenStage


class Screen(Following):
    """The screen's loop; counts that are not published yet are lag as well."""

    def __init__(self, settings: Settings) -> None:
        codec = Codec.load()
        follower = CatalogFollower(settings, codec)
        self._settings = settings
        self._codec = codec
        folder = settings.home / "fraud-screen"
        self._erasures = Erasures(ErasureFollower(settings, codec), settings.screen_wait_ms)
        self._stage = ScreenStage(
            folder, follower, self._counted, settings.tenant_id, self._erasures
        )
        super().__init__(Loop(settings, self._stage, codec), follower)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the erasures, too, as long as the loop runs."""
        await self._erasures.start()
        try:
            await super().run(stop)
        finally:
            await self._erasures.stop()

    def status(self) -> dict[str, object]:
        """Return the loop's status."""
        status = super().status()
        lag = status.get("lag")
        unpublished = self._stage.unpublished
        return {
            **status,
            "lag": lag + unpublished if isinstance(lag, int) else unpublished,
            "unpublished_counts": unpublished,
        }

    async def _counted(self) -> Mapping[int, int]:
        reached: dict[int, int] = {}
        async for records in read_topic(self._settings, [ClickCount.topic], self._codec):
            for record in records:
                if isinstance(record.event, ClickCount):
                    part = record.event.source_partition
                    reached[part] = max(reached.get(part, 0), record.event.to_offset)
        return reached


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the screen, ready to run."""
    return [Screen(settings)]
