"""One decoded Kafka record."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka import ConsumerRecord

from afflux.kernel.events import Event


@dataclass(frozen=True, slots=True)
class Record:
    """One decoded record; `timestamp` is Kafka's, in milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int
    headers: tuple[tuple[str, bytes], ...]
    event: Event

    @classmethod
    def of(cls, raw: ConsumerRecord, event: Event) -> Record:
        """Return the record of a Kafka record whose event was decoded."""
        return cls(
            raw.topic,
            raw.partition,
            raw.offset,
            raw.key,
            raw.value,
            raw.timestamp,
            tuple(raw.headers),
            event,
        )
