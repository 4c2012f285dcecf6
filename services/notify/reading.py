"""What people ask of the postbacks, and asking for parked ones once more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

from afflux.kernel.types import Millis
from afflux.runtime.clock import now_ms
from afflux.runtime.pg import connect_async
from afflux.runtime.settings import Settings
from services.notify.domain.masking import masked
from services.notify.queries import deliveries, log
from services.notify.queries.stories import Db

OPEN = ("blocked", "waiting")
PARKED = ("parked",)
ALL = (*OPEN, "delivered", *PARKED)


class Asked(Struct, frozen=True):
    """Which deliveries are wanted, the newest `limit` of them; `show_secrets` hides nothing."""

    partner_id: int | None = None
    states: tuple[str, ...] = ALL
    conversion_key: bytes | None = None
    limit: int = 50
    show_secrets: bool = False


async def read_log(settings: Settings, asked: Asked) -> list[dict[str, Any]]:
    """Return deliveries with their attempts, the newest first; ids as hexadecimal text."""
    async with _database(settings) as db, db.transaction():
        await log.one_instant(db)
        found = await log.deliveries_of(
            db, asked.partner_id, list(asked.states), asked.conversion_key, asked.limit
        )
        attempts = await log.attempts_of(db, [row["delivery_id"] for row in found])
    for row in found:
        row["tried"] = attempts.get(bytes(row["delivery_id"]), [])
        if row["state"] != "waiting":
            row["next_at"] = None
        if not asked.show_secrets:
            row["url"] = masked(row["url"])
    return [{name: _plain(value) for name, value in row.items()} for row in found]


async def retry(settings: Settings, delivery_ids: Sequence[bytes]) -> list[bytes]:
    """Ask for parked deliveries once more; return those that were parked."""
    give_up_ms = 1000 * settings.notify_give_up_s
    done = []
    async with _database(settings) as db:
        for delivery_id in delivery_ids:
            async with db.transaction():
                if await deliveries.again(db, delivery_id, now_ms(), give_up_ms):
                    done.append(delivery_id)
    return done


async def parked_of(settings: Settings, partner_id: int) -> list[bytes]:
    """Return the parked deliveries of a partner, oldest first."""
    async with _database(settings) as db:
        return await log.parked_ids(db, partner_id, Millis(0))


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Db]:
    db = await connect_async(settings.postgres, autocommit=True)
    try:
        yield db
    finally:
        await db.close()


def _plain(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value
