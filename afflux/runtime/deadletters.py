"""Dead letters: the original bytes, where they stood, and why nobody could process them."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from afflux.kernel.events import DeadLetterRecord, Header
from afflux.kernel.ids import derive
from afflux.kernel.types import Millis

_ERROR_CHARS = 500
_WINDOW = 1_000
_LEAST = 100


class Origin(Protocol):
    """What a dead letter keeps of the record it came from."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]: ...


def dead_letter(
    origin: Origin, stage: str, reason: str, detail: str, tenant_id: int = 0
) -> DeadLetterRecord:
    """Return the dead letter of a record; its id derives from where the record stands."""
    at = Millis(origin.timestamp)
    return DeadLetterRecord(
        event_id=derive("dead-letter", stage, origin.topic, origin.partition, origin.offset),
        occurred_at=at,
        recorded_at=at,
        tenant_id=tenant_id,
        origin_topic=origin.topic,
        origin_partition=origin.partition,
        origin_offset=origin.offset,
        origin_key=origin.key,
        origin_value=origin.value,
        headers=[Header(name=name, value=value) for name, value in origin.headers],
        stage=stage,
        reason=reason,
        error=detail[:_ERROR_CHARS],
    )


class TooManyDeadLetters(RuntimeError):
    """The share of dead letters is over the limit: something is broken, not one record."""


class DeadLetterLimit:
    """Stops a stage when dead letters are a larger share of its last 1,000 records than allowed."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._recent: deque[tuple[int, int]] = deque()
        self._good = 0
        self._bad = 0

    def count(self, good: int, bad: int) -> None:
        """Take a batch's counts; raises TooManyDeadLetters over the limit (law S1)."""
        self._recent.append((good, bad))
        self._good += good
        self._bad += bad
        while self._good + self._bad > _WINDOW and len(self._recent) > 1:
            old_good, old_bad = self._recent.popleft()
            self._good -= old_good
            self._bad -= old_bad
        total = self._good + self._bad
        if self._bad >= _LEAST and self._bad > self._share * total:
            raise TooManyDeadLetters(
                f"{self._bad} of the last {total} records are dead letters, more than the allowed "
                f"share of {self._share}; look at `afflux dlq list`, then start the service again"
            )
