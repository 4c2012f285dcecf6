"""Erased visitors as the screen follows them.

The screen keeps a visitor's latest clicks by link, to tell repeats. They go a while after the
erasure, when what was logged before it is judged.
"""

from __future__ import annotations

from afflux.kernel.types import Millis
from afflux.runtime.erasure_follower import ErasureFollower


class Erasures:
    """Visitors whose erasure is older than `wait_ms`, by the worker's clock."""

    def __init__(self, follower: ErasureFollower, wait_ms: int) -> None:
        self.erased: set[bytes] = set()
        self._follower = follower
        self._wait_ms = wait_ms

    async def start(self) -> None:
        """Connect and read all erasures; raises KafkaError when Kafka does not answer."""
        await self._follower.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._follower.stop()

    async def fresh(self, now: Millis) -> list[bytes]:
        """Return the visitors to forget since the last call, and count them as erased."""
        await self._follower.look(now)
        if len(self._follower.view) == len(self.erased):
            return []
        before = now - self._wait_ms
        new = [
            visitor
            for visitor, at in self._follower.view.items()
            if at < before and visitor not in self.erased
        ]
        self.erased.update(new)
        return new
