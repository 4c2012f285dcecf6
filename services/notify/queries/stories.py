"""The stories, the offsets beside them, and the deliveries that telling them makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from afflux.kernel.types import Millis
from afflux.runtime.pg import AsyncConnection
from services.notify.domain.rendering import Delivery
from services.notify.domain.stories import Story

Db = AsyncConnection[tuple[Any, ...]]
Part = tuple[str, int]
Owner = tuple[bytes, int]
"""Conversion key and partner: whose story it is."""

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Story)


class OwnershipLost(RuntimeError):
    """Another owner has taken the partition, or moved its offset: nothing was written."""


async def bound(db: Db, seconds: int) -> None:
    """Let the server end every transaction of this connection that takes longer: a frozen owner
    must not keep its locks."""
    await db.execute("SELECT set_config('transaction_timeout', %s, false)", (f"{seconds}s",))
    await db.commit()


async def own(db: Db, parts: Sequence[Part]) -> dict[Part, tuple[int, int]]:
    """Take partitions over; return (epoch, next offset) of each. An earlier owner is fenced off."""
    cursor = await db.execute(
        "INSERT INTO notify.partitions (topic, partition, epoch) "
        "SELECT t, p, 1 FROM unnest(%s::text[], %s::int[]) AS n (t, p) ORDER BY t, p "
        "ON CONFLICT (topic, partition) DO UPDATE SET epoch = partitions.epoch + 1 "
        "RETURNING topic, partition, epoch, next",
        _columns(sorted(parts)),
    )
    return {(topic, number): (epoch, at) for topic, number, epoch, at in await cursor.fetchall()}


async def advance(db: Db, moves: Sequence[tuple[str, int, int, int, int]]) -> None:
    """Compare and set next offsets: (topic, partition, epoch, before, after). Raises
    OwnershipLost."""
    cursor = await db.execute(
        "UPDATE notify.partitions p SET next = n.after FROM unnest(%s::text[], %s::int[], "
        "%s::bigint[], %s::bigint[], %s::bigint[]) AS n (topic, partition, epoch, before, after) "
        "WHERE p.topic = n.topic AND p.partition = n.partition AND p.epoch = n.epoch "
        "AND p.next = n.before",
        _columns(moves),
    )
    if cursor.rowcount != len(moves):
        raise OwnershipLost(f"of {len(moves)} partitions only {cursor.rowcount} are still ours")


async def lock(db: Db, keys: Sequence[bytes], new: Sequence[Owner], now: Millis) -> list[Story]:
    """Return the stories of these conversions, locked; those of `new` are begun if they are not
    there. Always in the same order, so that two owners wait for each other at most once."""
    if new:
        rows = [(key, who, now, _encode(Story(key, who))) for key, who in sorted(set(new))]
        await db.execute(
            "INSERT INTO notify.stories (conversion_key, partner_id, changed_at, story) "
            "SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[], %s::bytea[]) "
            "ON CONFLICT DO NOTHING",
            _columns(rows),
        )
    cursor = await db.execute(
        "SELECT story FROM notify.stories WHERE conversion_key = ANY(%s) "
        "ORDER BY conversion_key, partner_id FOR UPDATE",
        (list(keys),),
    )
    return [_decoder.decode(cast(bytes, row[0])) for row in await cursor.fetchall()]


async def known(db: Db, keys: Sequence[bytes]) -> set[Owner]:
    """Return whose stories there are for these conversions."""
    cursor = await db.execute(
        "SELECT conversion_key, partner_id FROM notify.stories WHERE conversion_key = ANY(%s)",
        (list(keys),),
    )
    return {(bytes(key), who) for key, who in await cursor.fetchall()}


async def save(db: Db, stories: Iterable[Story], now: Millis, due_at: Millis | None) -> None:
    """Keep stories. With `due_at` they are looked at then, or earlier if that was said before;
    one that waits for its assessment has nothing to be looked at."""
    rows = [
        (one.conversion_key, one.partner_id, _encode(one), now, due_at if one.facts else None)
        for one in stories
    ]
    if not rows:
        return
    await db.execute(
        "UPDATE notify.stories s SET story = n.story, changed_at = n.at, "
        "due_at = CASE WHEN n.due IS NULL THEN NULL ELSE least(s.due_at, n.due) END "
        "FROM unnest(%s::bytea[], %s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[]) "
        "AS n (key, partner, story, at, due) "
        "WHERE s.conversion_key = n.key AND s.partner_id = n.partner",
        _columns(rows),
    )


async def any_due(db: Db, now: Millis) -> bool:
    """Return whether there is a story to look at."""
    cursor = await db.execute(
        "SELECT EXISTS (SELECT FROM notify.stories WHERE due_at <= %s)", (now,)
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def due(db: Db, now: Millis, limit: int) -> list[Story]:
    """Return stories to look at, locked; what another process looks at is left to it."""
    cursor = await db.execute(
        "SELECT story FROM notify.stories WHERE due_at <= %s ORDER BY due_at LIMIT %s "
        "FOR UPDATE SKIP LOCKED",
        (now, limit),
    )
    return [_decoder.decode(cast(bytes, row[0])) for row in await cursor.fetchall()]


async def add(db: Db, made: Sequence[Delivery], now: Millis, give_up_at: Millis) -> None:
    """Write deliveries in order. One whose predecessor is not ended is blocked until it is: the
    story's row is locked, here and where a delivery ends, so that none is forgotten."""
    for one in made:
        await db.execute(
            "INSERT INTO notify.deliveries (delivery_id, event_id, conversion_key, partner_id, "
            "slot, number, event, endpoint, method, url, body, key_id, created_at, next_at, "
            "give_up_at, state) VALUES (%(id)s, %(event_id)s, %(key)s, %(partner)s, %(slot)s, "
            "%(number)s, %(event)s, %(endpoint)s, %(method)s, %(url)s, %(body)s, %(key_id)s, "
            "%(now)s, %(now)s, %(give_up)s, CASE WHEN EXISTS (SELECT FROM notify.deliveries e "
            "WHERE e.conversion_key = %(key)s AND e.partner_id = %(partner)s "
            "AND e.slot = %(slot)s AND e.state IN ('blocked', 'waiting')) "
            "THEN 'blocked' ELSE 'waiting' END) ON CONFLICT DO NOTHING",
            _parameters(one, now, give_up_at),
        )


def _parameters(one: Delivery, now: Millis, give_up_at: Millis) -> Mapping[str, object]:
    return {
        "id": one.delivery_id,
        "event_id": one.event_id,
        "key": one.conversion_key,
        "partner": one.partner_id,
        "slot": one.slot,
        "number": one.number,
        "event": one.event,
        "endpoint": one.endpoint,
        "method": one.method,
        "url": one.url,
        "body": one.body,
        "key_id": one.key_id,
        "now": now,
        "give_up": give_up_at,
    }


async def forget(db: Db, before: Millis, limit: int) -> int:
    """Delete stories that nothing has changed since `before`; return how many."""
    cursor = await db.execute(
        "DELETE FROM notify.stories WHERE (conversion_key, partner_id) IN (SELECT "
        "conversion_key, partner_id FROM notify.stories s WHERE changed_at < %s "
        "AND due_at IS NULL AND NOT EXISTS (SELECT FROM notify.deliveries d WHERE "
        "d.conversion_key = s.conversion_key AND d.partner_id = s.partner_id) LIMIT %s)",
        (before, limit),
    )
    return cursor.rowcount


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
