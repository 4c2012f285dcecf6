"""What a loop is told when partitions change hands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.abc import ConsumerRebalanceListener


class Owner(Protocol):
    """A loop that opens and closes the state of partitions between batches, never during one."""

    async def on_revoked(self, partitions: Sequence[TopicPartition]) -> None: ...

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> None: ...


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes on to the loop, in a fixed order, what aiokafka says."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._owner.on_revoked(sorted(revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._owner.on_assigned(sorted(assigned))
