"""The screen as a stage of the consumer loop: clicks in; flags, watermarks and counts out.

Flags stand before the watermark that covers them, in the partition of their clicks. Counts take
another way: they go out one turn after their batch is committed, from the store, because their
ids hold the range that was counted; a batch that is repeated after a crash may have another range,
and must not be counted twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from afflux.kernel.events import Click, Event
from afflux.kernel.types import Millis
from afflux.runtime import metrics
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from services.fraud.erasures import Erasures
from services.fraud.offers import Offers
from services.fraud.process import Memory, screen, watermark
from services.fraud.screen_state import Change, ScreenState

Counted = Callable[[], Awaitable[Mapping[int, int]]]
"""Fetches, for each partition of the clicks, up to which offset counts were published."""


class _Turn(Struct):
    """What this turn decided for one partition, until it is committed."""

    change: Change | None
    marked: int
    published: list[bytes]


class ScreenStage:
    """Judges clicks; see the module."""

    name = "screen"
    topics: tuple[str, ...] = (Click.topic,)

    def __init__(
        self,
        folder: Path,
        offers: Offers,
        counted: Counted,
        tenant_id: int = 0,
        erasures: Erasures | None = None,
    ) -> None:
        self._folder = folder
        self._offers = offers
        self._counted = counted
        self._tenant_id = tenant_id
        self._erasures = erasures
        self._states: dict[int, ScreenState] = {}
        self._turns: dict[int, _Turn] = {}

    @property
    def unpublished(self) -> int:
        """Counts that are committed and not published yet."""
        return sum(len(state.pending) for state in self._states.values())

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Open the state of these partitions; RocksDB's lock refuses a second owner.

        A fresh store judges the log again from its beginning, which repeats flags with the same
        ids. Its counts would have other ranges, so it counts only what nobody has counted yet.
        """
        opened = {p.partition: ScreenState(self._folder / str(p.partition)) for p in partitions}
        self._states.update(opened)
        if self._erasures is not None:
            for state in opened.values():
                state.forget(self._erasures.erased, self._erasures.erased)
        if any(state.fresh for state in opened.values()):
            counted = await self._counted()
            for partition, state in opened.items():
                if state.fresh:
                    state.begin(counted.get(partition, 0))
        return {part: self._states[part.partition].head.next_offset for part in partitions}

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Close the state of these partitions."""
        for part in partitions:
            self._turns.pop(part.partition, None)
            self._states.pop(part.partition).close()

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        """Judge a batch, and publish what earlier turns left to publish."""
        by_partition: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.partition].append(record)
        if records:
            await self._offers.sync(max(record.event.recorded_at for record in records))
        if self._erasures is not None and (visitors := await self._erasures.fresh(now)):
            for state in self._states.values():
                state.forget(visitors, self._erasures.erased)
        outputs: list[Event] = []
        for partition, state in self._states.items():
            events, turn = self._turn(partition, state, by_partition[partition], now)
            self._turns[partition] = turn
            outputs += events
        return outputs

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        """Write what the turn decided, with the next offsets, one batch a partition."""
        next_offsets = {part.partition: offset for part, offset in positions.items()}
        for partition, turn in self._turns.items():
            state = self._states[partition]
            next_offset = next_offsets.get(partition, state.head.next_offset)
            moved = next_offset != state.head.next_offset or turn.marked != state.head.marked
            if moved or turn.change or turn.published:
                state.write(next_offset, turn.change, turn.marked, turn.published)
        self._turns.clear()

    def _turn(
        self, partition: int, state: ScreenState, records: Sequence[Record], now: Millis
    ) -> tuple[list[Event], _Turn]:
        published = list(state.pending)
        outputs: list[Event] = [state.pending[key] for key in published]
        change, marked = None, state.head.next_offset
        recorded_at = state.head.recorded_at or now
        if records:
            flags, change = self._judge(partition, state, records)
            outputs += flags
            marked, recorded_at = change.marked, change.recorded_at
        if marked > state.head.marked:
            outputs.append(watermark(partition, marked, recorded_at, self._tenant_id))
        return outputs, _Turn(change, max(marked, state.head.marked), published)

    def _judge(
        self, partition: int, state: ScreenState, records: Sequence[Record]
    ) -> tuple[Sequence[Event], Change]:
        clicks = [(r.offset, r.event) for r in records if isinstance(r.event, Click)]
        memory: Memory = state.memory([click for _, click in clicks])
        end = records[-1].offset + 1
        bounds = (max(state.head.next_offset, state.head.counted_to), end)
        found = screen(clicks, partition, bounds, memory, self._offers.view)
        for reason, number in found.dropped.items():
            metrics.DROPPED.labels(self.name, reason).inc(number)
        latest = max(record.event.recorded_at for record in records)
        recorded_at = max(state.head.recorded_at, latest)
        return found.flags, Change(memory, end, recorded_at, found.counts)
