"""What people ask: the log of a partner, what waits, what is parked."""

from __future__ import annotations

from typing import Any

from afflux.kernel.types import Millis
from afflux.runtime.pg import LiteralString, dict_row
from services.notify.queries.stories import Db

Row = dict[str, Any]
_COLUMNS: LiteralString = (
    "delivery_id, event_id, conversion_key, partner_id, slot, number, event, method, url, body, "
    "created_at, state, next_at, attempts, ended_at, status, reason"
)


async def one_instant(db: Db) -> None:
    """Let all that this transaction reads be of one instant."""
    await db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def deliveries_of(
    db: Db, partner_id: int | None, states: list[str], conversion_key: bytes | None, limit: int
) -> list[Row]:
    """Return deliveries, the newest first; None asks for any."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM notify.deliveries "
            "WHERE (%(partner)s::bigint IS NULL OR partner_id = %(partner)s) "
            "AND state = ANY(%(states)s) "
            "AND (%(key)s::bytea IS NULL OR conversion_key = %(key)s) "
            "ORDER BY created_at DESC, number DESC, slot LIMIT %(limit)s",
            {"partner": partner_id, "states": states, "key": conversion_key, "limit": limit},
        )
        return await cursor.fetchall()


async def attempts_of(db: Db, delivery_ids: list[bytes]) -> dict[bytes, list[Row]]:
    """Return the attempts of deliveries, in order."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT delivery_id, number, at, took_ms, status, result, detail, answer "
            "FROM notify.attempts WHERE delivery_id = ANY(%s) ORDER BY delivery_id, number",
            (delivery_ids,),
        )
        found: dict[bytes, list[Row]] = {}
        for row in await cursor.fetchall():
            found.setdefault(bytes(row.pop("delivery_id")), []).append(row)
        return found


async def parked_ids(db: Db, partner_id: int, since: Millis) -> list[bytes]:
    """Return the parked deliveries of a partner, in the order in which they were made."""
    cursor = await db.execute(
        "SELECT delivery_id FROM notify.deliveries WHERE partner_id = %s AND state = 'parked' "
        "AND created_at >= %s ORDER BY created_at, number",
        (partner_id, since),
    )
    return [bytes(row[0]) for row in await cursor.fetchall()]
