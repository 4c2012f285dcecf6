"""What the log knows of a partition's earlier owners: what they published, how far they read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from afflux.kernel.events import Click, ClickFlag, Decision
from afflux.runtime.codec import Codec
from afflux.runtime.log_reader import (
    TopicPartition,
    end_offsets,
    group_offsets,
    offsets_since,
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

    async def decisions(self, start: Mapping[int, int]) -> AsyncIterator[Sequence[Decision]]:
        """Yield what was published from `start` (by partition, else 0) to the ends as of now."""
        begin = {TopicPartition(Decision.topic, number): at for number, at in start.items()}
        async for records in read_topic(self._settings, [Decision.topic], self._codec, begin):
            yield [one.event for one in records if isinstance(one.event, Decision)]

    async def since(self, at: int) -> Mapping[TopicPartition, int]:
        """Return the first offsets of clicks and flags with a timestamp of `at` (ms) or later."""
        asked = offsets_since(self._settings, [Click.topic, ClickFlag.topic], at)
        return await asyncio.wait_for(asked, self._settings.send_timeout_s)
