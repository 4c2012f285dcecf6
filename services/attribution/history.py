"""What the log knows of a partition's earlier owners: what they published, how far they read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from afflux.kernel.events import Click, ClickFlag, CustomerBound, Decision, Event
from afflux.runtime.codec import Codec
from afflux.runtime.heads import Heads
from afflux.runtime.log_reader import (
    TopicPartition,
    end_offsets,
    group_offsets,
    offsets_since,
    read_raw,
    read_topic,
)
from afflux.runtime.settings import Settings


class History(Protocol):
    """Asked when a partition is opened and when a checkpoint is made. Errors: Kafka's."""

    async def committed(self) -> Mapping[TopicPartition, int]:
        """Return how far owners said they had committed: never further than their store."""
        ...

    async def ends(self) -> Mapping[int, int]:
        """Return the end of every partition of attribution.decisions."""
        ...

    async def highest(self, start: Mapping[int, int]) -> int:
        """Return the highest version of a decision published from `start` (by partition, else 0)
        on, or of any request to a customer's book; 0 for none."""
        ...

    def decisions(self, start: Mapping[int, int]) -> AsyncIterator[Sequence[Decision]]:
        """Yield what was published from `start` (by partition, else 0) to the ends as of now."""
        ...

    async def since(self, at: int) -> Mapping[TopicPartition, int]:
        """Return the first offsets of clicks and flags with a timestamp of `at` (ms) or later."""
        ...


class KafkaHistory:
    """The history as Kafka has it."""

    def __init__(self, settings: Settings, codec: Codec, group: str) -> None:
        self._settings = settings
        self._codec = codec
        self._group = group

    async def committed(self) -> Mapping[TopicPartition, int]:
        """Return how far owners said they had committed: never further than their store."""
        asked = group_offsets(self._settings, self._group)
        return await asyncio.wait_for(asked, self._settings.send_timeout_s)

    async def ends(self) -> Mapping[int, int]:
        """Return the end of every partition of attribution.decisions."""
        asked = end_offsets(self._settings, [Decision.topic])
        found = await asyncio.wait_for(asked, self._settings.send_timeout_s)
        return {part.partition: offset for part, offset in found.items()}

    async def highest(self, start: Mapping[int, int]) -> int:
        """Return the highest version of a decision published from `start` (by partition, else 0)
        on, or of any request to a customer's book; 0 for none."""
        decided = await self._highest(Decision, _parts(start))
        return max(decided, await self._highest(CustomerBound, {}))

    async def _highest(self, kind: type[Event], start: Mapping[TopicPartition, int]) -> int:
        heads, highest = Heads(kind, "version"), 0
        async for raws in read_raw(self._settings, [kind.topic], start):
            found = (heads.read(raw.value) for raw in raws)
            highest = max(highest, *(one["version"] for one in found if one is not None), 0)
        return highest

    async def decisions(self, start: Mapping[int, int]) -> AsyncIterator[Sequence[Decision]]:
        """Yield what was published from `start` (by partition, else 0) to the ends as of now."""
        begin = _parts(start)
        async for records in read_topic(self._settings, [Decision.topic], self._codec, begin):
            yield [one.event for one in records if isinstance(one.event, Decision)]

    async def since(self, at: int) -> Mapping[TopicPartition, int]:
        """Return the first offsets of clicks and flags with a timestamp of `at` (ms) or later."""
        asked = offsets_since(self._settings, [Click.topic, ClickFlag.topic], at)
        return await asyncio.wait_for(asked, self._settings.send_timeout_s)


def _parts(start: Mapping[int, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(Decision.topic, number): at for number, at in start.items()}
