"""The outbox: entries leave for payouts.commissions in the order of their chain (law L7).

At least once: the mark moves after the acknowledgement. A reader recognises a repeat by its id and
a loss by a gap in the sequence.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from afflux.runtime.codec import Codec
from afflux.runtime.pg import connect_async
from afflux.runtime.producer import Publisher
from afflux.runtime.settings import Settings
from services.payouts.queries import ledger, steps
from services.payouts.queries.steps import Db

PER_CHAIN = 1_000
TRANSACTION_S = 120


class Relay:
    """Publishes what the ledger has written; of several relays one works, the others wait."""

    name = "payouts-relay"

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._publisher = Publisher(settings, codec, self.name)
        self._leading = False
        self._sent = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set; raises what Kafka or PostgreSQL do not get over."""
        db = await connect_async(self._settings.postgres, autocommit=True)
        await steps.bound(db, TRANSACTION_S)
        await self._publisher.start()
        try:
            while not stop.is_set():
                if not await self.relay_once(db):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), self._settings.poll_ms / 1000)
        finally:
            await self._publisher.stop()
            await db.close()

    async def relay_once(self, db: Db) -> int:
        """Publish what is there, up to PER_CHAIN entries of each chain; return how many.

        The lock lives as long as the transaction, and the server ends that one in time, so that a
        frozen relay does not keep the others from working.
        """
        async with db.transaction():
            self._leading = await ledger.try_relay_lock(db)
            entries = await ledger.unpublished(db, PER_CHAIN) if self._leading else []
            if entries:
                await self._publisher.publish(entries)
                await ledger.mark_published(db, entries)
        self._sent += len(entries)
        return len(entries)

    def status(self) -> dict[str, object]:
        """Return whether this relay leads and how many entries it has sent."""
        return {"healthy": True, "leading": self._leading, "sent": self._sent}
