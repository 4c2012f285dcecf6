"""Wiring of postbacks: the loop that tells, and the sender that calls, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.codec import Codec
from afflux.runtime.loop import Loop
from afflux.runtime.process import Runnable
from afflux.runtime.settings import Settings
from services.notify.sender import Sender
from services.notify.stage import NotifyStage


class Notify:
    """The loop, and its database and catalogue as long as it runs."""

    name = NotifyStage.name

    def __init__(self, settings: Settings, sender: Sender) -> None:
        codec = Codec.load()
        self._stage = NotifyStage(settings, CatalogFollower(settings, codec), sender.wake)
        self._loop = Loop(settings, self._stage, codec)

    async def run(self, stop: asyncio.Event) -> None:
        """Run the loop, then leave the database."""
        try:
            await self._loop.run(stop)
        finally:
            await self._stage.close()

    def status(self) -> dict[str, object]:
        """Return the loop's status."""
        return self._loop.status()


def build(settings: Settings) -> Sequence[Runnable]:
    """Return the parts of the notify worker."""
    sender = Sender(settings)
    return [Notify(settings, sender), sender]
