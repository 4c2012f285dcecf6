"""The assessment as a stage of the consumer loop: decisions in, assessments out.

It keeps nothing but its next offsets. They are its own, not Kafka's, like every stage's: one law
for all, and a repeated decision gives the same assessment with the same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from afflux.kernel.events import Decision, Event
from afflux.kernel.outcome import Emit
from afflux.kernel.types import Millis
from afflux.runtime.loop import TopicPartition
from afflux.runtime.record import Record
from afflux.runtime.rocks import Rocks
from services.fraud.offers import Offers
from services.fraud.process import process_decision

_NEXT = b"next"


class AssessStage:
    """Assesses decisions; see the module."""

    name = "assess"
    topics: tuple[str, ...] = (Decision.topic,)

    def __init__(self, folder: Path, offers: Offers) -> None:
        self._folder = folder
        self._offers = offers
        self._stores: dict[int, Rocks] = {}

    async def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Open the stores of these partitions and return their next offsets."""
        offsets = {}
        for part in partitions:
            store = self._stores[part.partition] = Rocks(self._folder / str(part.partition))
            offsets[part] = int(store.get(_NEXT) or b"0")
        return offsets

    async def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Close the stores of these partitions."""
        for part in partitions:
            self._stores.pop(part.partition).close()

    async def process(self, records: Sequence[Record], now: Millis) -> Sequence[Event]:
        """Return the assessments of a batch."""
        if not records:
            return []
        await self._offers.sync(max(record.event.recorded_at for record in records))
        outputs: list[Event] = []
        for record in records:
            if isinstance(record.event, Decision):
                match process_decision(record.event, self._offers.view):
                    case Emit(events):
                        outputs += events
                    case _:
                        pass
        return outputs

    async def commit(self, positions: Mapping[TopicPartition, int], now: Millis) -> None:
        """Keep the next offsets."""
        for part, offset in positions.items():
            store = self._stores[part.partition]
            batch = store.batch()
            batch.put(_NEXT, str(offset).encode())
            store.write(batch)
