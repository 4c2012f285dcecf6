"""The catalogue as the two stages see it, and a runnable that keeps it fresh."""

from __future__ import annotations

import asyncio
from typing import Protocol

from afflux.kernel.catalog import Catalog
from afflux.kernel.types import Millis
from afflux.runtime.catalog_follower import CatalogFollower
from afflux.runtime.loop import Loop


class Offers(Protocol):
    """Where offers are looked up; `sync` makes every change recorded by `known_at` visible."""

    @property
    def view(self) -> Catalog: ...

    async def sync(self, known_at: Millis) -> Millis: ...


class Following:
    """A loop, with the catalogue followed as long as it runs."""

    def __init__(self, loop: Loop, follower: CatalogFollower) -> None:
        self.name = loop.name
        self._loop = loop
        self._follower = follower

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the catalogue, then run the loop; both end together."""
        await self._follower.start()
        try:
            await self._loop.run(stop)
        finally:
            await self._follower.stop()

    def status(self) -> dict[str, object]:
        """Return the loop's status."""
        return self._loop.status()
