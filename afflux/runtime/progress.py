"""Liveness is progress: the committed offset moves while there is lag (law S3)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition

from afflux.runtime import metrics

STALLED_AFTER_S = 30.0


class Progress:
    """Where a stage stands in its partitions, and since when it has not moved."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._next: dict[TopicPartition, int] = {}
        self._end: dict[TopicPartition, int] = {}
        self._moved_at = time.monotonic()
        self._turned_at = time.monotonic()

    def assigned(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Start to follow these partitions."""
        self._next.update(offsets)
        self._moved_at = time.monotonic()

    def revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Follow these partitions no more."""
        for part in partitions:
            self._next.pop(part, None)
            self._end.pop(part, None)

    def committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take note of next offsets after a commit."""
        self._next.update(positions)
        self._moved_at = time.monotonic()

    def turned(self, consumer: AIOKafkaConsumer) -> None:
        """Take note of a turn of the loop and of the ends of the partitions."""
        self._turned_at = time.monotonic()
        for part in self._next:
            end = consumer.highwater(part)
            if end is not None:
                self._end[part] = end
        if self.lag == 0:
            self._moved_at = self._turned_at
        for part in self._next:
            metrics.LAG.labels(self._stage, part.topic, part.partition).set(self._lag_of(part))

    def _lag_of(self, part: TopicPartition) -> int:
        return max(0, self._end.get(part, 0) - self._next.get(part, 0))

    @property
    def lag(self) -> int:
        """Records known to be in Kafka and not committed."""
        return sum(map(self._lag_of, self._next))

    @property
    def healthy(self) -> bool:
        """False when nothing was committed for 30 s although there is lag, or the loop hangs."""
        now = time.monotonic()
        hangs = now - self._turned_at > STALLED_AFTER_S
        return not hangs and (self.lag == 0 or now - self._moved_at <= STALLED_AFTER_S)

    def status(self) -> dict[str, object]:
        """Return what /status shows."""
        return {
            "healthy": self.healthy,
            "lag": self.lag,
            "assigned": [f"{part.topic}/{part.partition}" for part in sorted(self._next)],
            "positions": {f"{p.topic}/{p.partition}": at for p, at in sorted(self._next.items())},
        }
