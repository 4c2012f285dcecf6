"""The SQL of imports: rows that were claimed and sent, and the log of runs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from afflux.kernel.types import Id16, Millis
from afflux.runtime.pg import AsyncConnection

Db = AsyncConnection[tuple[object, ...]]
_LOCK = 0x696D_706F  # "impo": one import at a time


class Known(Struct, frozen=True):
    """A row that some run has claimed before."""

    body_hash: bytes
    sent: bool


async def try_lock(db: Db) -> bool:
    """Take the import lock for this session; False if another import runs."""
    row = await (await db.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
    return bool(row and row[0])


async def start_run(db: Db, kind: str, file: str, digest: str, now: Millis) -> int:
    """Write the start of a run; return its id."""
    row = await (
        await db.execute(
            "INSERT INTO imports.runs (kind, file, digest, started_at) VALUES (%s, %s, %s, %s) "
            "RETURNING id",
            (kind, file, digest, now),
        )
    ).fetchone()
    assert row is not None and isinstance(row[0], int)
    return row[0]


async def note_run(
    db: Db, run: int, counts: tuple[int, int, int, int, int], finished_at: Millis | None
) -> None:
    """Write how far a run is: read, skipped, sent, repeated, refused."""
    await db.execute(
        "UPDATE imports.runs SET read = %s, skipped = %s, sent = %s, repeated = %s, refused = %s, "
        "finished_at = %s WHERE id = %s",
        (*counts, finished_at, run),
    )


async def claim(
    db: Db, kind: str, digest: str, rows: Sequence[tuple[Id16, Id16, int]]
) -> dict[bytes, Known]:
    """Claim rows given as (id, body hash, position); return those that were claimed before."""
    ids, hashes, positions = (list(each) for each in zip(*rows, strict=True))
    claimed = await db.execute(
        "INSERT INTO imports.rows (row_id, body_hash, position, kind, digest) "
        "SELECT *, %s, %s FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[]) "
        "ON CONFLICT (row_id) DO NOTHING RETURNING row_id",
        (kind, digest, ids, hashes, positions),
    )
    fresh = {_bytes(row[0]) async for row in claimed}
    others = [row_id for row_id in ids if row_id not in fresh]
    known = await db.execute(
        "SELECT row_id, body_hash, sent FROM imports.rows WHERE row_id = ANY(%s)", (others,)
    )
    return {_bytes(row[0]): Known(_bytes(row[1]), bool(row[2])) async for row in known}


async def mark_sent(db: Db, ids: Sequence[Id16]) -> None:
    """Write that the events of these rows were acknowledged."""
    await db.execute("UPDATE imports.rows SET sent = true WHERE row_id = ANY(%s)", (list(ids),))


async def sent_counts(db: Db) -> dict[str, int]:
    """Return how many rows were sent since ever, by kind (clicks, conversions)."""
    rows = await db.execute("SELECT kind, count(*) FROM imports.rows WHERE sent GROUP BY kind")
    return {str(kind): int(str(count)) async for kind, count in rows}


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value
