"""The sink's bounds in PostgreSQL: the one query module of law K2."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.runtime.pg import AsyncConnection
from afflux.runtime.sink_loop import Batch, Planned, Resume, TopicPartition

Connection = AsyncConnection[tuple[object, ...]]

_TAKE = """
INSERT INTO analytics_bounds AS held (topic, partition_id)
SELECT * FROM unnest(%s::text[], %s::int[])
ON CONFLICT (topic, partition_id) DO UPDATE SET owner_epoch = held.owner_epoch + 1
RETURNING topic, partition_id, owner_epoch, done_to, planned_to, token, day
"""
_PLAN = """
UPDATE analytics_bounds AS held
SET planned_to = new.planned_to, token = new.token, day = new.day, planned_at = now()
FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::date[])
  AS new (topic, partition_id, owner_epoch, done_to, planned_to, token, day)
WHERE held.topic = new.topic AND held.partition_id = new.partition_id
  AND held.owner_epoch = new.owner_epoch AND held.done_to = new.done_to
  AND held.planned_to IS NULL
"""
_DONE = """
UPDATE analytics_bounds AS held
SET done_to = held.planned_to, planned_to = NULL, token = NULL, day = NULL,
    batches = held.batches + 1, done_at = now()
FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::text[])
  AS new (topic, partition_id, owner_epoch, token)
WHERE held.topic = new.topic AND held.partition_id = new.partition_id
  AND held.owner_epoch = new.owner_epoch AND held.token = new.token
"""
_POSITIONS = "SELECT topic, partition_id, done_to FROM analytics_bounds ORDER BY 1, 2"


class Fenced(RuntimeError):
    """Another sink owns a partition now, or its bounds are not what this one thinks."""


class Bounds:
    """Plans and finishes batches as the owner of some partitions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._epochs: dict[TopicPartition, int] = {}

    async def take(self, parts: Sequence[TopicPartition]) -> dict[TopicPartition, Resume]:
        """Become the owner of partitions; the previous owner can change nothing any more."""
        resumes: dict[TopicPartition, Resume] = {}
        async with self._connection.transaction():
            rows = await self._connection.execute(
                _TAKE, ([part.topic for part in parts], [part.partition for part in parts])
            )
            async for topic, number, epoch, done, planned_to, token, day in rows:
                part = TopicPartition(topic, number)
                self._epochs[part] = int(str(epoch))
                planned = None
                if planned_to is not None:
                    planned = Planned(planned_to, token, day)  # type: ignore[arg-type]
                resumes[part] = Resume(int(str(done)), planned)
        return resumes

    def drop(self, parts: Sequence[TopicPartition]) -> None:
        """Own these partitions no more."""
        for part in parts:
            self._epochs.pop(part, None)

    async def plan(self, batches: Sequence[Batch]) -> None:
        """Record the bounds of new batches; raises Fenced."""
        new = [batch for batch in batches if batch.planned is None]
        plans = [batch.plan for batch in new]
        await self._all_or_nothing(
            _PLAN,
            len(new),
            (
                [batch.part.topic for batch in new],
                [batch.part.partition for batch in new],
                [self._epochs.get(batch.part, 0) for batch in new],
                [batch.start for batch in new],
                [plan.end for plan in plans],
                [plan.token for plan in plans],
                [plan.day for plan in plans],
            ),
        )

    async def done(self, batches: Sequence[Batch]) -> None:
        """Record that these batches are stored; raises Fenced."""
        await self._all_or_nothing(
            _DONE,
            len(batches),
            (
                [batch.part.topic for batch in batches],
                [batch.part.partition for batch in batches],
                [self._epochs.get(batch.part, 0) for batch in batches],
                [batch.plan.token for batch in batches],
            ),
        )

    async def _all_or_nothing(
        self, statement: str, expected: int, arguments: tuple[list[object], ...]
    ) -> None:
        if not expected:
            return
        async with self._connection.transaction():
            changed = await self._connection.execute(statement.encode(), arguments)
            if changed.rowcount != expected:
                raise Fenced(
                    f"{expected - changed.rowcount} of {expected} partitions have another owner"
                )


async def positions(connection: Connection) -> dict[TopicPartition, int]:
    """Return the next offset of every partition: what lies below is stored."""
    rows = await connection.execute(_POSITIONS)
    return {TopicPartition(topic, number): int(str(done)) async for topic, number, done in rows}
