"""The SQL of the catalogue: versions, and the outbox of those not yet known to be in Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.kernel.catalog.plan import change_id
from afflux.kernel.events import CatalogChange, Operation
from afflux.kernel.types import Millis
from afflux.runtime.pg import AsyncConnection, LiteralString

Db = AsyncConnection[tuple[object, ...]]
_LOCK = 0x6361_7461  # "cata": one writer of the catalogue at a time

_COLUMNS: LiteralString = (
    "v.kind, v.entity_id, v.version, v.tenant_id, v.valid_from, v.valid_to, v.said_at, "
    "v.recorded_at, v.operation, v.body, v.author, v.reason"
)


async def try_lock(db: Db) -> bool:
    """Take the writer's lock for this session; False if somebody else has it."""
    row = await (await db.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
    return bool(row and row[0])


async def unlock(db: Db) -> None:
    """Give the writer's lock back."""
    await db.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


async def all_versions(db: Db) -> list[CatalogChange]:
    """Return every version in the order in which it became known."""
    query: LiteralString = (
        "SELECT " + _COLUMNS + " FROM catalog.versions v "
        "ORDER BY v.recorded_at, v.kind, v.entity_id, v.version"
    )
    return [_change(row) async for row in await db.execute(query)]


async def waiting(db: Db) -> list[tuple[int, CatalogChange]]:
    """Return the outbox in order: row id and change."""
    query: LiteralString = (
        "SELECT o.id, " + _COLUMNS + " FROM catalog.outbox o "
        "JOIN catalog.versions v USING (kind, entity_id, version) ORDER BY o.id"
    )
    return [(_int(row[0]), _change(row[1:])) async for row in await db.execute(query)]


async def insert(db: Db, changes: Sequence[CatalogChange]) -> None:
    """Write versions and their outbox rows; the caller's transaction holds both."""
    async with db.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO catalog.versions (kind, entity_id, version, tenant_id, valid_from, "
            "valid_to, said_at, recorded_at, operation, body, author, reason) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [_row(change) for change in changes],
        )
        await cursor.executemany(
            "INSERT INTO catalog.outbox (kind, entity_id, version) VALUES (%s, %s, %s)",
            [(change.kind, change.entity_id, change.version) for change in changes],
        )


async def newest_versions(
    db: Db, kinds: Sequence[str], ids: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Return the highest version number of each named entity."""
    rows = await db.execute(
        "SELECT kind, entity_id, max(version) FROM catalog.versions WHERE (kind, entity_id) IN "
        "(SELECT * FROM unnest(%s::text[], %s::text[])) GROUP BY kind, entity_id",
        (list(kinds), list(ids)),
    )
    return {(str(kind), str(entity_id)): _int(top) async for kind, entity_id, top in rows}


async def forget_waiting(db: Db, ids: Sequence[int]) -> None:
    """Delete outbox rows."""
    await db.execute("DELETE FROM catalog.outbox WHERE id = ANY(%s)", (list(ids),))


def _row(change: CatalogChange) -> tuple[object, ...]:
    return (
        change.kind,
        change.entity_id,
        change.version,
        change.tenant_id,
        change.valid_from,
        change.valid_to,
        change.occurred_at,
        change.recorded_at,
        change.operation.value,
        change.body,
        change.author,
        change.reason,
    )


def _change(row: Sequence[object]) -> CatalogChange:
    kind, entity_id, version, tenant_id, valid_from, valid_to, said_at, recorded_at, *rest = row
    operation, body, author, reason = rest
    return CatalogChange(
        event_id=change_id(_int(tenant_id), str(kind), str(entity_id), _int(version)),
        occurred_at=Millis(_int(said_at)),
        recorded_at=Millis(_int(recorded_at)),
        tenant_id=_int(tenant_id),
        kind=str(kind),
        entity_id=str(entity_id),
        version=_int(version),
        valid_from=Millis(_int(valid_from)),
        valid_to=None if valid_to is None else Millis(_int(valid_to)),
        operation=Operation(str(operation)),
        body=str(body),
        author=str(author),
        reason=None if reason is None else str(reason),
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
