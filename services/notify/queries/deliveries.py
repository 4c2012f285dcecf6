"""The deliveries: which are due, claiming them, ending them, and forgetting them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from afflux.kernel.types import Millis
from afflux.runtime.pg import class_row
from services.notify.domain.schedule import Again, Answer, Delivered, Parked
from services.notify.queries.stories import Db


class Claimed(Struct, frozen=True):
    """A delivery whose attempt is ours until the lease ends."""

    delivery_id: bytes
    event_id: bytes
    conversion_key: bytes
    partner_id: int
    slot: int
    event: str
    endpoint: str
    method: str
    url: str
    body: str
    key_id: str | None
    attempts: int
    tries: int
    give_up_at: Millis


class Counts(Struct, frozen=True):
    """How many deliveries wait and are parked, and when the oldest that waits was made."""

    waiting: int
    parked: int
    oldest_at: Millis | None


async def endpoints(db: Db, now: Millis) -> list[str]:
    """Return the endpoints with deliveries due: one look at the index for each endpoint."""
    cursor = await db.execute(
        "WITH RECURSIVE e AS ((SELECT endpoint FROM notify.deliveries WHERE state = 'waiting' "
        "ORDER BY endpoint LIMIT 1) UNION ALL SELECT (SELECT d.endpoint FROM notify.deliveries d "
        "WHERE d.state = 'waiting' AND d.endpoint > e.endpoint ORDER BY d.endpoint LIMIT 1) "
        "FROM e WHERE e.endpoint IS NOT NULL) SELECT endpoint FROM e WHERE endpoint IS NOT NULL "
        "AND EXISTS (SELECT FROM notify.deliveries d WHERE d.state = 'waiting' "
        "AND d.endpoint = e.endpoint AND d.next_at <= %s)",
        (now,),
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def claim(
    db: Db, endpoint: str, limit: int, now: Millis, lease_until: Millis
) -> list[Claimed]:
    """Take up to `limit` due deliveries of an endpoint: nobody else takes them before the lease
    ends, whatever becomes of us."""
    async with db.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(
            "UPDATE notify.deliveries SET next_at = %s, attempts = attempts + 1, "
            "tries = tries + 1 WHERE delivery_id IN (SELECT delivery_id FROM notify.deliveries "
            "WHERE state = 'waiting' AND endpoint = %s AND next_at <= %s ORDER BY next_at "
            "LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING delivery_id, event_id, conversion_key, "
            "partner_id, slot, event, endpoint, method, url, body, key_id, attempts, tries, "
            "give_up_at",
            (lease_until, endpoint, now, limit),
        )
        return await cursor.fetchall()


class Outcome(Struct, frozen=True):
    """What an attempt came to and what follows."""

    answer: Answer
    verdict: Delivered | Again | Parked
    began_at: Millis
    now: Millis


async def record(db: Db, claimed: Claimed, outcome: Outcome, give_up_ms: int) -> None:
    """Write what an attempt came to, in one round trip. Whoever lost the lease changes nothing but
    a success."""
    async with db.pipeline():
        await _record(db, claimed, outcome, give_up_ms)


async def _record(db: Db, claimed: Claimed, outcome: Outcome, give_up_ms: int) -> None:
    await lock_story(db, claimed.conversion_key, claimed.partner_id)
    answer, now = outcome.answer, outcome.now
    await db.execute(
        "INSERT INTO notify.attempts SELECT %s, %s, %s, %s, %s, %s, %s, %s WHERE EXISTS "
        "(SELECT FROM notify.deliveries WHERE delivery_id = %s) ON CONFLICT DO NOTHING",
        (
            *(claimed.delivery_id, claimed.attempts, outcome.began_at, now - outcome.began_at),
            *(answer.status, answer.code, answer.detail, answer.text, claimed.delivery_id),
        ),
    )
    match outcome.verdict:
        case Delivered():
            await _end(db, claimed, "delivered", answer.status, None, outcome, give_up_ms)
        case Parked(reason):
            await _end(db, claimed, "parked", answer.status, reason, outcome, give_up_ms)
        case Again(at):
            await db.execute(
                "UPDATE notify.deliveries SET next_at = %s, status = %s, reason = %s "
                "WHERE delivery_id = %s AND state = 'waiting' AND attempts = %s",
                (at, answer.status, answer.code, claimed.delivery_id, claimed.attempts),
            )


async def _end(
    db: Db,
    claimed: Claimed,
    state: str,
    status: int | None,
    reason: str | None,
    outcome: Outcome,
    give_up_ms: int,
) -> None:
    await db.execute(
        "UPDATE notify.deliveries SET state = %s, ended_at = %s, status = %s, reason = %s "
        "WHERE delivery_id = %s AND state <> 'delivered' AND (%s = 'delivered' OR "
        "(state = 'waiting' AND attempts = %s))",
        (state, outcome.now, status, reason, claimed.delivery_id, state, claimed.attempts),
    )
    lane = (claimed.conversion_key, claimed.partner_id, claimed.slot)
    await unblock(db, lane, outcome.now, give_up_ms)


async def lock_story(db: Db, conversion_key: bytes, partner_id: int) -> None:
    """Lock the story whose deliveries change: see `stories.add`."""
    await db.execute(
        "SELECT FROM notify.stories WHERE conversion_key = %s AND partner_id = %s FOR UPDATE",
        (conversion_key, partner_id),
    )


async def unblock(db: Db, lane: tuple[bytes, int, int], now: Millis, give_up_ms: int) -> None:
    """Let the next of a conversion, partner and slot go, if none before it is open."""
    await db.execute(
        "UPDATE notify.deliveries SET state = 'waiting', next_at = %s, give_up_at = %s "
        "WHERE delivery_id = (SELECT delivery_id FROM notify.deliveries d WHERE "
        "conversion_key = %s AND partner_id = %s AND slot = %s AND state IN ('blocked', 'waiting') "
        "ORDER BY number LIMIT 1) AND state = 'blocked'",
        (now, now + give_up_ms, *lane),
    )


async def park_late(db: Db, now: Millis, give_up_ms: int, limit: int) -> int:
    """Park what is given up without an attempt, because its endpoint never answered; return how
    many."""
    cursor = await db.execute(
        "SELECT delivery_id, conversion_key, partner_id, slot FROM notify.deliveries "
        "WHERE state = 'waiting' AND give_up_at < %s AND next_at <= %s "
        "ORDER BY conversion_key, partner_id LIMIT %s",
        (now, now, limit),
    )
    rows: list[tuple[Any, ...]] = await cursor.fetchall()
    for delivery_id, key, partner_id, slot in rows:
        await lock_story(db, key, partner_id)
        await db.execute(
            "UPDATE notify.deliveries SET state = 'parked', ended_at = %s, reason = 'given_up' "
            "WHERE delivery_id = %s AND state = 'waiting'",
            (now, delivery_id),
        )
        await unblock(db, (key, partner_id, slot), now, give_up_ms)
    return len(rows)


async def again(db: Db, delivery_id: bytes, now: Millis, give_up_ms: int) -> bool:
    """Ask for a parked delivery once more, for as long as a new one; False if it is not parked.

    It waits behind one of its conversion that is open.
    """
    cursor = await db.execute(
        "SELECT conversion_key, partner_id, slot FROM notify.deliveries WHERE delivery_id = %s",
        (delivery_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    lane = (bytes(row[0]), int(row[1]), int(row[2]))
    await lock_story(db, *lane[:2])
    cursor = await db.execute(
        "UPDATE notify.deliveries SET state = 'blocked', next_at = %s, give_up_at = %s, tries = 0, "
        "ended_at = NULL, reason = NULL WHERE delivery_id = %s AND state = 'parked'",
        (now, now + give_up_ms, delivery_id),
    )
    if not cursor.rowcount:
        return False
    await _free_if_alone(db, lane, delivery_id)
    return True


async def _free_if_alone(db: Db, lane: tuple[bytes, int, int], delivery_id: bytes) -> None:
    await db.execute(
        "UPDATE notify.deliveries SET state = 'waiting' WHERE delivery_id = %s AND NOT EXISTS "
        "(SELECT FROM notify.deliveries e WHERE e.conversion_key = %s AND e.partner_id = %s "
        "AND e.slot = %s AND e.state = 'waiting')",
        (delivery_id, *lane),
    )


async def counts(db: Db) -> Counts:
    """Return what the metrics show."""
    cursor = await db.execute(
        "SELECT (SELECT count(*) FROM notify.deliveries WHERE state IN ('blocked', 'waiting')), "
        "(SELECT count(*) FROM notify.deliveries WHERE state = 'parked'), "
        "(SELECT min(created_at) FROM notify.deliveries WHERE state IN ('blocked', 'waiting'))"
    )
    row = await cursor.fetchone()
    assert row is not None
    return Counts(int(row[0]), int(row[1]), None if row[2] is None else Millis(row[2]))


async def forget(db: Db, before: Millis, limit: int) -> int:
    """Delete what was delivered or parked before, with its attempts; return how many."""
    cursor = await db.execute(
        "DELETE FROM notify.deliveries WHERE delivery_id IN (SELECT delivery_id FROM "
        "notify.deliveries WHERE ended_at < %s LIMIT %s)",
        (before, limit),
    )
    return cursor.rowcount
