"""Reading what a step needs, and writing it whole: law L6 lives in `advance`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from msgspec import Struct

from afflux.kernel.types import Millis
from afflux.runtime.pg import AsyncConnection, LiteralString
from services.payouts.domain.facts import Standing
from services.payouts.process import Step
from services.payouts.queries.rows import (
    CONVERSION_COLUMNS,
    CONVERSION_TYPES,
    Row,
    conversion_row,
    decode_standing,
)

Db = AsyncConnection[tuple[Any, ...]]


class OwnershipLost(RuntimeError):
    """Another owner has taken the partition, or moved its offsets: nothing was written (law L6)."""


class Owned(Struct, frozen=True):
    """A partition as its owner last wrote it: next offsets, last step and its instant."""

    partition: int
    epoch: int
    step: int
    assessments: int
    adjustments: int
    as_of: Millis


class Advance(Struct, frozen=True):
    """From one row of a partition to the next; `step` is None when only offsets move."""

    before: Owned
    after: Owned
    step: Step | None


async def bound(db: Db, seconds: int) -> None:
    """Let the server end every transaction of this connection that takes longer.

    An owner that is frozen in the middle of one would keep its locks, and so keep the next owner
    from taking over, for as long as it is frozen.
    """
    await db.execute("SELECT set_config('transaction_timeout', %s, false)", (f"{seconds}s",))
    await db.commit()


async def own(db: Db, partitions: Sequence[int]) -> list[Owned]:
    """Take these partitions over: the epoch grows, so that an earlier owner's write fails."""
    cursor = await db.execute(
        "INSERT INTO payouts.partitions (partition, epoch) SELECT p, 1 FROM unnest(%s::int[]) p "
        "ORDER BY p ON CONFLICT (partition) DO UPDATE SET epoch = partitions.epoch + 1 "
        "RETURNING partition, epoch, step, assessments, adjustments, as_of",
        (sorted(partitions),),
    )
    return [Owned(*row) for row in await cursor.fetchall()]


async def advance(db: Db, moves: Sequence[Advance]) -> None:
    """Compare and set the partitions and record the steps; raises OwnershipLost."""
    cursor = await db.execute(
        "UPDATE payouts.partitions p SET step = n.step, assessments = n.assessments, "
        "adjustments = n.adjustments, as_of = n.as_of FROM unnest(%s::int[], %s::bigint[], "
        "%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], "
        "%s::bigint[]) AS n (partition, epoch, was_step, was_assessments, was_adjustments, "
        "step, assessments, adjustments, as_of) "
        "WHERE p.partition = n.partition AND p.epoch = n.epoch AND p.step = n.was_step "
        "AND p.assessments = n.was_assessments AND p.adjustments = n.was_adjustments",
        _columns(_advance_row(move) for move in moves),
    )
    if cursor.rowcount != len(moves):
        lost = [move.before.partition for move in moves]
        raise OwnershipLost(f"of the partitions {lost} only {cursor.rowcount} are still ours")
    steps = [_step_row(move, move.step) for move in moves if move.step is not None]
    if steps:
        await db.execute(
            "INSERT INTO payouts.steps SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bigint[], "
            "%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[])",
            _columns(steps),
        )


def _advance_row(move: Advance) -> Row:
    was, now = move.before, move.after
    return (
        *(was.partition, was.epoch, was.step, was.assessments, was.adjustments),
        *(now.step, now.assessments, now.adjustments, now.as_of),
    )


def _step_row(move: Advance, step: Step) -> Row:
    was, now = move.before, move.after
    return (
        *(step.partition, step.number, was.epoch, step.as_of),
        *(was.assessments, now.assessments, was.adjustments, now.adjustments),
        b"".join(step.woken),
    )


async def load(db: Db, keys: Sequence[bytes]) -> dict[bytes, Standing]:
    """Return the standings of these conversions; absent ones are new."""
    cursor = await db.execute(
        "SELECT key, standing FROM payouts.conversions WHERE key = ANY(%s)", (list(keys),)
    )
    return {bytes(row[0]): decode_standing(row[1]) for row in await cursor.fetchall()}


async def due(
    db: Db, partitions: Sequence[int], as_of: Millis, limit: int
) -> list[tuple[int, bytes]]:
    """Return (partition, key) of conversions whose hold is over, the longest due first."""
    cursor = await db.execute(
        "SELECT c.partition, c.key FROM unnest(%s::int[]) p CROSS JOIN LATERAL ("
        "SELECT partition, key, due_at FROM payouts.conversions WHERE partition = p "
        "AND due_at <= %s ORDER BY due_at, key LIMIT %s) c ORDER BY c.due_at, c.key",
        (list(partitions), as_of, limit),
    )
    return cast(list[tuple[int, bytes]], await cursor.fetchall())


async def waiting(
    db: Db, partitions: Sequence[int], after: bytes, limit: int
) -> list[tuple[int, bytes]]:
    """Return (partition, key) of conversions whose money waits, behind the key `after`."""
    cursor = await db.execute(
        "SELECT partition, key FROM payouts.conversions WHERE waiting IS NOT NULL "
        "AND partition = ANY(%s) AND key > %s ORDER BY key LIMIT %s",
        (list(partitions), after, limit),
    )
    return cast(list[tuple[int, bytes]], await cursor.fetchall())


async def store(db: Db, new: Iterable[tuple[int, Standing]]) -> None:
    """Insert the standings of conversions seen for the first time, by partition."""
    await copy_rows(
        db,
        f"COPY payouts.conversions ({', '.join(CONVERSION_COLUMNS)}) FROM STDIN (FORMAT binary)",
        CONVERSION_TYPES,
        (conversion_row(partition, standing) for partition, standing in new),
    )


async def update(db: Db, changed: Sequence[Standing]) -> None:
    """Replace the standings of known conversions."""
    rows = [conversion_row(0, standing) for standing in changed]
    await db.execute(
        "UPDATE payouts.conversions c SET status = n.status, waiting = n.waiting, "
        "due_at = n.due_at, standing = n.standing FROM unnest(%s::bytea[], %s::int[], %s::text[], "
        "%s::text[], %s::bigint[], %s::bytea[]) AS n (key, p, status, waiting, due_at, standing) "
        "WHERE c.key = n.key",
        _columns(rows),
    )


async def refuse(db: Db, refusals: Sequence[Row]) -> None:
    """Keep what was not applied: (topic, partition, offset, key, reason, detail, as_of)."""
    await db.execute(
        "INSERT INTO payouts.refusals SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[], "
        "%s::bytea[], %s::text[], %s::text[], %s::bigint[]) ON CONFLICT DO NOTHING",
        _columns(refusals),
    )


async def copy_rows(
    db: Db, command: LiteralString, types: Sequence[str], rows: Iterable[Row]
) -> None:
    """Write rows by binary COPY."""
    async with db.cursor().copy(command) as copy:
        copy.set_types(types)
        for row in rows:
            await copy.write_row(row)


def _columns(rows: Iterable[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
